"""Functions over a range. Each takes the samples and gives a value a series, and which series have one.

``rate``, ``increase`` and ``delta`` extrapolate to the borders of the range as Prometheus 3 does (promql/functions.go, extrapolatedRate): up
to the border when the first or last sample is within 1.1 mean intervals of it, else by half an interval; a counter not below zero. ``deriv`` and
``predict_linear`` fit a least-squares line (linearRegression in the same file).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from monitor.promql.quantile import quantiles
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
    def before_last(self) -> Rows:
        """Row of the last sample but one of each series; 0 if it has none."""
        earlier = self.matrix.present & (np.arange(len(self.matrix.times))[:, None] < self.last)
        found: Rows = len(earlier) - 1 - earlier[::-1].argmax(axis=0) if len(earlier) else np.zeros(len(self.matrix.labels), np.intp)
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


def _last_step(counter: bool) -> OverTime:
    """The difference of the last two samples; of a counter what it grew by a second."""

    def function(r: Range) -> Result:
        enough = r.counts >= 2
        if not enough.any():
            return np.full(len(enough), np.nan), enough
        now, before = r.at(r.last), r.at(r.before_last)
        if not counter:
            return now - before, enough
        grown = np.where(now < before, now, now - before)
        return grown / (r.matrix.times[r.last] - r.matrix.times[r.before_last]), enough

    return function


def _regression(r: Range, zero: int) -> tuple[Floats, Floats, Bools]:
    """Slope a second and value at the time ``zero`` of the least-squares line through each series' samples, and which have one."""
    enough = r.counts >= 2
    if not enough.any():
        nothing = np.full(len(enough), np.nan)
        return nothing, nothing, enough
    present, values = r.matrix.present, _filled(r, 0.0)
    x = np.where(present, (r.matrix.times - zero).astype(np.float64)[:, None], 0.0)
    mean_x, mean_y = x.sum(axis=0) / r.counts, values.sum(axis=0) / r.counts
    away = np.where(present, x - mean_x, 0.0)
    slope = (away * np.where(present, values - mean_y, 0.0)).sum(axis=0) / (away**2).sum(axis=0)
    first = r.at(r.first)
    level = (~present | (values == first)).all(axis=0)  # as Prometheus: a level line exactly, but none through infinity
    flat = np.where(np.isinf(first), np.nan, 0.0)
    return np.where(level, flat, slope), np.where(level, first + flat, mean_y - slope * mean_x), enough


def _deriv(r: Range) -> Result:
    slope, _, enough = _regression(r, r.end)
    return slope, enough


def predicted(r: Range, now: int, ahead: float) -> Result:
    """Where each series' line is ``ahead`` seconds after ``now`` (which an offset does not move)."""
    slope, value, enough = _regression(r, now)
    return slope * ahead + value, enough


def quantile_over_time(r: Range, phi: float) -> Result:
    """The ``phi``-quantile of each series' samples."""
    _, series = np.nonzero(r.matrix.present)
    return quantiles(phi, r.matrix.values[r.matrix.present], series, len(r.counts)), r.counts > 0


OVER_TIME: dict[str, OverTime] = {
    "avg_over_time": _seen(_avg),
    "changes": _seen(_changes),
    "count_over_time": _seen(lambda r: r.counts.astype(np.float64)),
    "delta": _extrapolated(counter=False, per_second=False),
    "deriv": _deriv,
    "idelta": _last_step(counter=False),
    "irate": _last_step(counter=True),
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
