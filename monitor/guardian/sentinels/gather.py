"""Which order has enough signatures, and which of them go with it; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from monitor.guardian.order import live, pack
from monitor.model import Address


@dataclass(frozen=True, slots=True)
class Gathered:
    """An order that enough live sentinels signed. ``signatures``: as many as the contract asks for, packed. ``signers``: all who signed, ascending."""

    digest: str
    signatures: bytes
    signers: tuple[Address, ...]

    def turn(self, own: Address | None) -> int:
        """Whose turn it is to submit: 0 for the first signer. Who did not sign comes after all."""
        return self.signers.index(own) if own in self.signers else len(self.signers)


def gathered(
    digests: Iterable[str], signed: Mapping[str, Mapping[Address, bytes]], sentinels: Mapping[Address, int], threshold: int, now: int
) -> Gathered | None:
    """The first of these orders (the most wanted first) with ``threshold`` signatures of sentinels that live at block time ``now``.

    No more signatures than needed are taken, those of the longest-living sentinels: the contract refuses an order for any signature that does not
    count when it is mined.
    """
    for digest in digests:
        found = live(signed.get(digest, {}).items(), sentinels, now)
        if threshold > 0 and len(found) >= threshold:
            best = sorted(found, key=lambda a: (-sentinels[a], int(a, 16)))[:threshold]
            return Gathered(digest, pack({a: found[a] for a in best}), tuple(sorted(found, key=lambda a: int(a, 16))))
    return None
