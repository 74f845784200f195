"""Operators between two vectors: which elements meet, and what is unknown about it.

All that follows from the labels alone is a plan that is kept with the pair of tables. See the table at the head of ``evaluate``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.model import Labels
from monitor.model import labels as sorted_labels
from monitor.promql.expr import Matching
from monitor.promql.operators import apply, keeps_name
from monitor.promql.unseen import may_meet, not_settled, open_groups, stripped, without_labels
from monitor.samples import EMPTY_TABLE, NAME, Grouping, LabelTable, Missing, Vector, widest
from monitor.samples.table import Rows, join
from monitor.samples.vector import Bools, Floats


@dataclass(frozen=True, slots=True, eq=False)
class Meeting:
    """The groups of both sides: ``right_of[g]`` is the right group with the key of left group g, or -1; ``left_of`` likewise."""

    left: Grouping
    right: Grouping
    right_of: Rows
    left_of: Rows


def meet(left: LabelTable, right: LabelTable, matching: Matching) -> Meeting:
    """How the groups of two tables correspond, computed once for the pair."""
    return left.pair(right, ("meet", matching.labels, matching.on), lambda: _meet(left, right, matching))


def _meet(left: LabelTable, right: LabelTable, matching: Matching) -> Meeting:
    ours, theirs = left.grouping(matching.labels, matching.on), right.grouping(matching.labels, matching.on)
    at_left, at_right = ({row: i for i, row in enumerate(g.groups.rows)} for g in (ours, theirs))
    right_of = np.array([at_right.get(row, -1) for row in ours.groups.rows], np.intp)
    left_of = np.array([at_left.get(row, -1) for row in theirs.groups.rows], np.intp)
    return Meeting(ours, theirs, right_of, left_of)


# ---------------------------------------------------------------- arithmetic and comparison


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """For each element of the many side: its partner on the one side (-1: none), how many there are, and the result's labels."""

    meeting: Meeting
    partner: Rows
    ones: Rows
    manys: Rows
    result: LabelTable


def combine(op: str, left: Vector, right: Vector, as_bool: bool, matching: Matching) -> Vector:
    """``left op right``. An element of a group with two partners on a "one" side, or where one could be unseen, is unknown."""
    swapped = matching.card == "one-to-many"
    many, one = (right, left) if swapped else (left, right)
    keeps = keeps_name(op, as_bool)
    plan = many.labels.pair(one.labels, ("plan", matching, keeps), lambda: _plan(many.labels, one.labels, matching, keeps))
    matched = plan.partner >= 0
    unseen = _open_to(many, one, plan.meeting, matching)
    known = many.known & matched & (plan.ones == 1) & ~unseen
    if matching.card == "one-to-one":
        known &= plan.manys == 1
    if matching.card == "one-to-one" or matching.include:  # an unseen neighbour could come to have the same labels
        known &= ~_open_to_own(many, plan.meeting, matching)
    partner = np.full(len(many), np.nan)
    if matched.any():
        partner[matched] = one.values[plan.partner[matched]]
        known[matched] &= one.known[plan.partner[matched]]
    a, b = (partner, many.values) if swapped else (many.values, partner)
    values, known, stays = apply(op, a, b, known, as_bool, a)
    there = matched if matching.include else matched | unseen
    keep = there if stays is None else there & stays
    missing = _missing(many, one, plan, unseen, matching, keeps)
    return _distinct(plan.result.take(keep), values[keep], known[keep], missing)


def _plan(many: LabelTable, one: LabelTable, matching: Matching, keeps: bool) -> Plan:
    meeting = meet(many, one, matching)
    first = np.full(len(meeting.right.groups) + 1, -1, np.intp)
    first[meeting.right.of[::-1]] = np.arange(len(one))[::-1]
    sizes = np.append(meeting.right.sizes, 0)
    group = meeting.right_of[meeting.left.of] if len(many) else np.empty(0, np.intp)
    partner = first[group]
    result = LabelTable(
        _result_labels(row, one.rows[p] if p >= 0 else (), matching, keeps) for row, p in zip(many.rows, partner, strict=True)
    )
    return Plan(meeting, partner, sizes[group], meeting.left.sizes[meeting.left.of], result)


def _result_labels(many: Labels, one: Labels, matching: Matching, keeps: bool) -> Labels:
    row = many if keeps else without_labels(many, (NAME,))
    if matching.card == "one-to-one":
        return tuple(p for p in row if (p[0] in matching.labels) == matching.on)
    if matching.include:
        theirs = dict(one)
        return sorted_labels(dict(row) | {name: theirs.get(name, "") for name in matching.include})
    return row


def _open_to(many: Vector, one: Vector, meeting: Meeting, matching: Matching) -> Bools:
    """For each element of the many side: whether the one side could have a partner for it that we did not see."""
    if not one.missing:
        return np.zeros(len(many), bool)
    groups = open_groups(one, meeting.right, meeting.left.groups, meeting.right_of, matching.labels, matching.on)
    return groups[meeting.left.of]


