"""Runs promtool's unit tests over our own window and judge, so that a rule is tried in the way it will be judged.

Time 0 is promtool's: the Unix epoch. Each test has a window of its own; every family that its rules or inputs name gets one
ok frame a step, which lists the input series that have a value there, so what is not listed is known to be absent. Events are
fed as plain series, as promtool does, and freshness is stretched to the test's interval.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from monitor.catalogue.catalogue import Catalogue, nearest
from monitor.model import AlertInstance, BlockStamp, Failed, Family, Frame, Hash, Labels, Series, Slot, Verdict, blind_frame, ok_frame
from monitor.promql import EvaluationError, evaluate, selectors, spans
from monitor.rules.files import RuleSet, load
from monitor.rules.instances import Instances
from monitor.rules.judge import judge, record
from monitor.rules.problems import Problem, RuleFileErrors, Span, in_order, render_problems
from monitor.rules.recording import keep_seconds, recorded_families, recording_sources
from monitor.rules.unit_test_files import ExpectedAlerts, ExpectedSamples, ExpectedVerdict, TestFile, UnitTest, read_test_file
from monitor.samples import FrameWindow, Source, Vector

MAX_STEPS = 50_000
"""Evaluations and samples in time that one test may ask for."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One expectation that did not hold."""

    span: Span
    test: str
    at: int
    what: str
    expected: str
    got: str


@dataclass(frozen=True, slots=True)
class Report:
    """``tests``: how many were run. ``problems``: what is wrong with the files themselves; their tests were not run.

    ``proven``: names of alerts for which a test expects them to fire and one expects them not to.
    """

    tests: int
    failures: tuple[Failure, ...]
    problems: tuple[Problem, ...]
    proven: frozenset[str]
    sources: Mapping[str, str]

    @property
    def passed(self) -> bool:
        return not self.failures and not any(p.level == "error" for p in self.problems)


def run(files: Iterable[Path | str], catalogue: Catalogue) -> Report:
    """Runs unit-test files. ``catalogue`` without the recorded families. Raises nothing for a bad file: it is in the report."""
    tests, failures, problems, sources = 0, list[Failure](), list[Problem](), dict[str, str]()
    fires, silent = set[str](), set[str]()
    for path in map(Path, files):
        try:
            file = read_test_file(path)
            sources[file.file] = file.text
            rules = load(file.rule_files)
        except RuleFileErrors as error:
            problems += error.problems
            sources |= {p.span.file: _text(p.span.file) for p in error.problems}
            continue
        sources |= rules.sources
        for test in file.tests:
            wrong = in_order(_input_problems(test, rules, catalogue))
            problems += wrong
            if not wrong:
                tests += 1
                failures += _Run(test, file, rules, catalogue).failures()
                for expected in test.alerts:
                    (fires if expected.alerts else silent).add(expected.alertname)
    return Report(tests, tuple(failures), tuple(problems), frozenset(fires & silent), sources)


def states(test: UnitTest, file: TestFile, rules: RuleSet, catalogue: Catalogue) -> Iterator[tuple[BlockStamp, FrameWindow, Instances]]:
    """The window and the instances after each evaluation of a test, for what is decided by them. Raises RuleFileErrors for wrong inputs.

    The window keeps all of the test: whoever decides may look farther back than any rule.
    """
    if wrong := in_order(_input_problems(test, rules, catalogue)):
        raise RuleFileErrors(wrong)
    run, state = _Run(test, file, rules, catalogue, test.end), _State(0, Instances(), {})
    fed = -1
    for number, at in enumerate(range(0, test.end + 1, file.evaluation_interval)):
        fed = run._feed(fed, at, number)
        state = run._judged(state, _stamp(at, number))
        yield _stamp(at, number), run.window, state.live


def render_report(report: Report) -> str:
    """The report as text: problems, failures with what was expected and what came, and a last line that counts."""
    parts = [render_problems(report.problems, report.sources)] if report.problems else []
    parts += [_rendered(failure) for failure in report.failures]
    parts.append(f"{report.tests} tests, {len(report.failures)} failures")
    return "\n".join(parts)


def _rendered(f: Failure) -> str:
    place = f"{f.span.file}:{f.span.line}:{f.span.column}"
    return f"{place}: failed: {f.test}: {f.what} at {f.at}s\n    expected: {f.expected}\n    got:      {f.got}"


def _text(file: str) -> str:
    try:
        return Path(file).read_text(errors="replace")
    except OSError:
        return ""


