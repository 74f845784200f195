"""The page's charts: recent courses out of the window, with the thresholds of the loaded rules."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from monitor.model import AlertInstance, Family, Labels, Moment
from monitor.promql.expr import COMPARISON, SET, Binary, Call, Expr, Number, Select, Unary, bare, selectors
from monitor.rules import RuleSet
from monitor.rules.files import Rule
from monitor.samples import FrameWindow, Matcher, Matrix, Selector, Vector
from monitor.samples.vector import Floats
from monitor.service.pipeline import Pipeline
from monitor.turns import Steps
from monitor.web.charts import CHARTS, Chart, span
from monitor.web.view import ChartView, Threshold

BUCKETS = 100
"""A chart has about twice as many points: the lowest and the highest value of each part of its time."""
SPANS = (600, 1800, 3600)
_TURNED = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "==": "==", "!=": "!="}
_ARITHMETIC = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b}
Lines = tuple[tuple[tuple[float, float], ...], ...]
_REDUCE: dict[str, Callable[..., Any]] = {"min": np.nanmin, "max": np.nanmax, "sum": np.nansum}


class Course(NamedTuple):
    """Samples of a few series: ``values`` has a row a time, NaN where a series has none then."""

    times: Floats
    values: Floats


class Comparison(NamedTuple):
    """``metric op number`` in a rule; ``age``: it is ``time() - metric`` that is compared."""

    select: Select
    op: str
    value: float
    age: bool


def comparisons(expr: Expr) -> Iterator[Comparison]:
    """The plain comparisons of one metric with a number in a condition, through and, or, unless; ``abs`` makes two of one."""
    node = bare(expr)
    if not isinstance(node, Binary):
        return
    if node.op in SET:
        yield from comparisons(node.left)
        if node.op != "unless":
            yield from comparisons(node.right)
        return
    if node.op not in COMPARISON or node.as_bool:
        return
    left, right, op = bare(node.left), bare(node.right), node.op
    number = constant(right)
    if number is None:
        left, right, op, number = right, left, _TURNED[op], constant(left)
    if number is None:
        return
    if isinstance(left, Call) and left.function == "abs" and op in (">", ">="):
        for one in comparisons(Binary(op, left.arguments[0], Number(number))):
            yield one
            yield one._replace(op=_TURNED[op], value=-number)
    elif isinstance(left, Binary) and left.op == "-" and bare(left.left) == Call("time") and _plain(bare(left.right)):
        yield Comparison(bare(left.right), op, number, True)  # type: ignore[arg-type]
    elif _plain(left):
        yield Comparison(left, op, number, False)  # type: ignore[arg-type]


def constant(expr: Expr) -> float | None:
    """The value of an expression of numbers alone; None for any other."""
    match bare(expr):
        case Number(value):
            return value
        case Unary(_, of):
            inner = constant(of)
            return None if inner is None else -inner
        case Binary(op, left, right) if op in _ARITHMETIC:
            a, b = constant(left), constant(right)
            return None if a is None or b is None or (op == "/" and b == 0) else float(_ARITHMETIC[op](a, b))
    return None


def _plain(expr: Expr) -> bool:
    return isinstance(expr, Select) and expr.seconds is None and not expr.offset and expr.when is None


def evidence(rule: Rule, window: FrameWindow) -> tuple[str, str]:
    """What an alert's value is compared with, and its unit, where its rule is one plain comparison; else two empty texts."""
    node = bare(rule.expr)
    while isinstance(node, Binary) and node.op in ("and", "unless"):
        node = bare(node.left)
    found = list(comparisons(node))
    if not found or (isinstance(node, Binary) and node.op == "or"):
        return "", ""
    unit = "seconds" if found[0].age else window.catalogue[found[0].select.selector.family].unit
    return f"{found[0].op} {found[0].value:.10g}", unit


# ---------------------------------------------------------------- charts