def _open_to_own(many: Vector, meeting: Meeting, matching: Matching) -> Bools:
    """For each element: whether its own side could have another one in the same group."""
    if not many.missing:
        return np.zeros(len(many), bool)
    itself = np.arange(len(meeting.left.groups))
    return open_groups(many, meeting.left, meeting.left.groups, itself, matching.labels, matching.on)[meeting.left.of]


def _missing(many: Vector, one: Vector, plan: Plan, unseen: Bools, matching: Matching, keeps: bool) -> Missing:
    entries = may_meet(many.missing, one, plan.meeting.right.groups, matching.labels, matching.on)
    name = () if keeps else (NAME,)
    if matching.card == "one-to-one":
        entries = frozenset(tuple(p for p in e if (p[0] in matching.labels) == matching.on and p[0] not in name) for e in entries)
    else:
        entries = stripped(entries, (*name, *matching.include))
    if matching.include:  # labels that come from elements that we did not see, or do not know which to take
        loose = unseen | (plan.ones > 1)
        entries |= {without_labels(many.labels.rows[i], (*name, *matching.include)) for i in np.flatnonzero(loose)}
    return widest(entries)


def _distinct(table: LabelTable, values: Floats, known: Bools, missing: Missing) -> Vector:
    """Elements with equal labels become one unknown element."""
    if table.unique:
        return Vector(table, values, known, missing)
    whole = table.derive("whole", lambda: _whole(table))
    first = np.zeros(len(whole.groups), np.intp)
    first[whole.of[::-1]] = np.arange(len(table))[::-1]
    return Vector(whole.groups, values[first], known[first] & (whole.sizes == 1), missing)


def _whole(table: LabelTable) -> Grouping:
    index: dict[Labels, int] = {}
    of = np.array([index.setdefault(row, len(index)) for row in table.rows], np.intp)
    return Grouping(LabelTable(index), of)


# ---------------------------------------------------------------- and, or, unless


@dataclass(frozen=True, slots=True, eq=False)
class Presence:
    """For each group key of one side: whether the other side has a known element there, or may have one. No key is both."""

    known: Bools
    maybe: Bools


def combine_sets(op: str, left: Vector, right: Vector, matching: Matching) -> Vector:
    """``left and|or|unless right``: by presence alone, whatever the values."""
    meeting = meet(left.labels, right.labels, matching)
    if op == "or":
        return _either(left, right, meeting, matching)
    theirs = _presence(right, meeting.right, meeting.left.groups, meeting.right_of, matching)
    has, may = theirs.known[meeting.left.of], theirs.maybe[meeting.left.of]
    if op == "and":
        keep, known = has | may, left.known & has
        missing = may_meet(left.missing, right, meeting.right.groups, matching.labels, matching.on)
    else:
        keep, known = ~has, left.known & ~may
        sure = _has_known(right, meeting.right)
        missing = not_settled(left.missing, meeting.right.groups, sure, matching.labels, matching.on)
    return Vector(left.labels.take(keep), left.values[keep], known[keep], missing)


def _either(left: Vector, right: Vector, meeting: Meeting, matching: Matching) -> Vector:
    theirs = _presence(left, meeting.left, meeting.right.groups, meeting.left_of, matching)
    has, may = theirs.known[meeting.right.of], theirs.maybe[meeting.right.of]
    rows = frozenset(left.labels.rows) if may.any() else frozenset()
    twice = np.fromiter((row in rows for row in right.labels.rows), bool, len(right)) if rows else np.zeros(len(right), bool)
    keep = ~has & ~twice
    added = right.labels.take(keep)
    table = left.labels.pair(added, "joined", lambda: join((left.labels, added))) if len(added) else left.labels
    sure = _has_known(left, meeting.left)
    return Vector(
        table if len(table) else EMPTY_TABLE,
        np.concatenate([left.values, right.values[keep]]),
        np.concatenate([left.known, (right.known & ~may)[keep]]),
        widest(left.missing | not_settled(right.missing, meeting.left.groups, sure, matching.labels, matching.on)),
    )


def _presence(side: Vector, own: Grouping, keys: LabelTable, own_of: Rows, matching: Matching) -> Presence:
    """What a side has in the groups of the other side."""
    known = np.append(_has_known(side, own), False)[own_of]
    maybe = (own_of >= 0) & ~known
    if side.missing:
        maybe |= open_groups(side, own, keys, own_of, matching.labels, matching.on) & ~known
    return Presence(known, maybe)


def _has_known(side: Vector, own: Grouping) -> Bools:
    found: Bools = np.bincount(own.of, weights=side.known, minlength=len(own.groups)) > 0
    return found
