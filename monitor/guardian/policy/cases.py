"""``responses.test.yaml``: cases of alerts, agreement and health, and what must come of them; run by ``stakewarden rules test``.

Series are given as in promtool's unit tests and judged by the shipped rules, so a case goes the whole way from samples to the decision::

    responses: responses.yaml
    rule_files: [../packs/lido.yaml]
    endpoints: {alpha: one, bravo: two, charlie: three}
    tests:
      - name: both readings tell of a drift
        interval: 12s
        input_series:
          - {series: 'accounting_share_rate_drift_ratio{protocol="lido"}', values: 0 0 -0.005}
        cases:
          - {at: 24s, response: vault-unbacked-mint, agreed: [alpha, bravo], finality: 2, heads: agree, outcome: pause}

``agreed`` is every endpoint unless given, ``finality`` a number of epochs (2) or unknown, ``heads`` agree, disagree or unknown.
``outcome`` is pause, shadow, propose, refused, wait, or nothing (the alert does not fire); ``reason`` is part of what is said with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from yaml.nodes import Node, ScalarNode

from monitor.catalogue.catalogue import Catalogue, nearest
from monitor.guardian.deciding import Candidate, Seen, candidates, verdict
from monitor.guardian.policy.file import BadPolicy, load_policy
from monitor.guardian.policy.model import Agreement, Health, Kind, Policy
from monitor.model import Snapshot
from monitor.rules.document import Document, read_whole
from monitor.rules.files import RuleSet, load
from monitor.rules.problems import Problem, RuleFileErrors, Span
from monitor.rules.unit_test_files import ExpectedAlerts, ExpectedSamples, TestFile, UnitTest, read_input
from monitor.rules.unit_tests import Failure, Report, states

FILES = "responses*.test.yaml"
"""What files of cases are called."""
FILE_KEYS = ("responses", "rule_files", "endpoints", "tests")
TEST_KEYS = ("name", "interval", "input_series", "cases")
CASE_KEYS = ("at", "response", "agreed", "finality", "heads", "outcome", "reason")
HEADS: Mapping[str, bool | None] = {"agree": False, "disagree": True, "unknown": None}
OUTCOMES = (*get_args(Kind), "nothing")


@dataclass(frozen=True, slots=True)
class Case:
    """One expectation."""

    at: int
    response: str
    agreed: frozenset[str]
    health: Health
    outcome: str
    reason: str
    span: Span


@dataclass(frozen=True, slots=True)
class CaseTest:
    test: UnitTest
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A file of cases. ``endpoints``: to who runs them."""

    document: Document
    policy: Policy
    rules: RuleSet
    endpoints: Mapping[str, str]
    tests: tuple[CaseTest, ...]

    @property
    def shown(self) -> frozenset[tuple[str, str]]:
        """What the cases show, as ``check`` asks: (response, ``pause`` or ``other``)."""
        return frozenset((case.response, "pause" if case.outcome == "pause" else "other") for one in self.tests for case in one.cases)


def read_cases(path: Path) -> CaseFile:
    """Raises RuleFileErrors with all problems of the file, of its rules and of its responses."""
    return read_whole(path, lambda document, root: _Reader(document, path).file(root), f"the keys {', '.join(FILE_KEYS)}")


def run(files: Iterable[Path], catalogue: Catalogue) -> Report:
    """Runs files of cases. A bad file raises nothing: it is in the report."""
    tests, failures, problems, sources = 0, list[Failure](), list[Problem](), dict[str, str]()
    for path in files:
        try:
            file = read_cases(path)
            sources[file.document.file] = file.document.text
            for one in file.tests:
                failures += _run(one, file, catalogue)
                tests += 1
        except RuleFileErrors as wrong:
            problems += wrong.problems
    return Report(tests, tuple(failures), tuple(problems), frozenset(), sources)


def _run(one: CaseTest, file: CaseFile, catalogue: Catalogue) -> Iterator[Failure]:
    as_file = TestFile(file.document.file, file.document.text, (), one.test.interval, (), (one.test,))
    for at, window, live in states(one.test, as_file, file.rules, catalogue):
        for case in (c for c in one.cases if c.at == at.timestamp):
            agreement = Agreement(file.endpoints, case.agreed)
            seen = Seen(at, window, file.rules, live, Snapshot(at, {}), {}, agreement, case.health)
            mine = [c for c in candidates(file.policy, live) if c.response.name == case.response]
            outcomes = sorted({outcome(seen, candidate) for candidate in mine}) or [("nothing", "")]
            if [kind for kind, _ in outcomes] != [case.outcome] or not all(case.reason in said for _, said in outcomes):
                got = "; ".join(f"{kind}: {said}" if said else kind for kind, said in outcomes)
                wanted = f"{case.outcome}: ...{case.reason}..." if case.reason else case.outcome
                yield Failure(case.span, one.test.name, case.at, case.response, wanted, got)


def outcome(seen: Seen, candidate: Candidate) -> tuple[str, str]:
    """What comes of an alert that fires at this block, and the reason that is said with it."""
    rule = next(r for r in seen.rules.alerts if r.id == candidate.live.instance.rule)
    return verdict(seen, candidate, rule)


