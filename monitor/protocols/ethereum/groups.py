"""Exact sums by owner: each operator's, each protocol's and the network's, in one pass over the validators.

``np.bincount`` adds float64, which is exact up to 2^53 only, and the balances of a million validators are more gwei than that. So
amounts are summed in parts of 26 bits, whose sums are exact for up to 2^27 validators, and put together as Python integers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.model.beacon import Owners

NETWORK = ("ethereum", "")
_PART_BITS = 26

Key = tuple[str, str]
Table = NDArray[Any]
"""A row for each of ``Groups.keys``, a column a code, of Python integers, which never overflow."""


class Groups:
    """The owners of a registry of ``size`` validators.

    ``bins[i]`` is the owner of validator i as an index of ``owners.groups``, one more than the last for nobody's.
    ``protocols``: those of the owners, in order of appearance.
    """

    def __init__(self, owners: Owners, size: int) -> None:
        self._groups = owners.groups
        self.bins = np.full(size, len(owners.groups), np.intp)
        known = min(size, len(owners.of))
        of = owners.of[:known]
        np.copyto(self.bins[:known], of, where=of >= 0)
        self.protocols = tuple(dict.fromkeys(protocol for protocol, _ in owners.groups))
        self._rows = [np.array([i for i, (whose, _) in enumerate(owners.groups) if whose == protocol]) for protocol in self.protocols]

    @property
    def keys(self) -> tuple[Key, ...]:
        """All (protocol, operator), with "" for all of a protocol, and the network."""
        return (*self._groups, *((protocol, "") for protocol in self.protocols), NETWORK)

    def count(self, codes: NDArray[Any] | int, kinds: int = 1, who: NDArray[np.intp] | None = None) -> Table:
        """How many validators have each code of 0 to ``kinds`` - 1; of ``who`` (indices, aligned with the codes) alone, if given."""
        cells = np.bincount(self._cells(codes, kinds, who), minlength=self._size * kinds)
        return self._spread(cells.astype(object), kinds)

    def sum(self, amounts: NDArray[Any], codes: NDArray[Any] | int = 0, kinds: int = 1, who: NDArray[np.intp] | None = None) -> Table:
        """The exact sum of amounts (uint64 or int64) by code; amounts and codes are aligned with ``who``, if given."""
        return self._spread(exact_sums(self._cells(codes, kinds, who), amounts, self._size * kinds), kinds)

    def largest(self, values: NDArray[Any], who: NDArray[np.intp]) -> list[int]:
        """For each key, the largest value of ``who``; 0 where it has none."""
        found = np.zeros(self._size, np.int64)
        np.maximum.at(found, self.bins[who], values.astype(np.int64))
        protocols = [int(found[rows].max(initial=0)) for rows in self._rows]
        return [*found[:-1].tolist(), *protocols, int(found.max())]

    @property
    def _size(self) -> int:
        return len(self._groups) + 1

    def _cells(self, codes: NDArray[Any] | int, kinds: int, who: NDArray[np.intp] | None) -> NDArray[np.intp]:
        bins = self.bins if who is None else self.bins[who]
        return bins if kinds == 1 else bins * kinds + codes

    def _spread(self, cells: Table, kinds: int) -> Table:
        """From cells (operators and nobody) to keys: protocols and the network are sums."""
        rows = cells.reshape(self._size, kinds)
        protocols = [rows[members].sum(axis=0) for members in self._rows]
        return np.vstack((rows[:-1], *protocols, rows.sum(axis=0)))


def exact_sums(bins: NDArray[np.intp], amounts: NDArray[Any], size: int) -> Table:
    """Sums of amounts by bin, exact for uint64 and int64, as Python integers."""
    totals, shift, rest = np.zeros(size, object), 0, amounts
    mask, bits = rest.dtype.type((1 << _PART_BITS) - 1), rest.dtype.type(_PART_BITS)
    while rest.any():
        # What is left of negative amounts ends at -1, which must be taken whole.
        last = int(rest.max()) <= mask and int(rest.min()) >= -int(mask)
        part = np.bincount(bins, weights=rest if last else rest & mask, minlength=size)
        totals += part.astype(np.int64).astype(object) * (1 << shift)
        if last:
            break
        rest, shift = rest >> bits, shift + _PART_BITS
    return totals
