"""Aggregations over groups. A group with an unknown member, or where one could be unseen, is unknown."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np

from monitor.promql.quantile import quantiles
from monitor.promql.unseen import not_settled, projected
from monitor.promql.value import Scalar
from monitor.samples import Grouping, Vector
from monitor.samples.table import Rows, project
from monitor.samples.vector import Bools, Floats

_NONE = Scalar(0.0)


def aggregate(op: str, of: Vector, labels: frozenset[str], by: bool, parameter: Scalar = _NONE) -> Vector:
    """One element a group; members are grouped by ``labels`` alone (``by``), or by all others. ``parameter``: of ``quantile``."""
    grouping = of.labels.grouping(labels, by)
    groups = len(grouping.groups)
    known: Bools = np.bincount(grouping.of, weights=~of.known, minlength=groups) == 0
    missing = of.missing
    if missing:
        for entry in missing:
            known &= ~grouping.groups.agreeing(project(entry, labels, by))
        missing = projected(not_settled(missing, grouping.groups, np.ones(groups, bool), labels, by), labels, by)
    with np.errstate(all="ignore"):
        values = _values(op, of.values, grouping, parameter.value) if groups else np.empty(0)
    return Vector(grouping.groups, values, known & parameter.known, missing)


def _values(op: str, values: Floats, grouping: Grouping, parameter: float) -> Floats:
    if op == "quantile":
        return quantiles(parameter, values, grouping.of, len(grouping.groups))
    return _OPERATIONS[op](values, grouping)


def _sum(values: Floats, g: Grouping) -> Floats:
    return np.bincount(g.of, weights=values, minlength=len(g.groups)).astype(np.float64, copy=False)


def _avg(values: Floats, g: Grouping) -> Floats:
    return _sum(values, g) / g.sizes


def _variance(values: Floats, g: Grouping) -> Floats:
    return _avg((values - _avg(values, g)[g.of]) ** 2, g)


def _reduce(ufunc: np.ufunc, values: Floats, g: Grouping) -> Floats:
    order, starts = g.groups.derive("order", lambda: _ordered(g))
    return cast(Floats, ufunc.reduceat(values[order], starts))


def _ordered(g: Grouping) -> tuple[Rows, Rows]:
    """Rows sorted by group, and where each group starts."""
    order = np.argsort(g.of, kind="stable")
    return order, np.concatenate([[0], np.cumsum(g.sizes)[:-1]]).astype(np.intp)


_OPERATIONS: dict[str, Callable[[Floats, Grouping], Floats]] = {
    "sum": _sum,
    "avg": _avg,
    "min": lambda values, g: _reduce(np.fmin, values, g),  # NaN only if all are, as in Prometheus
    "max": lambda values, g: _reduce(np.fmax, values, g),
    "count": lambda values, g: g.sizes.astype(np.float64),
    "group": lambda values, g: np.ones(len(g.groups)),
    "stddev": lambda values, g: np.sqrt(_variance(values, g)),
    "stdvar": _variance,
}