class Charts:
    """Makes the charts of a moment. What follows from the rules alone is found once a rule set."""

    def __init__(self) -> None:
        self._ruleset: RuleSet | None = None
        self._made: tuple[tuple[Any, ...], tuple[ChartView, ...]] | None = None
        self._compared: list[tuple[Rule, Comparison]] = []
        self._families: dict[str, frozenset[str]] = {}

    def views(self, pipeline: Pipeline, at: Moment) -> Steps[tuple[ChartView, ...]]:
        """The charts of a pipeline; made again for a new moment only."""
        key = (id(pipeline), at, pipeline.setup.hash)
        if self._made is None or self._made[0] != key:
            self._made = key, (yield from self.of(pipeline.setup.ruleset, pipeline.window, pipeline.live, at))
        return self._made[1]

    def of(self, ruleset: RuleSet, window: FrameWindow, live: Iterable[AlertInstance], at: Moment) -> Steps[tuple[ChartView, ...]]:
        """All charts that have, or should have, a value: in the order in which they are declared, protocol by protocol. A chart a step."""
        if ruleset is not self._ruleset:
            self._ruleset = ruleset
            self._compared = [(rule, one) for rule in ruleset.alerts for one in comparisons(rule.expr) if math.isfinite(one.value)]
            self._families = {rule.id: frozenset(s.selector.family for s in selectors(rule.expr)) for rule in ruleset.alerts}
        instances = list(live)
        found: list[ChartView] = []
        for chart in CHARTS:
            for view in self._chart(chart, window, instances, at.timestamp):
                found.append(view)
                yield
        return tuple(found)

    def _chart(self, chart: Chart, window: FrameWindow, live: Sequence[AlertInstance], at: int) -> Iterator[ChartView]:
        family = window.catalogue[chart.family]
        matchers = tuple(Matcher(k, "=", v) for k, v in sorted(chart.labels.items()))
        seconds = span(chart.family)
        whole = window.range(Selector(chart.family, matchers), at, seconds)
        for protocol in _protocols(window.instant(Selector(chart.family, matchers), at), whole, family):
            selector = Selector(chart.family, (*matchers, Matcher("protocol", "=", protocol)))
            now, spoken = window.instant(selector, at), window.spoken(selector, at)
            course = _of(whole, protocol)
            alerts = tuple(
                dict.fromkeys((dict(i.labels).get("alertname", ""), i.state, dict(i.labels).get("severity", "")) for i in live
                if chart.family in self._families.get(i.rule, ()) and dict(i.labels).get("protocol", protocol) == protocol)
            )  # fmt: skip
            age = None if not len(spoken) else max(0, at - int(spoken.values.min()))
            state, value, why = _value(chart, now, at, family, age)
            shown = _shown(course.times, seconds, at)
            lines = _lines(chart, course, family, at - shown, at)
            yield ChartView(
                chart.signal, chart.title, protocol, chart.family, "seconds" if chart.age else "" if chart.rate else family.unit, state, value, why,
                age, family.fresh_for, at - shown, at, lines if value is None else _until_now(lines, at, value, family),
                tuple(self._thresholds(chart, protocol)), alerts,
            )  # fmt: skip

    def _thresholds(self, chart: Chart, protocol: str) -> Iterator[Threshold]:
        of = {**chart.labels, "protocol": protocol}
        seen = set()
        for rule, one in self._compared:
            select = one.select.selector
            fits = all(m.matches(of[m.name]) for m in select.matchers if m.name in of)
            if select.family != chart.family or one.age != chart.age or not fits or (one.op, one.value) in seen:
                continue
            seen.add((one.op, one.value))
            yield Threshold(one.op, one.value, rule.name, rule.label("severity") or "")


def _protocols(now: Vector, course: Matrix, family: Family) -> list[str]:
    """The protocols that have a series, had one lately, or may have one unseen."""
    known = {dict(row).get("protocol", "") for row in (*now.labels.rows, *course.labels.rows)}
    declared = next((spec.values or () for spec in family.labels if spec.name == "protocol"), ())
    return [p for p in declared if p in known or any(_could_be(entry, p) for entry in now.missing)]


