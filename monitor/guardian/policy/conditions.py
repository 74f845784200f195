"""Whether both conditions of a response hold, and since when: judged from the window alone, so that a restart or a reorg changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor.catalogue import Catalogue
from monitor.guardian.policy.model import MINIMUM, Hold
from monitor.model import Labels
from monitor.promql import EvaluationError, Expr, evaluate, selectors
from monitor.promql.evaluate import Window
from monitor.samples import NAME, Vector

OWN_LABELS = frozenset({"alertname", "severity", NAME})
"""Labels that say nothing about what an element speaks of."""


@dataclass(frozen=True, slots=True)
class Point:
    """Both conditions at one judged time; an element's value, None where the condition is not known to hold."""

    at: int
    first: float | None
    second: float | None

    @property
    def holds(self) -> bool:
        return self.first is not None and self.second is not None


def written(point: Point) -> list[Any]:
    """A point as canonical values: the exact values as text, empty where a condition is not known to hold."""
    return [point.at, *("" if value is None else repr(float(value)) for value in (point.first, point.second))]


@dataclass(frozen=True, slots=True)
class Conditions:
    """``first``: the alert's expression, and the element of it that the alert speaks of. ``second``: see ``Response``."""

    first: Expr
    element: Labels
    labels: Labels
    second: Expr

    def at(self, window: Window, time: int) -> Point:
        return Point(time, self._first(window, time), self._second(window, time))

    def _first(self, window: Window, time: int) -> float | None:
        value, known = _rows(self.first, window, time).get(self.element, (0.0, False))
        return value if known else None

    def _second(self, window: Window, time: int) -> float | None:
        """The value of the first element, by labels, that is known and agrees with the alert."""
        about = {**dict(self.labels), **dict(self.element)}
        for row, (value, known) in sorted(_rows(self.second, window, time).items()):
            if known and agrees(about, row):
                return value
        return None


def agrees(about: Mapping[str, str], row: Labels) -> bool:
    """Whether an element says nothing else about any label that the alert has too."""
    return all(about.get(name, value) == value for name, value in row if name not in OWN_LABELS)


def minimum(families: Mapping[str, str], own: Hold) -> Hold:
    """The hold that conditions over these families (name to zone) need: the strictest class, or longer if the response says so."""
    found = own
    for zone in families.values():
        found |= MINIMUM.get(zone, own)  # type: ignore[call-overload]
    return found


def zones(catalogue: Catalogue, *exprs: Expr) -> dict[str, str]:
    """The zone of each family that the expressions read."""
    names = {s.selector.family for expr in exprs for s in selectors(expr)}
    return {name: catalogue[name].zone for name in names if name in catalogue}


def held(points: Sequence[Point], wanted: Hold, longest_gap: int) -> str | None:
    """Why the conditions have not held long enough at the last of these times (ascending), or None.

    Times farther apart than ``longest_gap`` seconds are not neighbours: what was in between is not known.
    """
    streak = list(_streak(points, longest_gap))
    if not streak:
        return "the conditions do not hold"
    seconds = streak[0].at - streak[-1].at
    if len(streak) < wanted.blocks:
        return f"both conditions have held for {len(streak)} of {wanted.blocks} blocks"
    if seconds < wanted.seconds:
        return f"both conditions have held for {seconds} of {wanted.seconds} s"
    return None


def _streak(points: Sequence[Point], longest_gap: int) -> Iterator[Point]:
    after: Point | None = None
    for point in reversed(points):
        if not point.holds or (after is not None and after.at - point.at > longest_gap):
            return
        yield point
        after = point


def _rows(expr: Expr, window: Window, time: int) -> dict[Labels, tuple[float, bool]]:
    try:
        result = evaluate(expr, window, time)
    except (EvaluationError, KeyError):
        return {}
    return result.rows if isinstance(result, Vector) else {(): (result.value, result.known)}
