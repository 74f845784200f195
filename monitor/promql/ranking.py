"""Aggregations that keep elements, or count them by value: ``topk``, ``bottomk``, ``count_values``."""

from __future__ import annotations

import numpy as np

from monitor.model import Labels
from monitor.model import labels as sorted_labels
from monitor.promql.aggregate import aggregate
from monitor.promql.text import number
from monitor.promql.unseen import stripped, without_labels
from monitor.promql.value import EvaluationError, Scalar
from monitor.samples import EMPTY, LabelTable, Vector, widest
from monitor.samples.table import Rows, project


def ranked(op: str, of: Vector, count: Scalar, labels: frozenset[str], by: bool) -> Vector:
    """The ``count`` largest (``topk``) or smallest elements of each group; NaN comes last, equal values in the order of their labels.

    An element is known when it is among them whatever the unknown and the unseen members turn out to be, and left out when as many
    known ones go before it. Raises EvaluationError for a count that is no number.
    """
    if not count.known:
        return Vector(of.labels, of.values, np.zeros(len(of), bool), of.missing)
    if np.isnan(count.value):
        raise EvaluationError(f"{op}() of NaN elements: how many are wanted?")
    wanted = int(min(max(count.value, 0), len(of) + 1))
    if wanted < 1:
        return EMPTY
    grouping = of.labels.grouping(labels, by)
    groups = len(grouping.groups)
    unknown = np.bincount(grouping.of, weights=~of.known, minlength=groups).astype(np.float64)
    for entry in of.missing:
        unknown[grouping.groups.agreeing(project(entry, labels, by))] = np.inf
    place = _places(op, of, grouping.of)
    surely = of.known & (place + unknown[grouping.of] < wanted)
    keep = ~of.known | (place < wanted)
    return Vector(of.labels.take(keep), of.values[keep], surely[keep], of.missing)


def _places(op: str, of: Vector, group: Rows) -> Rows:
    """How many known elements of its group go before each element."""
    nan = np.isnan(of.values)
    value = np.where(nan, 0.0, -of.values if op == "topk" else of.values)
    order = np.lexsort((_in_order(of.labels), value, nan, ~of.known, group))
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    place = np.empty(len(of), np.intp)
    place[order] = np.arange(len(of)) - np.repeat(starts, np.diff(starts, append=len(of)))
    return place


def _in_order(table: LabelTable) -> Rows:
    """Each row's place among the rows sorted by their labels."""

    def make() -> Rows:
        found = np.empty(len(table), np.intp)
        found[sorted(range(len(table)), key=lambda i: table.rows[i])] = np.arange(len(table))
        return found

    return table.derive("in order", make)


def count_values(of: Vector, label: str, labels: frozenset[str], by: bool) -> Vector:
    """How many elements of each group have a value, with the value as a label. What is unknown may have any value of its group."""

    def valued(i: int) -> Labels:
        return sorted_labels(dict(of.labels.rows[i]) | {label: number(float(of.values[i]))})

    sure = np.flatnonzero(of.known)
    unsure = (without_labels(of.labels.rows[i], (label,)) for i in np.flatnonzero(~of.known).tolist())
    missing = widest(stripped(of.missing, (label,)) | frozenset(unsure))
    relabelled = Vector(LabelTable(map(valued, sure.tolist())), of.values[sure], np.ones(len(sure), bool), missing)
    return aggregate("count", relabelled, labels | {label} if by else labels, by)