class _Reader:
    def __init__(self, document: Document, path: Path) -> None:
        self.doc, self.path = document, path

    def file(self, root: Node) -> CaseFile | None:
        keys = self.doc.mapping(root, "the file", FILE_KEYS)
        for key in FILE_KEYS:
            if key not in keys and not self.doc.problems:
                self.doc.report(root, "missing-key", f'the file has no key "{key}"', f"the keys {', '.join(FILE_KEYS)}")
        if self.doc.problems:
            return None
        endpoints = {k: self.doc.scalar(v, k) or "" for k, (_, v) in self.doc.mapping(keys["endpoints"][1], "endpoints").items()}
        rules, policy = self._rules(keys["rule_files"][1]), self._policy(keys["responses"][1], endpoints)
        if rules is None or policy is None:
            return None
        tests = [self._test(node, policy, rules, endpoints) for node in self.doc.sequence(keys["tests"][1], "tests")]
        return CaseFile(self.doc, policy, rules, endpoints, tuple(t for t in tests if t is not None))

    def _rules(self, node: Node) -> RuleSet | None:
        named = [self.path.parent / (self.doc.scalar(item, "a rule file") or "") for item in self.doc.sequence(node, "rule_files")]
        try:
            return load(named)
        except RuleFileErrors as wrong:
            self.doc.problems += wrong.problems
        except OSError as wrong:
            self.doc.report(node, "unreadable", f"the rules cannot be read: {wrong}", "paths relative to this file")
        return None

    def _policy(self, node: Node, endpoints: Mapping[str, str]) -> Policy | None:
        path = self.path.parent / (self.doc.scalar(node, "responses") or "")
        try:
            return load_policy(path, AnyTarget(), endpoints)
        except BadPolicy as wrong:
            self.doc.problems += wrong.problems
        return None

    def _test(self, node: Node, policy: Policy, rules: RuleSet, endpoints: Mapping[str, str]) -> CaseTest | None:
        before = len(self.doc.problems)
        keys = self.doc.mapping(node, "a test", TEST_KEYS)
        for key in TEST_KEYS:
            if key not in keys and len(self.doc.problems) == before:
                self.doc.report(node, "missing-key", f'a test has no key "{key}"', f"the keys {', '.join(TEST_KEYS)}")
        if len(self.doc.problems) > before:
            return None
        name, interval = self.doc.scalar(keys["name"][1], "name") or "", self.doc.duration(keys["interval"][1], "interval") or 0
        if not interval:
            self.doc.report(keys["interval"][1], "bad-duration", "interval is 0", "the time between two blocks, such as 12s")
        inputs = [
            found for n in self.doc.sequence(keys["input_series"][1], "input_series") if (found := read_input(self.doc, n)) is not None
        ]
        cases = [c for n in self.doc.sequence(keys["cases"][1], "cases") if (c := self._case(n, policy, endpoints, interval)) is not None]
        span = self.doc.span(node)
        by_name = {r.name: r for r in policy.responses}
        alerts = tuple(ExpectedAlerts(c.at, by_name[c.response].alert, (), c.span) for c in cases)
        seconds = [(c, second) for c in cases if (second := by_name[c.response].second) is not None]
        samples = tuple(ExpectedSamples(c.at, s.text, s.expr, (), c.span) for c, s in seconds)
        return CaseTest(UnitTest(name, span, max(1, interval), tuple(inputs), alerts, samples), tuple(cases))

    def _case(self, node: Node, policy: Policy, endpoints: Mapping[str, str], interval: int) -> Case | None:
        before = len(self.doc.problems)
        keys = self.doc.mapping(node, "a case", CASE_KEYS)
        for key in ("at", "response", "outcome"):
            if key not in keys and len(self.doc.problems) == before:
                self.doc.report(node, "missing-key", f'a case has no key "{key}"', "the keys at, response and outcome")
        if len(self.doc.problems) > before:
            return None
        at = self.doc.duration(keys["at"][1], "at") or 0
        if interval and at % interval:
            self.doc.report(keys["at"][1], "between-blocks", f"{at} s is no multiple of the interval", "the time of a block")
        response = one_of(self.doc, keys, "response", [r.name for r in policy.responses])
        agreed = (
            [self.doc.scalar(n, "an endpoint") or "" for n in self.doc.sequence(keys["agreed"][1], "agreed")]
            if "agreed" in keys
            else endpoints
        )
        health = Health(finality_of(self.doc, keys), HEADS[one_of(self.doc, keys, "heads", HEADS, "agree") or "agree"])
        outcome = one_of(self.doc, keys, "outcome", OUTCOMES)
        reason = self.doc.scalar(keys["reason"][1], "reason") or "" if "reason" in keys else ""
        if len(self.doc.problems) > before:
            return None
        return Case(at, response, frozenset(agreed), health, outcome, reason, self.doc.span(node))


def finality_of(document: Document, keys: Mapping[str, tuple[ScalarNode, Node]]) -> float | None:
    """Epochs between the finalized one and the head's: 2 when the key is left out, None when it says unknown."""
    if "finality" not in keys:
        return 2.0
    text = document.scalar(keys["finality"][1], "finality") or ""
    if text == "unknown":
        return None
    if not text.isdigit():
        document.report(keys["finality"][1], "wrong-type", f'finality is "{text}"', "a number of epochs, or unknown")
    return float(text) if text.isdigit() else None


def one_of(document: Document, keys: Mapping[str, tuple[ScalarNode, Node]], key: str, known: Iterable[str], otherwise: str = "") -> str:
    """The text of a key that has a closed set of values, or ``otherwise`` when it is left out; another text is a problem."""
    if key not in keys:
        return otherwise
    text, names = document.scalar(keys[key][1], key) or "", list(known)
    if text not in names:
        document.report(keys[key][1], "unknown-value", f'{key} is "{text}"', f"one of {', '.join(names)}", nearest(text, names))
        return otherwise or (names[0] if names else "")
    return text


class AnyTarget(dict[str, Any]):
    """Which targets there are is for the settings to say: here each name is one whose pause lapses."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> Any:
        return "pauseFor"
