"""What must never stand in a policy although it can be read: a pause that hangs on one condition, on one source, or on what others cannot see."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from monitor.catalogue.catalogue import Catalogue, nearest
from monitor.guardian.policy import replay
from monitor.guardian.policy.conditions import minimum
from monitor.guardian.policy.earned import text_of
from monitor.guardian.policy.model import CRITICAL, Earned, Policy, Response
from monitor.guardian.policy.sources import Readers, shared
from monitor.promql import selectors
from monitor.rules.check_expression import ExpressionCheck
from monitor.rules.files import Rule, RuleSet
from monitor.rules.problems import Problem, RuleFileErrors, Span, in_order

NEEDED = ("pause", "other")
"""What the cases of an automatic response must show: that it pauses, and that it does not."""


def check(
    policy: Policy, rules: RuleSet, catalogue: Catalogue, readers: Readers, shown: Collection[tuple[str, str]] | None
) -> list[Problem]:
    """All that is wrong with the responses that may pause by themselves, and with those in shadow, which are meant to.

    ``catalogue`` with the recorded families. ``shown``: what the cases of ``responses.test.yaml`` show, as (response, one of ``NEEDED``); None
    does not look.
    """
    found: list[Problem] = []
    for response in policy.responses:
        if response.second is not None:
            found += _Check(response, response.second, rules, catalogue, readers).problems(shown)
    return in_order(found)


def check_proofs(policy: Policy, rules: RuleSet, catalogue: Catalogue, folder: Path) -> list[Problem]:
    """What there is to say of replays that arm: that they are no record, and whether they come out again.

    ``catalogue`` without the recorded families; ``folder`` of the responses file. What can never arm is refused when the file is read.
    """
    found: list[Problem] = []
    for response in policy.responses:
        if response.mode == "automatic" and response.earned is not None and response.earned.proof == "replay":
            found += _replayed(response, response.earned, policy, rules, catalogue, folder)
    return in_order(found)


def _replayed(response: Response, earned: Earned, policy: Policy, rules: RuleSet, catalogue: Catalogue, folder: Path) -> Iterator[Problem]:
    span = response.second.places.span("expr") if response.second is not None else Span(str(folder), 1, 1)
    yield Problem(
        span, "earned-by-replay", f"{response.name} is armed by a replay alone: it has never been seen on this chain",
        "a shadow report when 30 days are over: a library shows what its writers thought of", level="warning",
    )  # fmt: skip
    try:
        report = replay.report(response, rules, replay.replay(policy, rules, folder / earned.library, catalogue, response.name))
        again = (folder / earned.file).read_bytes() == text_of(report).encode()
    except (replay.NotReplayable, RuleFileErrors, OSError) as wrong:
        yield Problem(span, "not-replayable", f"{response.name} cannot be replayed: {wrong}")
        return
    if not again:
        expected = f"`stakewarden guardian replay {response.name} --out {earned.file}`, and a look at what changed"
        yield Problem(span, "not-reproducible", f"{response.name}: the replay that armed it comes out differently now", expected)


class _Check:
    def __init__(self, response: Response, second: Rule, rules: RuleSet, catalogue: Catalogue, readers: Readers) -> None:
        self.response, self.second, self.rules, self.catalogue, self.readers = response, second, rules, catalogue, readers

    def problems(self, shown: Collection[tuple[str, str]] | None) -> Iterator[Problem]:
        wrong = list(ExpressionCheck(self.second, self.catalogue, {}, 12).problems())
        yield from wrong
        first = [rule for rule in self.rules.alerts if rule.name == self.response.alert]
        if not first:
            names = {rule.name for rule in self.rules.alerts}
            yield self._problem("unknown-alert", f'no rule is called "{self.response.alert}"', None, nearest(self.response.alert, names))
        if not any(p.level == "error" for p in wrong):
            for rule in first:
                yield from self._sources(rule)
                yield from self._severity(rule)
        if shown is not None and self.response.mode == "automatic":
            yield from self._cases(shown)

    def _sources(self, rule: Rule) -> Iterator[Problem]:
        first, second = self.readers.origin(rule.expr), self.readers.origin(self.second.expr)
        if not {s.selector.family for s in selectors(self.second.expr)}:
            yield self._problem("one-condition", "the second condition reads nothing", "an expression over what is read elsewhere")
            return
        for family in sorted(first.unread | second.unread):
            yield self._problem(
                "not-on-chain",
                f"{family} is not read from contracts at each block",
                "families that everybody can read at the block's hash: nothing else counts for a pause",
            )
        if not first.unread | second.unread and (why := shared(first, second)):
            yield self._problem(
                "one-source", why, "a second condition that another collector reads from other contracts, or from logs instead of state"
            )
        names = {s.selector.family for s in (*selectors(rule.expr), *selectors(self.second.expr))}
        known = [self.catalogue[name] for name in names if name in self.catalogue]
        hold = minimum({f.name: f.zone for f in known}, self.response.hold)
        if hold.blocks > 1 and known and all(f.kind == "event" for f in known):
            yield self._problem(
                "never-held", f"both conditions are events and must hold for {hold}", "a condition that is read at each block"
            )

    def _severity(self, rule: Rule) -> Iterator[Problem]:
        severity = rule.label("severity") or ""
        if severity not in CRITICAL and "{{" not in severity:
            expected = f"severity {' or '.join(sorted(CRITICAL))}: no other leads to a response"
            yield self._problem("never-severe", f"{rule.name} has severity {severity or 'none'}", expected)

    def _cases(self, shown: Collection[tuple[str, str]]) -> Iterator[Problem]:
        lacking = {"pause": "no case shows that it pauses", "other": "no case shows what keeps it from pausing"}
        for kind in NEEDED:
            if (self.response.name, kind) not in shown:
                yield self._problem("untested", f"{self.response.name}: {lacking[kind]}", "a case in responses.test.yaml")

    def _problem(self, code: str, found: str, expected: str | None = None, near: str | None = None) -> Problem:
        return Problem(
            self.second.places.span("expr"),
            code,
            f"{self.response.name}: {found}" if self.response.name not in found else found,
            expected,
            near,
        )