def _input_problems(test: UnitTest, rules: RuleSet, catalogue: Catalogue) -> Iterator[Problem]:
    """Inputs that no collector could ever give: a test over them proves nothing."""
    names = {f.name for f in catalogue} | {r.name for r in rules.recordings}
    alerts = {r.name for r in rules.alerts}
    for given, span in test.inputs:
        if given.family not in names:
            yield Problem(span, "unknown-metric", f'no metric is called "{given.family}"', None, nearest(given.family, names))
            continue
        specs = {s.name: s for s in catalogue[given.family].labels} if given.family in catalogue else None
        for name, value in given.labels:
            if specs is None:
                continue
            if name not in specs:
                yield Problem(
                    span, "unknown-label", f'{given.family} has no label "{name}"', f"one of {', '.join(specs)}", nearest(name, specs)
                )
            elif (allowed := specs[name].values) is not None and value not in allowed:
                yield Problem(
                    span, "unknown-value", f'the label "{name}" is never "{value}"', f"one of {', '.join(allowed)}", nearest(value, allowed)
                )
    for blind in test.blind:
        if blind.family not in names:
            yield Problem(blind.span, "unknown-metric", f'no metric is called "{blind.family}"', None, nearest(blind.family, names))
    named = [(x.alertname, x.span) for x in test.alerts] + [(x.alertname, x.span) for x in test.verdicts]
    for name, span in named:
        if name not in alerts:
            yield Problem(span, "unknown-alert", f'no rule is called "{name}"', None, nearest(name, alerts))
    if test.end // test.interval > MAX_STEPS:
        yield Problem(test.span, "too-large", f"the test needs {test.end // test.interval} steps", f"at most {MAX_STEPS}")


# ---------------------------------------------------------------- one test


@dataclass(frozen=True)
class _State:
    """What was true after the evaluation at ``at``."""

    at: int
    live: Instances
    verdicts: Mapping[str, Sequence[Verdict]]


class _Run:
    def __init__(self, test: UnitTest, file: TestFile, rules: RuleSet, catalogue: Catalogue, keep: int = 0) -> None:
        self.test, self.step = test, file.evaluation_interval
        self.rules = rules = _asked_of(test, _arranged(rules, file.group_order))
        asked = {s.selector.family for expected in test.samples for s in selectors(expected.expr)}
        read = {s.selector.family for rule in rules for s in selectors(rule.expr)}
        given = {i.family for i, _ in test.inputs} | {b.family for b in test.blind}
        recorded = {f.name for f in recorded_families(rules, catalogue)}
        self.families = [_as_series(f, test.interval) for f in catalogue if f.name in asked | read | given and f.name not in recorded]
        known = Catalogue(self.families)
        known = known.extended(recorded_families(self.rules, known))
        sources = [Source(f"test:{f.name}", (f.name,)) for f in self.families] + list(recording_sources(self.rules))
        self.window = FrameWindow(known, sources, max(keep, _longest(rules, test)))

    def failures(self) -> Iterator[Failure]:
        wanted = sorted(self.test.expectations, key=lambda x: x.at)
        state = _State(0, Instances(), {})
        fed = -1
        evaluations = range(0, self.test.end + 1, self.step)
        pending = list(wanted)
        for number, at in enumerate(evaluations):
            while pending and pending[0].at < at:
                fed = self._feed(fed, pending[0].at, number - 1)
                yield from self._compare(pending.pop(0), state)
            fed = self._feed(fed, at, number)
            state = self._judged(state, _stamp(at, number))
        for expected in pending:
            fed = self._feed(fed, expected.at, len(evaluations) - 1)
            yield from self._compare(expected, state)

    def _feed(self, fed: int, until: int, number: int) -> int:
        """Frames of all steps after ``fed`` up to a time; gives the last step fed."""
        last = until // self.test.interval
        for step in range(fed + 1, last + 1):
            for family in self.families:
                self.window.append(self._frame(family, step, _stamp(step * self.test.interval, number)))
        return max(fed, last)

    def _frame(self, family: Family, step: int, at: BlockStamp) -> Frame:
        name = f"test:{family.name}"
        if any(b.family == family.name and b.start <= at.timestamp < b.end for b in self.test.blind):
            return blind_frame(name, (), at, Failed("blind by the test"))
        samples: dict[Series, float] = {}
        for given, _ in self.test.inputs:
            value = given.values[step] if given.family == family.name and step < len(given.values) else None
            if value is not None:
                samples[Series(given.family, given.labels)] = value
        return ok_frame(name, (), at, samples)

    def _judged(self, state: _State, at: BlockStamp) -> _State:
        record(self.rules, self.window, at)
        live, _, verdicts = judge(self.rules, self.window, at, state.live, self.test.external_labels)
        names = {rule.id: rule.name for rule in self.rules}
        by_name: dict[str, list[Verdict]] = {}
        for verdict in verdicts:
            by_name.setdefault(names[verdict.rule], []).append(verdict)
        return _State(at.timestamp, live, by_name)

    # ------------------------------------------------------------ comparing

    def _compare(self, expected: ExpectedAlerts | ExpectedSamples | ExpectedVerdict, state: _State) -> Iterator[Failure]:
        if isinstance(expected, ExpectedAlerts):
            firing = [_shown(i) for i in state.live.firing if dict(i.labels)["alertname"] == expected.alertname]
            if sorted(firing) != sorted(expected.alerts):
                yield self._failure(expected, expected.alertname, _alerts_text(expected.alerts), _alerts_text(firing))
        elif isinstance(expected, ExpectedVerdict):
            outcomes = sorted({v.outcome for v in state.verdicts.get(expected.alertname, ())})
            if outcomes != [expected.outcome]:
                yield self._failure(expected, expected.alertname, expected.outcome, " and ".join(outcomes) or "not judged")
        else:
            yield from self._compare_samples(expected)

    def _compare_samples(self, expected: ExpectedSamples) -> Iterator[Failure]:
        try:
            result = evaluate(expected.expr, self.window, expected.at)
        except (EvaluationError, KeyError) as error:
            yield self._failure(expected, expected.text, _samples_text(expected.samples), f"error: {error}")
            return
        rows: list[tuple[Labels, float]]
        if isinstance(result, Vector):
            unknown = not result.complete or not bool(result.known.all())
            rows = list(zip(result.labels.rows, result.values.tolist(), strict=True))
        else:
            unknown, rows = not result.known, [((), result.value)]
        if unknown:
            yield self._failure(expected, expected.text, _samples_text(expected.samples), f"unknown: {_samples_text(rows)}")
        elif not _same_samples(expected.samples, rows):
            yield self._failure(expected, expected.text, _samples_text(expected.samples), _samples_text(rows))

    def _failure(self, of: ExpectedAlerts | ExpectedSamples | ExpectedVerdict, what: str, expected: str, got: str) -> Failure:
        return Failure(of.span, self.test.name, of.at, what, expected, got)


