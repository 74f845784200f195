"""Tables of label sets, and everything about them that need not be computed twice.

The label sets of a layout change rarely and its values at every block. So all that follows from labels alone (groups of
an aggregation, partners of a match) is kept on the table, and tables that come from the same table in the same
way are the same object: evaluating an expression again over an unchanged layout costs numpy operations only.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from monitor.model import Labels

Rows = NDArray[np.intp]
T = TypeVar("T")

_TAKEN = 16
"""Filtered tables remembered per table: an expression's filters alternate between few outcomes."""
_PAIRED = 16


class LabelTable:
    """An immutable list of label sets (``__name__`` included where there is one). Compared by identity."""

    __slots__ = ("__weakref__", "_derived", "_pairs", "_taken", "rows")

    rows: tuple[Labels, ...]

    def __init__(self, rows: Iterable[Labels]) -> None:
        self.rows = tuple(rows)
        self._derived: dict[Hashable, object] = {}
        self._taken: dict[bytes, LabelTable] = {}
        self._pairs: weakref.WeakKeyDictionary[LabelTable, dict[Hashable, object]] = weakref.WeakKeyDictionary()

    def __len__(self) -> int:
        return len(self.rows)

    def derive(self, key: Hashable, make: Callable[[], T]) -> T:
        """``make()``, computed once for this table and ``key``."""
        found = self._derived.get(key)
        if found is None:
            found = self._derived[key] = make()
        return found  # type: ignore[return-value]

    def pair(self, other: LabelTable, key: Hashable, make: Callable[[], T]) -> T:
        """``make()``, computed once for this table, the other one and ``key``; forgotten with either table."""
        known = self._pairs.get(other)
        if known is None:
            if len(self._pairs) >= _PAIRED:
                self._pairs.clear()
            known = self._pairs[other] = {}
        found = known.get(key)
        if found is None:
            found = known[key] = make()
        return found  # type: ignore[return-value]

    def take(self, keep: NDArray[np.bool_]) -> LabelTable:
        """The rows where ``keep`` is true; this very table if that is all of them."""
        if keep.all():
            return self
        if not keep.any():
            return EMPTY_TABLE
        key = keep.tobytes()
        found = self._taken.get(key)
        if found is None:
            if len(self._taken) >= _TAKEN:
                self._taken.pop(next(iter(self._taken)))
            found = self._taken[key] = LabelTable(self.rows[i] for i in np.flatnonzero(keep))
        return found

    def without(self, *names: str) -> LabelTable:
        """The same rows without these labels. Rows that become equal stay as they are: see ``unique``."""
        return self.derive(("without", names), lambda: LabelTable(tuple(p for p in row if p[0] not in names) for row in self.rows))

    @property
    def unique(self) -> bool:
        """Whether no two rows are equal."""
        return self.derive("unique", lambda: (len(set(self.rows)) == len(self.rows),))[0]

    def grouping(self, names: frozenset[str], on: bool) -> Grouping:
        """The rows by the labels ``names`` alone (``on``), or by all labels except ``names`` and ``__name__`` (not ``on``)."""
        return self.derive(("group", names, on), lambda: _group(self, names, on))

    def agreeing(self, labels: Labels) -> NDArray[np.bool_]:
        """Where a row has every one of these labels with this value."""
        return self.derive(("agree", labels), lambda: np.fromiter((set(labels) <= set(row) for row in self.rows), bool, len(self.rows)))


@dataclass(frozen=True, slots=True, eq=False)
class Grouping:
    """``of[i]`` is the row of ``groups`` to which row i belongs; groups stand in order of first appearance."""

    groups: LabelTable
    of: Rows

    @property
    def sizes(self) -> Rows:
        return np.bincount(self.of, minlength=len(self.groups))


EMPTY_TABLE = LabelTable(())


def join(tables: Sequence[LabelTable]) -> LabelTable:
    """All rows of the tables, in order."""
    return LabelTable(row for table in tables for row in table.rows)


def _group(table: LabelTable, names: frozenset[str], on: bool) -> Grouping:
    index: dict[Labels, int] = {}
    of = np.empty(len(table), np.intp)
    for i, row in enumerate(table.rows):
        key = project(row, names, on)
        of[i] = index.setdefault(key, len(index))
    return Grouping(LabelTable(index), of)


def project(row: Labels, names: frozenset[str], on: bool) -> Labels:
    """The labels of a row by which it is grouped."""
    if on:
        return tuple(p for p in row if p[0] in names)
    return tuple(p for p in row if p[0] not in names and p[0] != "__name__")
