"""Who validates on the simulated chain: the keys of the protocol that is watched, and everybody else.

The watched keys come from the caller (the stand-in of the key registry knows them); they get the first indices, in the order given. The
rest of the registry belongs to others: solo stakers, exchanges and large 0x02 validators, so that counting heads and counting stake differ.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from monitor.chain.beacon.spec import ETHER

OPERATORS = tuple(f"operator-{i:02d}" for i in range(12))
"""The dozen operators of the watched protocol where the caller brings no keys."""
WATCHED_SHARE = 0.5
"""The watched protocol's part of all validators where the caller brings no keys."""
OTHERS = (("exchange-a", 4), ("exchange-b", 3), ("pool-c", 3), ("solo", 6))
"""Owners of the rest, with their relative sizes."""
LARGE_EVERY = 64
"""One in so many of the others is a consolidated 0x02 validator."""
LARGE = tuple(ether * ETHER for ether in (64, 128, 512, 1024, 2048))


@dataclass(frozen=True, slots=True)
class Key:
    """One watched validator: 48 bytes of public key, 32 of withdrawal credentials, the operator who runs it, and its first balance in gwei."""

    pubkey: bytes
    credentials: bytes
    operator: str
    balance: int = 32 * ETHER


def derive_pubkey(operator: str, number: int) -> bytes:
    """48 bytes that look like a public key (compressed, so the top bit is set) but belong to nobody. The same for the same arguments."""
    digest = hashlib.sha512(f"{operator}/{number}".encode()).digest()[:48]
    return bytes([0x80 | digest[0] & 0x1F]) + digest[1:]


def credentials_of(address: str | bytes, kind: int = 1) -> bytes:
    """Withdrawal credentials of an execution address: kind 1, or 2 for compounding."""
    raw = bytes.fromhex(address.removeprefix("0x")) if isinstance(address, str) else address
    if len(raw) != 20:
        raise ValueError(f"a withdrawal address has 20 bytes, not {len(raw)}")
    return bytes([kind]) + bytes(11) + raw


def derive_keys(count: int, credentials: bytes, operators: Sequence[str] = OPERATORS) -> tuple[Key, ...]:
    """``count`` keys, dealt out to the operators in runs as deposits do; operators differ in size."""
    sizes = [count * (i + 2) // sum(range(2, len(operators) + 2)) for i in range(len(operators))]
    sizes[-1] += count - sum(sizes)
    return tuple(
        Key(derive_pubkey(operator, number), credentials, operator)
        for operator, size in zip(operators, sizes, strict=True)
        for number in range(size)
    )


@dataclass(slots=True, eq=False)
class Registry:
    """The validators at the start: one item an index. ``group[i]`` numbers ``operators``; the first ``watched`` operators are watched."""

    pubkeys: NDArray[np.void]
    credentials: NDArray[np.void]
    balances: NDArray[np.int64]
    group: NDArray[np.int32]
    operators: list[str] = field(default_factory=list)
    watched: int = 0

    def __len__(self) -> int:
        return len(self.balances)


def registry(keys: Sequence[Key] | None, validators: int) -> Registry:
    """A registry of ``validators`` (or of all ``keys``, if those are more)."""
    if keys is None:
        keys = derive_keys(int(validators * WATCHED_SHARE), credentials_of(hashlib.sha256(b"vault").digest()[:20]))
    operators = list(dict.fromkeys(key.operator for key in keys))
    watched, number = len(operators), {name: i for i, name in enumerate(operators)}
    pubkeys = [key.pubkey for key in keys]
    credentials = [key.credentials for key in keys]
    balances = [key.balance for key in keys]
    group = [number[key.operator] for key in keys]
    wheel = [name for name, weight in OTHERS for _ in range(weight)]
    for i in range(max(0, validators - len(keys))):
        owner = wheel[i % len(wheel)]
        if owner not in number:
            number[owner] = len(operators)
            operators.append(owner)
        large = i % LARGE_EVERY == LARGE_EVERY - 1
        address = hashlib.sha256(f"{owner}/{i}".encode()).digest()[:20]
        pubkeys.append(derive_pubkey(owner, i))
        credentials.append(credentials_of(address, 2 if large else 1))
        balances.append(LARGE[i // LARGE_EVERY % len(LARGE)] if large else 32 * ETHER)
        group.append(number[owner])
    wrong = [i for i, (key, credential) in enumerate(zip(pubkeys, credentials, strict=True)) if len(key) != 48 or len(credential) != 32]
    if wrong or len(set(pubkeys)) != len(pubkeys):
        raise ValueError(f"keys must be distinct, 48 bytes with 32 bytes of credentials; wrong is number {wrong[0] if wrong else 'a twin'}")
    return Registry(
        np.frombuffer(b"".join(pubkeys), "V48"), np.frombuffer(b"".join(credentials), "V32"),
        np.array(balances, np.int64), np.array(group, np.int32), operators, watched,
    )  # fmt: skip
