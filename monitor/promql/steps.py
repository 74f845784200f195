"""An expression at many times: what subqueries, graphs and history are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from monitor.model import Labels
from monitor.promql.value import EvaluationError, Scalar
from monitor.samples import LabelTable, Matrix, Missing, Vector, widest
from monitor.samples.table import Rows
from monitor.samples.vector import Bools, Floats

MAX_VALUES = 2_000_000
"""Values that one expression may come to over all its steps."""
_NOWHERE = LabelTable([()])


@dataclass(frozen=True, eq=False)
class Grid:
    """Values of shape (t, n): a row a time, a column a label set. Where ``present`` is false the value is NaN and ``known`` false.

    ``missing[k]`` says which unseen elements could be there at time k.
    """

    labels: LabelTable
    times: NDArray[np.int64]
    values: Floats
    present: Bools
    known: Bools
    missing: tuple[Missing, ...]

    @cached_property
    def unsure(self) -> Bools:
        """(t, n): where an element may be there or not, or may have another value."""
        found = self.present & ~self.known
        columns: dict[Missing, Bools] = {}
        for row, missing in enumerate(self.missing):
            if not missing:
                continue
            if missing not in columns:
                columns[missing] = np.logical_or.reduce([self.labels.agreeing(entry) for entry in missing])
            found[row] |= columns[missing] & ~self.present[row]
        return found

    def matrix(self) -> Matrix:
        """The samples of a subquery: a series counts as known if it is sure at every step whether it was there, and with which value."""
        unsure: Bools = np.any(self.unsure, axis=0)
        missing = widest(frozenset[Labels]().union(*self.missing))
        return Matrix(self.labels, self.times, self.values, self.present, np.logical_not(unsure), missing)


def over(times: Sequence[int], value: Callable[[int], Vector | Scalar]) -> Grid:
    """``value`` at each of the times, ascending. Raises EvaluationError when it comes to too many values."""
    index: dict[Labels, int] = {}
    placed: dict[LabelTable, Rows] = {}
    found: list[tuple[Rows, Vector]] = []
    total = 0
    for time in times:
        vector = _as_vector(value(time))
        into = placed.get(vector.labels)
        if into is None:
            into = np.array([index.setdefault(row, len(index)) for row in vector.labels.rows], np.intp)
            placed[vector.labels] = into
        total += len(vector)
        if total > MAX_VALUES or len(index) * len(times) > MAX_VALUES:
            raise EvaluationError(f"more than {MAX_VALUES} values; ask for fewer series, a shorter time or larger steps")
        found.append((into, vector))
    shape = (len(found), len(index))
    values, present, known = np.full(shape, np.nan), np.zeros(shape, bool), np.zeros(shape, bool)
    for row, (into, vector) in enumerate(found):
        values[row, into], present[row, into], known[row, into] = vector.values, True, vector.known
    missing = tuple(vector.missing for _, vector in found)
    return Grid(LabelTable(index), np.array(times, np.int64), values, present, known, missing)


def multiples(after: int, until: int, step: int) -> range:
    """The multiples of ``step`` in (after, until]."""
    return range((after // step + 1) * step, until + 1, step)


def _as_vector(value: Vector | Scalar) -> Vector:
    if isinstance(value, Vector):
        return value
    return Vector(_NOWHERE, np.array([value.value]), np.array([value.known]))
