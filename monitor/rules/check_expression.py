"""Checks of one rule's expression against the catalogue: names, values, kinds, windows and units."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from monitor.catalogue.catalogue import Catalogue, nearest
from monitor.model import Family, LabelSpec
from monitor.promql.expr import COMPARISON, SET, Aggregate, Binary, Call, Expr, Number, Select, String, Subquery, Unary, bare, walk
from monitor.promql.parse import type_of
from monitor.rules.files import Rule
from monitor.rules.problems import Level, Problem
from monitor.rules.shapes import unit_of
from monitor.samples import Matcher

PER_CENT_FROM = 1.5
"""A ratio compared with more than this looks like one taken for per cent."""
_FOR_COUNTERS = ("rate", "increase", "irate")
_SUGGEST = {"irate": "idelta() for a gauge", "rate": "delta() or changes() for a gauge", "increase": "delta() or changes() for a gauge"}


@dataclass(frozen=True)
class ExpressionCheck:
    """``cadences``: seconds between frames by family where they differ from the catalogue; ``block_seconds``: those of block cadence."""

    rule: Rule
    catalogue: Catalogue
    cadences: Mapping[str, int]
    block_seconds: int

    def problems(self) -> Iterator[Problem]:
        yield from self._type()
        for node in walk(self.rule.expr):
            if isinstance(node, Select | Subquery) and node.when is not None:
                yield self._problem(self._at_sign(), "fixed-time", "@ asks for a fixed time", "offset, which moves with the block")
            if isinstance(node, Subquery) and node.offset < 0:
                yield self._problem(0, "future", "a negative offset asks for the future", "an offset of 0 or more")
            if isinstance(node, Select):
                yield from self._select(node)
            elif isinstance(node, Call):
                yield from self._call(node)
            elif isinstance(node, Binary) and node.op in COMPARISON:
                yield from self._comparison(node)
            elif isinstance(node, Aggregate):
                yield from self._grouping(node)
        if self.rule.kind == "alert":
            yield from self._condition()

    def cadence(self, family: Family) -> int:
        """Seconds between two frames of the family."""
        return self.cadences.get(family.name, family.cadence.seconds) or self.block_seconds

    def _problem(
        self, offset: int, code: str, found: str, expected: str | None = None, near: str | None = None, level: Level = "error"
    ) -> Problem:
        return Problem(self.rule.places.span("expr", offset), code, found, expected, near, level, self.rule.id)

    # ------------------------------------------------------------ the whole

    def _type(self) -> Iterator[Problem]:
        found = type_of(self.rule.expr)
        if found != "vector" and not (found == "scalar" and self.rule.kind == "record"):
            words = {"scalar": "a single number", "string": "a string", "matrix": "a range of samples"}
            yield self._problem(0, "wrong-type", f"the expression is {words[found]}", "an instant vector")

    def _condition(self) -> Iterator[Problem]:
        """An alert that is true whenever a series is there, whatever its value."""
        top = bare(self.rule.expr)
        if isinstance(top, Binary) and top.op in COMPARISON and top.as_bool:
            yield self._problem(
                0,
                "always-true",
                'a comparison with "bool" gives 0 or 1, and both are alerts',
                "the comparison without bool",
                level="warning",
            )
        families = [
            self.catalogue[s.selector.family] for s in walk(self.rule.expr) if isinstance(s, Select) and s.selector.family in self.catalogue
        ]
        filters = any(
            (isinstance(n, Binary) and n.op in (*COMPARISON, *SET)) or (isinstance(n, Call) and n.function == "absent")
            for n in walk(self.rule.expr)
        )
        if families and not filters and any(f.kind != "event" for f in families) and type_of(self.rule.expr) == "vector":
            yield self._problem(
                0, "always-true", "the alert is true whenever the series is there, even at 0", "a comparison, such as > 0", level="warning"
            )

    def _at_sign(self) -> int:
        return max(self.rule.text.find("@"), 0)

    # ------------------------------------------------------------ selectors

    def _select(self, select: Select) -> Iterator[Problem]:
        at, name = select.position or 0, select.selector.family
        if name not in self.catalogue:
            yield self._problem(
                at, "unknown-metric", f'no metric is called "{name}"', None, nearest(name, [f.name for f in self.catalogue])
            )
            return
        family = self.catalogue[name]
        for matcher in select.selector.matchers:
            yield from self._matcher(family, matcher, at)
        needed = 2 * self.cadence(family)
        if select.seconds is not None and family.kind != "event" and select.seconds < needed:
            every = f"{name} comes every {self.cadence(family)} s"
            yield self._problem(
                at, "short-window", f"the window of {select.seconds} s can hold less than two samples: {every}", f"at least [{needed}s]"
            )
        if select.offset < 0:
            yield self._problem(at, "future", "a negative offset asks for the future", "an offset of 0 or more")

    def _matcher(self, family: Family, matcher: Matcher, at: int) -> Iterator[Problem]:
        specs = {spec.name: spec for spec in family.labels}
        where = self._label_at(matcher.name, at)
        if matcher.name not in specs:
            labels = ", ".join(specs) or "none"
            yield self._problem(
                where, "unknown-label", f'{family.name} has no label "{matcher.name}"', f"one of {labels}", nearest(matcher.name, specs)
            )
            return
        yield from self._value(specs[matcher.name], matcher, where)

    def _value(self, spec: LabelSpec, matcher: Matcher, where: int) -> Iterator[Problem]:
        if spec.values is None:
            return
        values = f"one of {', '.join(spec.values)}"
        if matcher.op in ("=", "!="):
            if matcher.value and matcher.value not in spec.values:
                near = nearest(matcher.value, spec.values)
                yield self._problem(where, "unknown-value", f'the label "{spec.name}" is never "{matcher.value}"', values, near)
            return
        if any(matcher.matches(v) == (matcher.op == "=~") for v in spec.values):
            return
        level: Level = "error" if matcher.op == "=~" else "warning"
        yield self._problem(where, "unknown-value", f'no value of the label "{spec.name}" matches "{matcher.value}"', values, level=level)

    def _label_at(self, name: str, at: int) -> int:
        match = re.compile(rf"(?<![\w:]){re.escape(name)}\s*(?:=|!)").search(self.rule.text, at)
        return match.start() if match else at

    # ------------------------------------------------------------ functions and operators

    def _call(self, call: Call) -> Iterator[Problem]:
        select = bare(call.arguments[0]) if call.arguments else None
        if not isinstance(select, Select) or select.selector.family not in self.catalogue:
            return
        family, at = self.catalogue[select.selector.family], select.position or 0
        if family.kind == "event" and call.function in (*_FOR_COUNTERS, "delta"):
            yield self._problem(
                at,
                "wrong-kind",
                f"{call.function}() of {family.name}, whose series are events",
                "count_over_time(): an event is one sample",
            )
        elif family.kind == "gauge" and call.function in _FOR_COUNTERS:
            yield self._problem(at, "wrong-kind", f"{call.function}() of {family.name}, which is a gauge", _SUGGEST[call.function])
        elif family.kind == "counter" and call.function == "delta":
            yield self._problem(at, "wrong-kind", f"delta() of {family.name}, which is a counter", "increase(), which knows restarts")

    def _grouping(self, node: Aggregate) -> Iterator[Problem]:
        inner = [s for s in walk(node.of) if isinstance(s, Select)]
        known = {spec.name for s in inner if s.selector.family in self.catalogue for spec in self.catalogue[s.selector.family].labels}
        if not inner or any(s.selector.family not in self.catalogue for s in inner):
            return
        counted = {node.parameter.value} if isinstance(node.parameter, String) else set()
        for name in sorted(node.labels - known - counted):
            at = self._word_at(name, inner[0].position or 0)
            word = "by" if node.by else "without"
            yield self._problem(
                at,
                "unknown-label",
                f'{word} ({name}): nothing inside has a label "{name}"',
                f"one of {', '.join(sorted(known))}",
                nearest(name, known),
            )

    def _word_at(self, name: str, at: int) -> int:
        found = [m.start() for m in re.finditer(rf"(?<![\w:]){re.escape(name)}(?![\w:])", self.rule.text)]
        return found[0] if found else at

    def _comparison(self, node: Binary) -> Iterator[Problem]:
        for side, other in ((node.left, node.right), (node.right, node.left)):
            number = _number(other)
            unit = unit_of(side, self.catalogue)
            if number is None or unit is None:
                continue
            at = next((s.position for s in walk(side) if isinstance(s, Select) and s.position is not None), 0)
            if unit == "ratio" and abs(number) > PER_CENT_FROM:
                yield self._problem(
                    at,
                    "per-cent",
                    f"a ratio is compared with {number:g}",
                    f"a fraction: {number:g} per cent is {number / 100:g}",
                    level="warning",
                )
            elif unit == "timestamp" and 0 < abs(number) < 1e9:
                yield self._problem(
                    at, "timestamp", f"a point in time is compared with {number:g}", "time() - x for an age", level="warning"
                )
            elif unit == "bool" and number not in (0, 1):
                yield self._problem(at, "bool", f"a value that is 0 or 1 is compared with {number:g}", "0 or 1", level="warning")


def _number(expr: Expr) -> float | None:
    of = bare(expr)
    if isinstance(of, Unary):
        inner = _number(of.of)
        return None if inner is None else -inner
    return of.value if isinstance(of, Number) else None
