"""What the window answers: vectors and matrices whose elements are known or unknown.

A *known* element is there and has this value. An *unknown* one was there when we last saw it: it may have any value now, or be
gone. Beyond these, elements that we never saw may be there: ``missing`` says which ones. Each of its entries is a partial
label set, and any unseen element has all labels of at least one entry; the empty entry allows anything. A
result without entries is *complete*.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from monitor.model import Labels
from monitor.samples.table import EMPTY_TABLE, LabelTable

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Missing = frozenset[Labels]

COMPLETE: Missing = frozenset()

UNKNOWN = np.frombuffer(np.uint64(0x7FF8_5AFE_0000_0001).tobytes(), np.float64)[0]
"""The value of an element that is unknown in a recorded frame: a NaN with a payload of its own, which arithmetic never makes."""
_UNKNOWN_BITS = np.uint64(0x7FF8_5AFE_0000_0001)


@dataclass(frozen=True, eq=False)
class Vector:
    """One value a label set at one time. Shapes: ``values`` and ``known`` are (n,), n rows of ``labels``.

    The value of an unknown element is the last one seen, or NaN: good to show, never to judge by.
    """

    labels: LabelTable
    values: Floats
    known: Bools
    missing: Missing = COMPLETE

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def complete(self) -> bool:
        """Whether no unseen element could be there."""
        return not self.missing

    def could_hold(self, labels: Labels) -> bool:
        """Whether an unseen element could have these labels (``__name__`` included where the elements have one)."""
        return any(set(entry) <= set(labels) for entry in self.missing)

    @cached_property
    def rows(self) -> dict[Labels, tuple[float, bool]]:
        """Value and known by label set."""
        return {row: (float(v), bool(k)) for row, v, k in zip(self.labels.rows, self.values, self.known, strict=True)}


@dataclass(frozen=True, eq=False)
class Matrix:
    """The samples of a range. Shapes: ``times`` (t,) in seconds, ascending; ``values`` and ``present`` (t, n); ``known`` (n,).

    ``values`` is NaN where ``present`` is false. A column that is not known stands for a series whose samples cannot be relied on.
    """

    labels: LabelTable
    times: NDArray[np.int64]
    values: Floats
    present: Bools
    known: Bools
    missing: Missing = COMPLETE

    @property
    def complete(self) -> bool:
        return not self.missing


EMPTY = Vector(EMPTY_TABLE, np.empty(0), np.empty(0, bool))


def is_unknown(values: Floats) -> Bools:
    """Where a recorded value says that the element was unknown."""
    found: Bools = values.view(np.uint64) == _UNKNOWN_BITS
    return found


_MANY = 64
"""Entries of one result; more are replaced by what they have in common."""


def widest(entries: Iterable[Labels]) -> Missing:
    """The entries without those that another one covers; very many become the one entry that covers them all."""
    distinct = set(entries)
    if len(distinct) > _MANY:
        return frozenset({tuple(sorted(set.intersection(*map(set, distinct))))})
    if len(distinct) < 2:
        return frozenset(distinct)
    return frozenset(e for e in distinct if not any(o != e and set(o) <= set(e) for o in distinct))
