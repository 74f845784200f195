"""Functions over a range. Each takes the samples and gives a value a series, and which series have one.

``rate``, ``increase`` and ``delta`` extrapolate to the borders of the range as Prometheus 3 does (promql/functions.go, extrapolatedRate): up
to the border when the first or last sample is within 1.1 mean intervals of it, else by half an interval; a counter not below zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from monitor.samples import Matrix
from monitor.samples.table import Rows
from monitor.samples.vector import Bools, Floats


@dataclass(frozen=True, eq=False)
class Range:
    """The samples of a range that ends at ``end`` and is ``seconds`` long, with what several functions need of them."""

    matrix: Matrix
    end: int
    seconds: int

    @cached_property
    def full(self) -> bool:
        """Whether every series has a sample at every time."""
        return bool(self.matrix.present.all())

    @cached_property
    def counts(self) -> Rows:
        if self.full:
            return np.full(len(self.matrix.labels), len(self.matrix.times), np.intp)
        found: Rows = self.matrix.present.sum(axis=0)
        return found

    @cached_property
    def first(self) -> Rows:
        """Row of the first sample of each series; 0 if it has none."""
        found: Rows = self.matrix.present.argmax(axis=0) if len(self.matrix.times) else np.zeros(len(self.matrix.labels), np.intp)
        return found

    @cached_property
    def last(self) -> Rows:
        rows = len(self.matrix.times)
        found: Rows = rows - 1 - self.matrix.present[::-1].argmax(axis=0) if rows else np.zeros(len(self.matrix.labels), np.intp)
        return found

    def at(self, rows: Rows) -> Floats:
        """The value of each series in its row; NaN where there are no samples at all."""
        if not len(self.matrix.times):
            return np.full(len(self.matrix.labels), np.nan)
        found: Floats = self.matrix.values[rows, np.arange(len(rows))]
        return found

    @cached_property
    def steps(self) -> tuple[Floats, Floats, Bools]:
        """Each sample but the first, the sample before it of the same series, and where there are both: all (t - 1, n)."""
        values, present = self.matrix.values, self.matrix.present
        if self.full or len(values) < 2:
            return values[1:], values[:-1], present[1:]
        rows = np.where(present, np.arange(len(values))[:, None], -1)
        before = np.maximum.accumulate(rows, axis=0)[:-1]
        return values[1:], np.take_along_axis(values, np.maximum(before, 0), axis=0), present[1:] & (before >= 0)


Result = tuple[Floats, Bools]
OverTime = Callable[[Range], Result]


def _seen(values: Callable[[Range], Floats]) -> OverTime:
    """A function that needs one sample."""
    return lambda r: (values(r), r.counts > 0)


def _filled(r: Range, filler: float) -> Floats:
    return r.matrix.values if r.full else np.where(r.matrix.present, r.matrix.values, filler)


def _sum(r: Range) -> Floats:
    found: Floats = _filled(r, 0.0).sum(axis=0)
    return found


def _avg(r: Range) -> Floats:
    return _sum(r) / r.counts


def _variance(r: Range) -> Floats:
    distance = _filled(r, 0.0) - _avg(r)
    found: Floats = np.where(r.matrix.present, distance**2, 0.0).sum(axis=0) / r.counts
    return found


def _extreme(pick: np.ufunc) -> Callable[[Range], Floats]:
    """The smallest or largest sample; NaN only if all are."""

    def extreme(r: Range) -> Floats:
        if not len(r.matrix.times):
            return np.full(len(r.matrix.labels), np.nan)
        found: Floats = pick.reduce(_filled(r, np.nan), axis=0)
        return found

    return extreme


def _changes(r: Range) -> Floats:
    now, before, both = r.steps
    found: Floats = (both & (now != before) & ~(np.isnan(now) & np.isnan(before))).sum(axis=0).astype(np.float64)
    return found


def _resets(r: Range) -> Floats:
    now, before, both = r.steps
    found: Floats = (both & (now < before)).sum(axis=0).astype(np.float64)
    return found


def _extrapolated(counter: bool, per_second: bool) -> OverTime:
    def function(r: Range) -> Result:
        times = r.matrix.times.astype(np.float64)
        enough = r.counts >= 2
        if not enough.any():
            return np.full(len(enough), np.nan), enough
        first = r.at(r.first)
        grown = r.at(r.last) - first
        if counter:
            now, before, both = r.steps
            grown = grown + np.where(both & (now < before), before, 0.0).sum(axis=0)
        sampled = times[r.last] - times[r.first]
        mean = sampled / (r.counts - 1)
        limit = mean * 1.1
        to_start, to_end = times[r.first] - (r.end - r.seconds), r.end - times[r.last]
        to_start = np.where(to_start >= limit, mean / 2, to_start)
        to_end = np.where(to_end >= limit, mean / 2, to_end)
        if counter:
            to_zero = np.where((grown > 0) & (first >= 0), sampled * (first / grown), np.inf)
            to_start = np.fmin(to_start, to_zero)
        factor = (sampled + to_start + to_end) / sampled
        return grown * factor / (r.seconds if per_second else 1), enough

    return function


OVER_TIME: dict[str, OverTime] = {
    "avg_over_time": _seen(_avg),
    "changes": _seen(_changes),
    "count_over_time": _seen(lambda r: r.counts.astype(np.float64)),
    "delta": _extrapolated(counter=False, per_second=False),
    "increase": _extrapolated(counter=True, per_second=False),
    "last_over_time": _seen(lambda r: r.at(r.last)),
    "max_over_time": _seen(_extreme(np.fmax)),
    "min_over_time": _seen(_extreme(np.fmin)),
    "present_over_time": _seen(lambda r: np.ones(len(r.counts))),
    "rate": _extrapolated(counter=True, per_second=True),
    "resets": _seen(_resets),
    "stddev_over_time": _seen(lambda r: np.sqrt(_variance(r))),
    "stdvar_over_time": _seen(_variance),
    "sum_over_time": _seen(_sum),
}
"""By name; what they take and give is in ``signatures``."""
