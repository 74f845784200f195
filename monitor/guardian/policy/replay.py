"""Responses judged over a library of past incidents, by the judge that runs live: series, rules, alerts, decision.

What may have been decided is held against what the library says of a pause there: was it done while it helped, and was it never done where it
is wrong. A response is judged as if it were automatic, whatever its mode, so that one in shadow can be tried. Nothing here looks at a clock, and
the report of equal files has equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from monitor.catalogue.catalogue import Catalogue, nearest
from monitor.guardian.deciding import Seen, candidates
from monitor.guardian.policy import library
from monitor.guardian.policy.cases import AnyTarget, outcome
from monitor.guardian.policy.earned import IN_TIME, NOT_COUNTED, VERSION, WRONG, conditions, rules_of
from monitor.guardian.policy.file import BadPolicy, load_policy
from monitor.guardian.policy.incidents import ENDPOINTS, Incident, Judgement, read_library
from monitor.guardian.policy.model import Policy, Response
from monitor.model import Snapshot
from monitor.promql import Expr, selectors
from monitor.rules.files import RuleSet, load
from monitor.rules.problems import Problem, RuleFileErrors, Span
from monitor.rules.unit_test_files import ExpectedAlerts, ExpectedSamples, TestFile, UnitTest
from monitor.rules.unit_tests import Failure, Report, states
from monitor.samples import Selector

Expected = Literal["pause", "no_pause", "either"]
_STRENGTH = ("nothing", "wait", "refused", "propose", "pause")
"""What may come of an alert, the weaker first: of an incident the strongest is told."""


class NotReplayable(Exception):
    """A response cannot be judged over this library: why, and what to do."""


@dataclass(frozen=True, slots=True)
class Decided:
    """The strongest that was decided in an incident, at the first block at which it was. ``fired``: when the alert first fired."""

    kind: str = "nothing"
    at: int | None = None
    reason: str = ""
    fired: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an incident. Times are seconds of its block time from its begin; ``blocks`` the same in its blocks."""

    incident: str
    record: str
    expected: Expected
    decided: str
    after_seconds: int | None
    blocks: int | None
    alert_after_seconds: int | None
    verdict: str
    reason: str

    @property
    def wrong(self) -> bool:
        return self.verdict in WRONG


@dataclass(frozen=True, slots=True)
class Replay:
    """``outcomes``: by response, in the library's order. ``unanswered``: (target, cause) where a pause is right and no response is for it."""

    outcomes: Mapping[str, tuple[Outcome, ...]]
    unanswered: Mapping[tuple[str, str], tuple[str, ...]]
    files: Mapping[str, str]

    @property
    def wrong(self) -> bool:
        return any(o.wrong for found in self.outcomes.values() for o in found)


def replay(policy: Policy, rules: RuleSet, folder: Path, catalogue: Catalogue, only: str | None = None) -> Replay:
    """Judge the responses that say which incidents they are for, or the one that is named.

    ``catalogue`` without the recorded families. Raises NotReplayable, and RuleFileErrors with what is wrong with the library.
    """
    files = library.hashes(folder)
    incidents = read_library(folder)
    asked = _asked(policy, rules, incidents, only)
    found: dict[str, list[Outcome]] = {r.name: [] for r in asked}
    problems = list[Problem]()
    for incident in incidents:
        try:
            decided = _played(asked, policy, rules, incident, catalogue)
        except RuleFileErrors as wrong:
            problems += wrong.problems
            continue
        for response in asked:
            found[response.name].append(_judged(response, incident, decided[response.name], _untold(response, rules, incident, catalogue)))
    if problems:
        raise RuleFileErrors(problems)
    return Replay({name: tuple(of) for name, of in found.items()}, _unanswered(policy, incidents), files)


def run(policies: Iterable[Path], rules: Sequence[Path], folder: Path, catalogue: Catalogue) -> Report:
    """Replays every responses file that says which incidents it is for, as a report of tests; equal conditions are judged once."""
    tests, failures, problems, judged = 0, list[Failure](), list[Problem](), set[tuple[str, str]]()
    for path in policies:
        try:
            policy = load_policy(path, AnyTarget(), ENDPOINTS)
            new = [r for r in policy.responses if r.incidents is not None and (r.name, conditions(r)) not in judged]
            judged |= {(r.name, conditions(r)) for r in new}
            for name, outcomes in (replay(policy, load(rules), folder, catalogue).outcomes if new else {}).items():
                tests += len(outcomes)
                failures += [_failure(folder, name, o) for o in outcomes if o.wrong]
        except (BadPolicy, RuleFileErrors) as wrong:
            problems += wrong.problems
        except NotReplayable as wrong:
            problems.append(Problem(Span(str(path), 1, 1), "not-replayable", str(wrong)))
    return Report(tests, tuple(failures), tuple(problems), frozenset(), {})


