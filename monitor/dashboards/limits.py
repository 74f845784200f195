"""The limits that rules draw, as colours for charts: so a dashboard shows what the rules say, and changes with them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from monitor.rules import Rule, RuleSet
from monitor.service.charts import comparisons

COLOURS = {"page": "red", "ticket": "orange", "info": "blue"}
RANK = ("green", "blue", "orange", "red")
_HOLDS: Mapping[str, Callable[[float, float], bool]] = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}


@dataclass(frozen=True)
class Step:
    """A colour from a value on; the first has no value."""

    value: float | None
    colour: str


class NoLimit(LookupError):
    """A dashboard names an alert that is not there, or that compares with no plain number."""


def limits(rules: RuleSet, metric: str, *alerts: str) -> tuple[Step, ...]:
    """The colours of the values of a metric (or of its age) between the limits of these alerts, the worst of each. Raises NoLimit."""
    found = [
        (op, value, COLOURS[rule.label("severity") or "ticket"])
        for rule in map(_finder(rules), alerts)
        for op, value in _plain(rule, metric)
    ]
    bounds = sorted({value for _, value, _ in found})
    points = [bounds[0] - 1, *((low + high) / 2 for low, high in pairwise(bounds)), bounds[-1] + 1]
    colours = [max(("green", *(c for op, v, c in found if _HOLDS[op](at, v))), key=RANK.index) for at in points]
    return tuple(Step(value, colour) for value, colour in zip([None, *bounds], colours, strict=True))


def _finder(rules: RuleSet) -> Callable[[str], Rule]:
    by_name = {rule.name: rule for rule in rules if rule.kind == "alert"}

    def find(name: str) -> Rule:
        if name not in by_name:
            raise NoLimit(f"there is no alert {name}")
        return by_name[name]

    return find


def _plain(rule: Rule, metric: str) -> list[tuple[str, float]]:
    found = [(c.op, c.value) for c in comparisons(rule.expr) if c.op in _HOLDS and c.select.selector.family == metric]
    if not found:
        raise NoLimit(f"the alert {rule.name} compares {metric} with no plain number")
    return found
