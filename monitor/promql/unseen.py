"""Where elements that we did not see could be: what ``Vector.missing`` means for groups and matches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from monitor.model import Labels
from monitor.promql.value import EvaluationError
from monitor.samples import NAME, Grouping, LabelTable, Missing, Vector, widest
from monitor.samples.table import Rows, project
from monitor.samples.vector import Bools, Floats


def projected(missing: Missing, names: frozenset[str], on: bool) -> Missing:
    """What may be missing after elements keep the labels ``names`` alone (``on``), or lose them and ``__name__`` (not ``on``)."""
    return widest(project(entry, names, on) for entry in missing)


def stripped(missing: Missing, names: Iterable[str]) -> Missing:
    """What may be missing after elements lost (or changed) these labels."""
    gone = frozenset(names)
    return widest(tuple(p for p in entry if p[0] not in gone) for entry in missing)


def open_groups(side: Vector, own: Grouping, keys: LabelTable, own_of: Rows, names: frozenset[str], on: bool) -> Bools:
    """For each group key: whether an unseen element of ``side`` could belong to it.

    ``own_of[k]`` is the group of ``side`` that has key k, or -1. When elements match by all their labels, a group in which the side
    has an element of the same name is closed: a second one would be the same series.
    """
    found = np.zeros(len(keys), bool)
    for entry in side.missing:
        reached = keys.agreeing(project(entry, names, on))
        name = dict(entry).get(NAME)
        if name and not on and not names and len(own.groups):
            taken = side.labels.derive(("named", name), lambda n=name: _groups_with(side.labels, own, n))  # type: ignore[misc]
            reached = reached & ~(taken[own_of] & (own_of >= 0))
        found |= reached
    return found


def may_meet(missing: Missing, others: Vector, keys: LabelTable, names: frozenset[str], on: bool) -> Missing:
    """The entries whose elements could find a partner in ``others`` (grouped by ``keys``)."""
    if others.missing:
        return missing
    return frozenset(e for e in missing if keys.agreeing(project(e, names, on)).any())


def not_settled(missing: Missing, keys: LabelTable, sure: Bools, names: frozenset[str], on: bool) -> Missing:
    """The entries without those whose elements all belong to one group, that group being sure."""
    if not on or not sure.any():
        return missing
    keys_of_sure = {row for row, is_sure in zip(keys.rows, sure, strict=True) if is_sure}
    return frozenset(e for e in missing if not (names <= {k for k, _ in e} and project(e, names, True) in keys_of_sure))


def _groups_with(table: LabelTable, own: Grouping, name: str) -> Bools:
    has = np.fromiter(((NAME, name) in row for row in table.rows), bool, len(table))
    found: Bools = np.bincount(own.of, weights=has, minlength=len(own.groups)) > 0
    return found


def without_labels(row: Labels, names: Iterable[str]) -> Labels:
    """The row without these labels."""
    gone = frozenset(names)
    return tuple(p for p in row if p[0] not in gone)


def unnamed(vector: Vector, values: Floats, known: Bools) -> Vector:
    """New values for the same elements, which are no longer the metric that they were. Raises EvaluationError if two become one."""
    table = vector.labels.without(NAME)
    if not table.unique:
        twice = Counter(table.rows).most_common(1)[0][0]
        raise EvaluationError(f"two elements would have the same labels {dict(twice)}; aggregate, or select one metric")
    return Vector(table, values, known, stripped(vector.missing, (NAME,)) if vector.missing else vector.missing)