def report(response: Response, rules: RuleSet, done: Replay) -> dict[str, Any]:
    """What may arm a response, as canonical values; ``earned.py`` says what of it counts."""
    assert response.incidents is not None
    return {
        "version": VERSION, "response": response.name, "conditions": conditions(response), "rules": rules_of(response, rules),
        "incidents": asdict(response.incidents), "library": {"files": dict(done.files), "sha256": library.digest(done.files)},
        "outcomes": [asdict(o) for o in done.outcomes[response.name]],
    }  # fmt: skip


def _failure(folder: Path, response: str, o: Outcome) -> Failure:
    wanted = "a pause in time" if o.expected == "pause" else "no pause"
    got = f"{o.verdict.replace('_', ' ')}: {o.reason}"
    span = Span(str(next(f for f in library.files_of(folder) if f.stem == o.incident)), 1, 1)
    return Failure(span, o.incident, o.after_seconds or 0, response, wanted, got)


def _asked(policy: Policy, rules: RuleSet, incidents: Sequence[Incident], only: str | None) -> list[Response]:
    names = [r.name for r in policy.responses]
    if only is not None and only not in names:
        raise NotReplayable(f"the policy has no response {only}; it has {', '.join(names) or 'none'}")
    asked = [r for r in policy.responses if (r.incidents is not None and only is None) or r.name == only]
    if not asked:
        raise NotReplayable('no response says which incidents it is for: give it the key "incidents" with cause and target')
    for response in asked:
        _answerable(response, rules, incidents)
    return asked


def _answerable(response: Response, rules: RuleSet, incidents: Sequence[Incident]) -> None:
    """Raises NotReplayable when the rules or the library have nothing that the response could be judged by."""
    if response.incidents is None:
        raise NotReplayable(f'{response.name} does not say which incidents it is for: give it the key "incidents" with cause and target')
    if not rules_of(response, rules):
        raise NotReplayable(f'{response.name}: no rule is called "{response.alert}"')
    said = [j for incident in incidents for j in incident.judgements]
    causes, targets = {j.cause for j in said} - {""}, {j.target for j in said}
    for what, name, known in (("cause", response.incidents.cause, causes), ("target", response.incidents.target, targets)):
        near = nearest(name, known)
        if name not in known and (near or what == "target"):
            # A cause that no incident here has may be one that nobody met yet; one that is nearly another's is a slip.
            meant = f'; did you mean "{near}"?' if near else ""
            raise NotReplayable(f'{response.name}: no incident has the {what} "{name}"; there are {", ".join(sorted(known))}{meant}')


# ---------------------------------------------------------------- playing


def _played(asked: Iterable[Response], policy: Policy, rules: RuleSet, incident: Incident, catalogue: Catalogue) -> dict[str, Decided]:
    """What is decided for each of these responses, beside all others of the policy, until all have paused or the series end."""
    armed = Policy(tuple(_armed(r) for r in policy.responses), policy.text)
    test = _as_test(asked, incident)
    file = TestFile(incident.document.file, incident.document.text, (), incident.interval, (), (test,))
    found = {r.name: Decided() for r in asked}
    for at, window, live in states(test, file, rules, catalogue):
        state = incident.state(at.timestamp)
        seen = Seen(at, window, rules, live, Snapshot(at, {}), {}, state.agreement, state.health)
        for candidate in candidates(armed, live):
            name = candidate.response.name
            if name in found:
                found[name] = _stronger(found[name], at.timestamp, *outcome(seen, candidate))
        if all(d.kind == "pause" for d in found.values()):
            break
    return found


def _armed(response: Response) -> Response:
    """The response as if it were automatic, with as much agreement as the library's endpoints can give."""
    return replace(response, mode="automatic", agreement=min(response.agreement, len(ENDPOINTS)))


def _as_test(asked: Iterable[Response], incident: Incident) -> UnitTest:
    """What the incident asks of the rules' judge: both conditions of each response, up to the last value."""
    end, span = incident.end - incident.end % incident.interval, incident.span
    alerts = tuple(ExpectedAlerts(end, r.alert, (), span) for r in asked)
    seconds = tuple(ExpectedSamples(end, r.second.text, r.second.expr, (), span) for r in asked if r.second is not None)
    return UnitTest(incident.name, span, incident.interval, incident.inputs, alerts, seconds, {}, incident.blind)