def _asked_of(test: UnitTest, rules: RuleSet) -> RuleSet:
    """The alerts that the test asks about, and all that is recorded: no alert can see another one, so the rest need not be judged."""
    names = {a.alertname for a in test.alerts} | {v.alertname for v in test.verdicts}
    return RuleSet(tuple(r for r in rules if r.kind == "record" or r.name in names), rules.sources)


def _arranged(rules: RuleSet, order: Sequence[str]) -> RuleSet:
    """As promtool evaluates: every group at every evaluation, groups in the given order first."""
    rank = {name: i for i, name in enumerate(order)}
    arranged = sorted(rules.rules, key=lambda r: rank.get(r.group, len(rank)))
    return RuleSet(tuple(replace(r, interval_s=0) for r in arranged), rules.sources)


def _as_series(family: Family, interval: int) -> Family:
    return replace(
        family, kind="gauge" if family.kind == "event" else family.kind, visible_for=None, fresh_for=max(family.fresh_for, interval)
    )


def _longest(rules: RuleSet, test: UnitTest) -> int:
    asked = [max(seconds, 0) for x in test.samples for _, seconds in spans(x.expr)]
    return max([test.interval, *keep_seconds(rules).values(), *asked])


def _stamp(at: int, number: int) -> BlockStamp:
    """The block at a time of the test. Frames between two evaluations have the number of the block before them: there is no gap."""
    digest = Hash("0x" + hashlib.sha256(str(at).encode()).hexdigest())
    return BlockStamp(max(number, 0), digest, digest, at, Slot(max(number, 0)))


def _shown(of: AlertInstance) -> tuple[Labels, Labels]:
    return tuple(p for p in of.labels if p[0] != "alertname"), of.annotations


def _alerts_text(alerts: Sequence[tuple[Labels, Labels]]) -> str:
    return "; ".join(f"{_braces(of)} with {dict(notes)}" for of, notes in sorted(alerts)) or "no alert"


def _samples_text(samples: Sequence[tuple[Labels, float]]) -> str:
    return ", ".join(f"{_braces(of)} {value!r}" for of, value in sorted(samples, key=lambda s: s[0])) or "nothing"


def _braces(of: Labels) -> str:
    return "{" + ", ".join(f'{k}="{v}"' for k, v in of) + "}"


def _same_samples(expected: Sequence[tuple[Labels, float]], got: Sequence[tuple[Labels, float]]) -> bool:
    left, right = (sorted(s, key=lambda x: x[0]) for s in (expected, got))
    if [of for of, _ in left] != [of for of, _ in right]:
        return False
    return all(a == b or (math.isnan(a) and math.isnan(b)) for (_, a), (_, b) in zip(left, right, strict=True))
