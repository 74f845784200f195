"""promtool's unit-test files, read with positions.

promtool refuses keys that it does not know, so what only Stakewarden has stands in comments inside a test::

    # stakewarden: blind FAMILY from 3m to 8m        no fresh frames of the family from 3m on and before 8m
    # stakewarden: expect ALERT unknown at 5m        the verdict of the rule: true, false or unknown

In ``values``, both ``_`` and ``stale`` mean that the series is absent at that step, and so it is after its last value. (promtool
itself goes on with the last value for five minutes after ``_``, so use ``stale`` where both are to agree.)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar, cast

from yaml.nodes import Node, ScalarNode

from monitor.model import Labels, labels
from monitor.promql import Expr, ParseError, parse
from monitor.rules.document import Document, is_null, parse_duration, read_whole
from monitor.rules.problems import Span
from monitor.rules.series import InputSeries, NotationError, sample_labels, series, values

FILE_KEYS = ("rule_files", "evaluation_interval", "group_eval_order", "tests")
TEST_KEYS = ("interval", "input_series", "name", "alert_rule_test", "promql_expr_test", "external_labels", "external_url")
INPUT_KEYS = ("series", "values")
ALERT_KEYS = ("eval_time", "alertname", "exp_alerts")
EXPECTED_ALERT_KEYS = ("exp_labels", "exp_annotations")
EXPRESSION_KEYS = ("expr", "eval_time", "exp_samples")
EXPECTED_SAMPLE_KEYS = ("labels", "value")
T = TypeVar("T")

_YAML_FLOATS = {".inf": "inf", "+.inf": "inf", "-.inf": "-inf", ".nan": "nan"}
_COMMENT = re.compile(r"^\s*#\s*stakewarden:\s*(.*?)\s*$")
_BLIND = re.compile(r"blind (\S+) from (\S+) to (\S+)")
_EXPECT = re.compile(r"expect (\S+) (true|false|unknown) at (\S+)")


@dataclass(frozen=True)
class ExpectedAlerts:
    """``alerts``: final labels without ``alertname``, and annotations."""

    at: int
    alertname: str
    alerts: tuple[tuple[Labels, Labels], ...]
    span: Span


@dataclass(frozen=True)
class ExpectedSamples:
    at: int
    text: str
    expr: Expr
    samples: tuple[tuple[Labels, float], ...]
    span: Span


@dataclass(frozen=True)
class ExpectedVerdict:
    at: int
    alertname: str
    outcome: Literal["true", "false", "unknown"]
    span: Span


@dataclass(frozen=True)
class Blindness:
    family: str
    start: int
    end: int
    span: Span


@dataclass(frozen=True)
class UnitTest:
    name: str
    span: Span
    interval: int
    inputs: tuple[tuple[InputSeries, Span], ...]
    alerts: tuple[ExpectedAlerts, ...]
    samples: tuple[ExpectedSamples, ...]
    external_labels: dict[str, str] = field(default_factory=dict)
    blind: tuple[Blindness, ...] = ()
    verdicts: tuple[ExpectedVerdict, ...] = ()

    @property
    def end(self) -> int:
        """The last time that is asked about."""
        return max((x.at for x in self.expectations), default=0)

    @property
    def expectations(self) -> list[ExpectedAlerts | ExpectedSamples | ExpectedVerdict]:
        return [*self.alerts, *self.samples, *self.verdicts]


@dataclass(frozen=True)
class TestFile:
    """``rule_files`` are resolved against the folder of the test file."""

    __test__ = False  # not a test of pytest's

    file: str
    text: str
    rule_files: tuple[Path, ...]
    evaluation_interval: int
    group_order: tuple[str, ...]
    tests: tuple[UnitTest, ...]


def read_test_file(path: Path) -> TestFile:
    """Raises RuleFileErrors with all problems of the file."""
    return read_whole(path, lambda document, root: _Reader(document, path).file(root), '"rule_files" and "tests"')


def read_input(document: Document, node: Node, more: Sequence[str] = ()) -> tuple[InputSeries, Span] | None:
    """One input series of a test, for other files that have such tests, which may have ``more`` keys; problems go to the document."""
    return _Reader(document, Path(document.file))._input(node, more)


class _Reader:
    def __init__(self, document: Document, path: Path) -> None:
        self.doc, self.path = document, path

    def file(self, root: Node) -> TestFile:
        keys = self.doc.mapping(root, "a test file", FILE_KEYS)
        interval = self._duration(keys, "evaluation_interval", 60)
        order = self._texts(keys.get("group_eval_order"), "group_eval_order")
        files = [file for text, node in self._texts(keys.get("rule_files"), "rule_files") for file in self._rule_files(text, node)]
        tests: list[UnitTest] = []
        if "tests" in keys:
            nodes = list(self.doc.sequence(keys["tests"][1], "tests"))
            tests = [self._test(node, n, interval) for n, node in enumerate(nodes, 1)]
            tests = self._with_comments(nodes, tests)
        return TestFile(self.doc.file, self.doc.text, tuple(files), interval, tuple(text for text, _ in order), tuple(tests))

    def _rule_files(self, text: str, node: Node) -> Iterator[Path]:
        try:
            found = sorted(self.path.parent.glob(text)) if not Path(text).is_absolute() else [Path(text)]
        except ValueError:  # pathlib's word for a pattern that cannot be one, such as the empty text
            found = []
        if not any(p.exists() for p in found):
            self.doc.report(node, "unreadable", f'no file matches "{text}"', "a path relative to this file")
        yield from found

    def _test(self, node: Node, number: int, evaluation_interval: int) -> UnitTest:
        keys = self.doc.mapping(node, "a test", TEST_KEYS)
        if "external_url" in keys:
            self.doc.scalar(keys["external_url"][1], "external_url")  # promtool's own
        name = self.doc.scalar(keys["name"][1], "name") if "name" in keys else None
        inputs = [self._input(n) for n in self._items(keys, "input_series")]
        alerts = [self._alerts(n) for n in self._items(keys, "alert_rule_test")]
        samples = [self._samples(n) for n in self._items(keys, "promql_expr_test")]
        return UnitTest(
            name or f"test {number}",
            self.doc.span(node),
            self._duration(keys, "interval", evaluation_interval),
            tuple(i for i in inputs if i is not None),
            tuple(a for a in alerts if a is not None),
            tuple(s for s in samples if s is not None),
            dict(self._pairs(keys["external_labels"][1], "external_labels")) if "external_labels" in keys else {},
        )

    def _input(self, node: Node, more: Sequence[str] = ()) -> tuple[InputSeries, Span] | None:
        keys = self.doc.mapping(node, "an input series", (*INPUT_KEYS, *more))
        texts = [self._text(node, keys, key) for key in INPUT_KEYS]
        if texts[0] is None or texts[1] is None:
            return None
        family = self._parsed(keys["series"][1], series, texts[0])
        found = self._parsed(keys["values"][1], values, texts[1])
        return None if family is None or found is None else (InputSeries(*family, found), self.doc.span(keys["series"][1]))

    def _alerts(self, node: Node) -> ExpectedAlerts | None:
        keys = self.doc.mapping(node, "an alert test", ALERT_KEYS)
        name = self._text(node, keys, "alertname")
        if name is not None and not name.strip():
            self.doc.report(keys["alertname"][1], "missing", "alertname is empty", "the name of an alert")
        alerts = []
        for item in self._items(keys, "exp_alerts"):
            parts = self.doc.mapping(item, "an expected alert", EXPECTED_ALERT_KEYS)
            of = [self._pairs(parts[k][1], k) if k in parts else () for k in EXPECTED_ALERT_KEYS]
            alerts.append((labels({k: v for k, v in of[0] if k != "alertname"}), tuple(sorted(of[1]))))
        return None if not name else ExpectedAlerts(self._duration(keys, "eval_time", 0), name, tuple(alerts), self.doc.span(node))

    def _samples(self, node: Node) -> ExpectedSamples | None:
        keys = self.doc.mapping(node, "an expression test", EXPRESSION_KEYS)
        text = self._text(node, keys, "expr")
        samples = [s for item in self._items(keys, "exp_samples") for s in self._sample(item)]
        if text is None:
            return None
        try:
            expr = parse(text)
        except ParseError as error:
            self.doc.report(self.doc.inside(keys["expr"][1], error.position or 0), "bad-expression", f"expr: {error}")
            return None
        return ExpectedSamples(self._duration(keys, "eval_time", 0), text, expr, tuple(samples), self.doc.span(node))

    def _sample(self, node: Node) -> Iterator[tuple[Labels, float]]:
        keys = self.doc.mapping(node, "an expected sample", EXPECTED_SAMPLE_KEYS)
        of, value = self._text(node, keys, "labels"), self._text(node, keys, "value")
        if of is None or value is None:
            return
        try:
            number = float(_YAML_FLOATS.get(value.lower(), value))
        except ValueError:
            self.doc.report(keys["value"][1], "wrong-type", f'value is "{value}"', "a number")
            return
        found = self._parsed(keys["labels"][1], sample_labels, of)
        if found is not None:
            yield found, number

    # ------------------------------------------------------------ comments

    def _with_comments(self, nodes: Sequence[Node], tests: Sequence[UnitTest]) -> list[UnitTest]:
        blind: dict[int, list[Blindness]] = {}
        verdicts: dict[int, list[ExpectedVerdict]] = {}
        for number, line in enumerate(self.doc.text.splitlines(), 1):
            match = _COMMENT.match(line)
            if match is None:
                continue
            span = Span(self.doc.file, number, line.index("#") + 1)
            owner = next((i for i, n in enumerate(nodes) if n.start_mark.line < number <= n.end_mark.line + 1), None)
            said = self._comment(match[1], span)
            if owner is None:
                self.doc.report(span, "bad-comment", "this comment stands in no test", "it inside the test it is about")
            elif isinstance(said, Blindness):
                blind.setdefault(owner, []).append(said)
            elif said is not None:
                verdicts.setdefault(owner, []).append(said)
        return [
            UnitTest(**{**vars(t), "blind": tuple(blind.get(i, ())), "verdicts": tuple(verdicts.get(i, ()))}) for i, t in enumerate(tests)
        ]

    def _comment(self, text: str, span: Span) -> Blindness | ExpectedVerdict | None:
        def seconds(word: str) -> int | None:
            found = parse_duration(word)
            return None if found is None else found // 1000

        if match := _BLIND.fullmatch(text):
            start, end = seconds(match[2]), seconds(match[3])
            if start is not None and end is not None:
                return Blindness(match[1], start, end, span)
        elif match := _EXPECT.fullmatch(text):
            at = seconds(match[3])
            if at is not None:
                return ExpectedVerdict(at, match[1], cast(Literal["true", "false", "unknown"], match[2]), span)
        wanted = '"blind FAMILY from 3m to 8m" or "expect ALERT unknown at 5m"'
        self.doc.report(span, "bad-comment", f'"{text}" says nothing to us', wanted)
        return None

    # ------------------------------------------------------------ small readers

    def _duration(self, keys: dict[str, tuple[ScalarNode, Node]], key: str, otherwise: int) -> int:
        found = self.doc.duration(keys[key][1], key) if key in keys else None
        if found == 0 and key in ("interval", "evaluation_interval"):
            self.doc.report(keys[key][1], "bad-duration", f"{key} is 0", "at least 1s")
        return otherwise if not found and key != "eval_time" else found or 0

    def _items(self, keys: dict[str, tuple[ScalarNode, Node]], key: str) -> list[Node]:
        return list(self.doc.sequence(keys[key][1], key)) if key in keys else []

    def _text(self, node: Node, keys: dict[str, tuple[ScalarNode, Node]], key: str) -> str | None:
        if key not in keys:
            self.doc.report(node, "missing", f'there is no "{key}"')
            return None
        return self.doc.scalar(keys[key][1], key)

    def _texts(self, entry: tuple[ScalarNode, Node] | None, what: str) -> list[tuple[str, Node]]:
        if entry is None:
            return []
        return [(text, node) for node in self.doc.sequence(entry[1], what) if (text := self.doc.scalar(node, what)) is not None]

    def _pairs(self, node: Node, what: str) -> tuple[tuple[str, str], ...]:
        if is_null(node):
            return ()
        return tuple((k, self.doc.scalar(v, what) or "") for k, (_, v) in self.doc.mapping(node, what).items())

    def _parsed(self, node: Node, read_it: Callable[[str], T], text: str) -> T | None:
        try:
            return read_it(text)
        except NotationError as error:
            self.doc.report(
                self.doc.inside(node, error.offset), "bad-series", error.message, 'a series as name{a="b"}, values as 1 2x3 0+10x5 _ stale'
            )
            return None


__all__ = ["TestFile", "UnitTest", "read_input", "read_test_file"]
