"""What follows from one judged block: for each alert that fires, pause, propose, wait, or refuse with the reason. Pure.

Nothing is remembered from block to block: both conditions and the time for which they have held are read from the window, which is what a restart
reads back and a reorganisation rewinds. So an alert whose second condition comes true some blocks later leads to the pause then.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monitor.catalogue import Catalogue
from monitor.guardian import inputs
from monitor.guardian.decision import VERSION, Decision, NotCanonical, decision_id, sealed
from monitor.guardian.policy.conditions import Conditions, Point, agrees, held, minimum, written, zones
from monitor.guardian.policy.earned import conditions as conditions_digest
from monitor.guardian.policy.model import CRITICAL, Agreement, Health, Hold, Kind, Policy, Response, text_hash
from monitor.guardian.tape import Recorder
from monitor.model import Address, BlockStamp, Collector, Hash, Known, Snapshot
from monitor.promql import selectors
from monitor.rules.evidence import evidence, seen_samples
from monitor.rules.files import Rule, RuleSet
from monitor.rules.instances import Instances, Live
from monitor.samples import FrameWindow

MAX_BEHIND = 8
"""Agreed blocks that may wait behind the judged one: older ones are history, and what they show is decided at a newer one."""
MAX_GAP = 60
"""Seconds between two samples above which they are not neighbours, where no family says how long it speaks."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What stays the same from block to block. ``targets``: names of the settings. ``baseline``: the file's text."""

    chain: int = 0
    guardian: str = ""
    targets: Mapping[str, Address] = field(default_factory=dict)
    baseline: str = ""
    collectors: tuple[Collector, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """One judged block. ``memory``: what the collectors knew before it. ``behind``: agreed blocks that wait to be judged."""

    at: BlockStamp
    window: FrameWindow
    rules: RuleSet
    live: Instances
    snapshot: Snapshot
    memory: Mapping[str, Known]
    agreement: Agreement
    health: Health
    behind: int = 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """An alert that fires and is known to, and a response that it matches."""

    live: Live
    response: Response

    @property
    def id(self) -> str:
        assert self.live.instance.episode is not None
        return decision_id(self.live.instance.episode, self.response.target)


class Unprovable(Exception):
    """What was seen cannot be shown to others from this block alone: why."""


def candidates(policy: Policy, live: Instances) -> list[Candidate]:
    """Alerts that fire now, with the first response for each target. What is unknown, or was true before and is not now, is none."""
    return [
        Candidate(one, response)
        for one in live.live
        if one.instance.state == "firing" and one.seen == "true" and not one.no_data and one.instance.episode is not None
        for response in policy.first_per_target(one.instance.labels)
    ]


def decide(policy: Policy, ground: Ground, seen: Seen, wanted: Sequence[Candidate]) -> list[Decision]:
    """The decisions about these candidates at this block, without those that wait; equal input gives equal bytes."""
    rules = {rule.id: rule for rule in seen.rules.alerts}
    found: dict[str, Decision] = {}
    for candidate in wanted:
        rule = rules.get(candidate.live.instance.rule)
        if rule is not None and candidate.id not in found:
            decision = _decide(policy, ground, seen, candidate, rule)
            if decision.kind != "wait":
                found[candidate.id] = decision
    return list(found.values())


def _decide(policy: Policy, ground: Ground, seen: Seen, candidate: Candidate, rule: Rule) -> Decision:
    document = b""
    try:
        kind, note = verdict(seen, candidate, rule)
        if kind in ("pause", "shadow"):
            document = compose(policy, ground, seen, candidate, rule)
    except Unprovable as wrong:
        kind, note = _otherwise(candidate.response, str(wrong))
    except Exception as wrong:  # judging goes on: else an incident would blind the monitor; and people hear of it
        kind, note = _mistaken(candidate.response, wrong)
    instance = candidate.live.instance
    assert instance.episode is not None
    proof = Hash("") if kind == "wait" else evidence(rule, seen_samples(rule, seen.window, seen.at.timestamp), seen.at, instance.labels)
    return Decision(
        candidate.id, kind, candidate.response, instance.episode, instance.rule, instance.labels, proof, seen.at, seen.agreement.behind, note,
        document,
    )  # fmt: skip


def verdict(seen: Seen, candidate: Candidate, rule: Rule) -> tuple[Kind, str]:
    """The kind before anything is composed, and, where it is not a pause, the first reason in a fixed order."""
    response, labels = candidate.response, candidate.live.instance.labels
    severity = dict(labels).get("severity", "")
    if seen.behind > MAX_BEHIND:
        return "wait", f"{seen.behind} newer blocks wait to be judged"
    if severity not in CRITICAL:
        return "refused", f"the alert's severity is {severity or 'not set'}; only {' or '.join(sorted(CRITICAL))} leads to a response"
    # Shadow mode says what automatic mode would do, so it is judged by the same conditions.
    if short := seen.agreement.shortfall(response.agreement, automatic=response.mode != "propose"):
        return "refused", short
    if response.mode == "propose":
        return "propose", ""
    if response.second is None:
        return _otherwise(response, "the response has no second condition")
    if sick := seen.health.objection():
        return _otherwise(response, sick)
    wanted = hold_of(seen.window.catalogue, rule, response)
    points = _points(seen, candidate, rule, wanted)
    if points[-1].second is None:
        return _otherwise(response, f"the second condition does not hold: {response.second.text}")
    if short := held(points, wanted, _longest_gap(seen.window.catalogue, rule, response)):
        return "wait", short
    return ("pause" if response.mode == "automatic" else "shadow"), ""


def _otherwise(response: Response, why: str) -> tuple[Kind, str]:
    """Where not everything holds, a person decides at once; shadow mode records full pauses alone."""
    return ("propose", f"not by itself: {why}") if response.mode == "automatic" else ("wait", why)


def _mistaken(response: Response, wrong: Exception) -> tuple[Kind, str]:
    """The program fails where it should decide: a person does, and shadow mode records that it could not."""
    last = traceback.extract_tb(wrong.__traceback__)[-1]
    why = f"a mistake of the program: {type(wrong).__name__} in {last.name} ({Path(last.filename).name} line {last.lineno})"
    return ("refused" if response.mode == "shadow" else "propose"), f"not by itself: {why}"


# ---------------------------------------------------------------- how long


def hold_of(catalogue: Catalogue, rule: Rule, response: Response) -> Hold:
    """For how long both conditions must hold before this response pauses."""
    assert response.second is not None
    return minimum(zones(catalogue, rule.expr, response.second.expr), response.hold)


def reach_of(catalogue: Catalogue, rule: Rule, response: Response) -> int:
    """Seconds of the past in which samples are looked for that show how long both conditions have held: the window must keep them."""
    wanted = hold_of(catalogue, rule, response)
    return wanted.seconds + (wanted.blocks + 1) * _longest_gap(catalogue, rule, response)


def conditions_of(candidate: Candidate, rule: Rule) -> Conditions:
    assert candidate.response.second is not None
    return Conditions(rule.expr, candidate.live.element, candidate.live.instance.labels, candidate.response.second.expr)


def _points(seen: Seen, candidate: Candidate, rule: Rule, wanted: Hold) -> list[Point]:
    """Both conditions at the judged times that the hold needs, the newest last, and no more of them: others see the same."""
    pair = conditions_of(candidate, rule)
    points: list[Point] = []
    for time in _times(seen, rule, candidate.response, wanted):
        points.append(pair.at(seen.window, time))
        if not points[-1].holds or (len(points) >= wanted.blocks and seen.at.timestamp - time >= wanted.seconds):
            break
    return points[::-1]


def _times(seen: Seen, rule: Rule, response: Response, wanted: Hold) -> list[int]:
    """The times of the samples that the conditions read at each block, the newest first: those of the judged blocks."""
    now = seen.at.timestamp
    if wanted == Hold():
        return [now]
    assert response.second is not None
    reach = reach_of(seen.window.catalogue, rule, response)
    found = {now}
    for select in (*selectors(rule.expr), *selectors(response.second.expr)):
        family = select.selector.family
        if family in seen.window.catalogue and seen.window.catalogue[family].kind != "event":
            found |= {int(t) for t in seen.window.range(select.selector, now, reach).times}
    return sorted(found, reverse=True)


def _longest_gap(catalogue: Catalogue, rule: Rule, response: Response) -> int:
    assert response.second is not None
    names = {s.selector.family for s in (*selectors(rule.expr), *selectors(response.second.expr))}
    spoken = [catalogue[n].fresh_for for n in names if n in catalogue and catalogue[n].kind != "event"]
    return min(spoken, default=MAX_GAP)


# ---------------------------------------------------------------- the document


def compose(policy: Policy, ground: Ground, seen: Seen, candidate: Candidate, rule: Rule) -> bytes:
    """The canonical document of a pause. Raises Unprovable when others could not come to the same from this block."""
    response, instance = candidate.response, candidate.live.instance
    assert response.second is not None
    wanted = hold_of(seen.window.catalogue, rule, response)
    points, tape = _recorded(seen, candidate, rule, _points(seen, candidate, rule, wanted))
    samples = tape.at(seen.at.timestamp)
    ours = [c for c in ground.collectors if any(f.name in {s.family for s in samples} for f in c.families)]
    found = inputs.decode(ours, seen.snapshot, seen.memory)
    needed = {series: value for series, value in samples.items() if not (is_event(seen.window, series.family) and series not in found)}
    if not inputs.same(needed, found):
        lacking = sorted(s.family for s, v in needed.items() if not inputs.same({s: v}, found))
        raise Unprovable(f"{lacking[0]} was not read from contracts at block {seen.at.number}")
    body: dict[str, Any] = {
        "version": VERSION, "chain": ground.chain, "guardian": ground.guardian,
        "target": {"name": response.target, "address": ground.targets.get(response.target, "")},
        "block": inputs.stamp_body(seen.at),
        "response": {"name": response.name, "second": response.second.text, "conditions": conditions_digest(response)},
        "rule": {"id": rule.id, "expr": rule.text, "identity": rule.identity, "text": text_hash(rule.places.document.text)},
        "policy": policy.hash, "baseline": text_hash(ground.baseline),
        "alert": dict(instance.labels), "element": dict(candidate.live.element),
        "hold": {"blocks": wanted.blocks, "seconds": wanted.seconds},
        "points": [written(p) for p in points], "samples": tape.written(),
        **inputs.reduced(ours, seen.snapshot, seen.memory, needed),
        "verdict": "pause",
    }  # fmt: skip
    try:
        return sealed(body)
    except NotCanonical as wrong:
        raise Unprovable(str(wrong)) from None


def _recorded(seen: Seen, candidate: Candidate, rule: Rule, points: Sequence[Point]) -> tuple[list[Point], Recorder]:
    """The samples behind these points: those that speak of what the alert speaks of, or all where that would change a value."""
    pair = conditions_of(candidate, rule)
    about = {**dict(candidate.live.instance.labels), **dict(candidate.live.element)}
    whole = Recorder(seen.window)
    told = [pair.at(whole, p.at) for p in points]
    if [p.holds for p in told] != [p.holds for p in points]:
        raise Unprovable("the conditions come to something else when they are evaluated again")
    less = Recorder(seen.window, lambda row: agrees(about, row))
    again = [pair.at(less, p.at) for p in points]
    return (again, less) if [written(p) for p in again] == [written(p) for p in told] else (told, whole)


def is_event(window: FrameWindow, family: str) -> bool:
    return family in window.catalogue and window.catalogue[family].kind == "event"