def _of(course: Matrix, protocol: str) -> Course:
    """The columns of one protocol, and the times at which one of them has a sample."""
    columns = np.array([i for i, row in enumerate(course.labels.rows) if ("protocol", protocol) in row], np.intp)
    values = np.where(course.present[:, columns], course.values[:, columns], np.nan)
    rows = course.present[:, columns].any(axis=1)
    return Course(course.times[rows].astype(np.float64), values[rows])


def _could_be(entry: Labels, protocol: str) -> bool:
    return dict(entry).get("protocol", protocol) == protocol


def _value(
    chart: Chart, now: Vector, at: int, family: Family, age: int | None
) -> tuple[Literal["known", "unknown", "absent"], float | None, str]:
    """State, value and the reason why there is none."""
    if not now.complete or not bool(now.known.all()):
        if age is None:
            return "unknown", None, "not read yet"
        return (
            "unknown",
            None,
            "a part of it is unknown" if age <= family.fresh_for else f"no answer for {age} s, one is good for {family.fresh_for} s",
        )
    if not len(now):
        return "absent", None, "there is none now"
    value = float(_REDUCE[chart.reduce](now.values)) if not np.isnan(now.values).all() else math.nan
    return "known", at - value if chart.age else value, ""


def _shown(times: Floats, seconds: int, at: int) -> int:
    """How far back the picture goes: less than all where the service has not run so long."""
    covered = at - int(times[0]) if len(times) else 0
    return min((s for s in SPANS if covered <= s < seconds), default=seconds)


def _lines(chart: Chart, course: Course, family: Family, begins: int, ends: int) -> Lines:
    """The reduced course in pieces: a gap is where no frame was fresh."""
    times, filled = course
    if filled.shape[1] > 1:
        filled = _carried(times, filled, family.fresh_for)
    usable = ~np.isnan(filled).all(axis=1)
    if not usable.any():
        return ()
    times, values = times[usable], _REDUCE[chart.reduce](filled[usable], axis=1)
    if chart.age:
        values = times - values
    finite = np.isfinite(values)
    times, values = times[finite], values[finite]
    cuts = np.flatnonzero(np.diff(times) > family.fresh_for) + 1
    pieces = zip(np.split(times, cuts), np.split(values, cuts), strict=True)
    width = max((ends - begins) / BUCKETS, 1.0)
    return tuple(_thinned(t, v, begins, width) for t, v in pieces if len(t))


def _until_now(lines: Lines, at: int, value: float, family: Family) -> Lines:
    """What is known now stands at the end of the line, also between two epochs."""
    if not math.isfinite(value):
        return lines
    if lines and at - lines[-1][-1][0] <= family.fresh_for:
        return (*lines[:-1], (*(p for p in lines[-1] if p[0] < at), (float(at), value)))
    return (*lines, ((float(at), value),))


def _carried(times: Floats, values: Floats, fresh_for: int) -> Floats:
    """Each series' last value, while it is fresh, where it has none at a time: scopes are read at different blocks."""
    rows = np.maximum.accumulate(np.where(np.isnan(values), 0, np.arange(len(values))[:, None]), axis=0)
    found = np.take_along_axis(values, rows, axis=0)
    return np.where(times[:, None] - times[rows] <= fresh_for, found, np.nan)


def _thinned(times: Floats, values: Floats, begins: int, width: float) -> tuple[tuple[float, float], ...]:
    """The lowest and the highest point of each part of the time, in order, and the last one."""
    if len(times) <= 2 * BUCKETS:
        return tuple(zip(times.tolist(), values.tolist(), strict=True))
    starts = np.flatnonzero(np.diff(np.floor((times - begins) / width), prepend=-np.inf))
    chosen = set()
    for low, high in zip(starts.tolist(), [*starts[1:].tolist(), len(times)], strict=True):
        chosen |= {low + int(values[low:high].argmin()), low + int(values[low:high].argmax())}
    order = sorted(chosen | {len(times) - 1})
    return tuple(zip(times[order].tolist(), values[order].tolist(), strict=True))