def _stronger(before: Decided, at: int, kind: str, reason: str) -> Decided:
    fired = at if before.fired is None else before.fired
    if _STRENGTH.index(kind) > _STRENGTH.index(before.kind):
        return Decided(kind, at, reason, fired)
    return replace(before, fired=fired)


# ---------------------------------------------------------------- judging


def _judged(response: Response, incident: Incident, decided: Decided, untold: str | None) -> Outcome:
    judgement, expected = _expected(response, incident)
    assert response.incidents is not None
    verdict, reason = _verdict(expected, judgement, incident, decided, untold, response.incidents.target)
    after = None if decided.at is None else decided.at - incident.begins
    return Outcome(
        incident.name, incident.record, expected, decided.kind, after, None if after is None else after // incident.interval,
        None if decided.fired is None else decided.fired - incident.begins, verdict, reason,
    )  # fmt: skip


def _expected(response: Response, incident: Incident) -> tuple[Judgement | None, Expected]:
    """What the library asks of the response here. Right for another cause alone is a pause that does no harm and proves nothing."""
    assert response.incidents is not None
    found = incident.judgement(response.incidents.target, response.incidents.cause)
    if found is None or found.verdict in ("too_late", "no_lever"):
        return found, "either"
    return found, "pause" if found.verdict == "right" else "no_pause"


def _verdict(
    expected: Expected, judgement: Judgement | None, incident: Incident, decided: Decided, untold: str | None, target: str
) -> tuple[str, str]:
    if expected == "either":
        return NOT_COUNTED, _why_not_counted(judgement, incident, target)
    paused = decided.kind == "pause"
    if expected == "no_pause":
        assert judgement is not None
        if paused:
            return "false_pause", judgement.reason
        if untold is not None:
            return NOT_COUNTED, untold
        return ("quiet" if decided.fired is None else "held_back"), decided.reason
    assert judgement is not None and expected == "pause"
    if untold is not None:
        return "untold", untold
    if not paused or decided.at is None:
        return "missed", decided.reason or "the alert never fired"
    after = decided.at - incident.begins
    if after < 0:
        return "early", f"{-after} s before the incident begins"
    return (IN_TIME, "") if after <= judgement.until else ("late", f"after {judgement.until} s a pause helps no more: {judgement.reason}")


def _why_not_counted(judgement: Judgement | None, incident: Incident, target: str) -> str:
    if judgement is not None:
        return f"{judgement.verdict.replace('_', ' ')}: {judgement.reason}"
    causes = [j.cause for j in incident.judgements if j.target == target]
    return f"judged for {' and '.join(causes)} alone" if causes else f"nothing is said of a pause of a target of class {target}"


def _untold(response: Response, rules: RuleSet, incident: Incident, catalogue: Catalogue) -> str | None:
    """A family that the conditions read at each block and the incident has no series of: silence about it would prove nothing."""
    exprs = [rule.expr for rule in rules.alerts if rule.name == response.alert]
    exprs += [response.second.expr] if response.second is not None else []
    given = [one for one, _ in incident.inputs if any(v is not None for v in one.values)]
    for selector in sorted({s for expr in exprs for s in _read(expr, rules, catalogue)}, key=str):
        if not any(one.family == selector.family and selector.matches(one.labels) for one in given):
            return f"its series do not tell {selector}"
    return None


def _read(expr: Expr, rules: RuleSet, catalogue: Catalogue, of: frozenset[str] = frozenset()) -> Iterator[Selector]:
    """Selectors of what collectors say at each block, through recording rules; an event that did not happen has no series."""
    for found in (s.selector for s in selectors(expr)):
        if found.family in catalogue:
            if catalogue[found.family].kind != "event":
                yield found
        elif found.family not in of:
            for rule in (r for r in rules.recordings if r.name == found.family):
                yield from _read(rule.expr, rules, catalogue, of | {found.family})


def _unanswered(policy: Policy, incidents: Iterable[Incident]) -> dict[tuple[str, str], tuple[str, ...]]:
    answered = {(r.incidents.target, r.incidents.cause) for r in policy.responses if r.incidents is not None}
    found: dict[tuple[str, str], list[str]] = {}
    for incident in incidents:
        for judgement in incident.judgements:
            pair = judgement.target, judgement.cause
            if judgement.verdict == "right" and pair not in answered:
                found.setdefault(pair, []).append(incident.name)
    return {pair: tuple(names) for pair, names in sorted(found.items())}
