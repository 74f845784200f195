"""Judging: what a rule set comes to at one moment, and how alert instances live. Pure, in block time.

An instance is *true* with a known element; *unknown* with an unknown element, after a rule error, or when it is missing from
a result that could hold it unseen; *false* when it is missing from one that could not. Only consecutive judged stamps
that agree count for ``true_for`` and ``clear_for``; unknown, and blocks that were never judged, freeze both. So unknown
neither fires nor resolves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import structlog

from monitor.model import (
    AlertInstance,
    Cause,
    Frame,
    Hash,
    Labels,
    Moment,
    RuleId,
    State,
    Tick,
    Transition,
    Verdict,
)
from monitor.model import labels as sorted_labels
from monitor.promql import evaluate, selectors
from monitor.rules.evidence import evidence, seen_samples
from monitor.rules.files import Rule, RuleSet
from monitor.rules.instances import NONE, Instances, Live, Seen, episode_id, fingerprint, ordered
from monitor.rules.recording import in_dependency_order
from monitor.rules.templates import Context, RenderError, Template
from monitor.samples import COMPLETE, NAME, FrameWindow, LabelTable, Missing, Vector, recorded_frame
from monitor.turns import Steps, at_once

log = structlog.get_logger()

NO_DATA = "no_data"
"""The label of the alert that says that a rule with ``stakewarden_no_data: alert`` cannot be judged."""


_ONE = LabelTable([()])
REMEMBERED = 5_000
"""Rendered elements kept for each rule."""


class RuleError(ValueError):
    """A rule could not be judged at a stamp: it is unknown there."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a rule's result with its final labels."""

    labels: Labels
    annotations: Labels
    row: Labels
    value: float
    known: bool
    no_data: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a rule came to: its elements by fingerprint, what could be there unseen, or why it failed."""

    elements: Mapping[int, Element]
    missing: Missing = COMPLETE
    error: str | None = None

    def verdict(self, rule: RuleId, at: Moment) -> Verdict:
        true = sum(e.known for e in self.elements.values())
        unknown = len(self.elements) - true
        blind = unknown or self.missing or self.error
        return Verdict(rule, at, "true" if true else "unknown" if blind else "false", true, unknown, self.error)


def record(rules: RuleSet, window: FrameWindow, at: Moment, live: Instances = NONE) -> list[Frame]:
    """Evaluates the recording rules, each after those it reads, and appends their frames to the window.

    Call it once a stamp, before :func:`judge`. The frames are returned so that they can be stored; they follow from the
    other frames and the rules alone. A rule that fails writes no frame: what it records grows stale.
    """
    frames = []
    for rule in in_dependency_order(rules):
        if not _has_its_turn(rule, window, at, live):
            continue
        try:
            static = sorted_labels({n: t.text for n, t in rule.labels})
            stamp = at.last if isinstance(at, Tick) else at
            result = _evaluated(rule, window, at)
            _within_limit(rule, len(result))
            frame = recorded_frame(rule.id, rule.name, static, result, stamp, at)
        except Exception as error:  # one rule's fault must not stop the others
            log.warning("rules.not_recorded", rule=rule.id, error=str(error))
            continue
        window.append(frame)
        frames.append(frame)
    return frames


Judged = tuple[Instances, list[Transition], list[Verdict]]
"""What a moment comes to: all instances after it, transitions into and out of firing, and a verdict for each rule that was judged."""


def judge(rules: RuleSet, window: FrameWindow, at: Moment, live: Instances, external_labels: Mapping[str, str] | None = None) -> Judged:
    """All alert rules at one moment. At a tick only rules about ourselves are judged, at a block made up after it only the others.

    A group with an interval is judged at the first stamp in each interval. Transitions are in order of rules.
    ``external_labels`` are for templates only.
    """
    return at_once(judging(rules, window, at, live, external_labels))


def judging(
    rules: RuleSet, window: FrameWindow, at: Moment, live: Instances, external_labels: Mapping[str, str] | None = None
) -> Steps[Judged]:
    """As :func:`judge`, a rule a step. The window must not change meanwhile."""
    before = _after_gap(live) if _gap(live.at, at) else live
    kept: list[Live] = []
    transitions: list[Transition] = []
    verdicts: list[Verdict] = []
    judged = dict(live.judged)
    due_groups = {rule.group for rule in rules.alerts if _due(rule, judged, at)}
    for rule in rules.alerts:
        mine = before.by_rule.get(rule.id, ())
        if rule.group not in due_groups or not _has_its_turn(rule, window, at, live):
            kept += mine
            continue
        if rule.interval_s:
            judged[rule.group] = at.timestamp
        outcome = _outcome(rule, window, at, external_labels or {})
        verdict = outcome.verdict(rule.id, at)
        verdicts.append(verdict)
        for now, transition in _lives(_Judgement(rule, window, at, outcome, verdict), mine):
            kept += [now] if now else []
            transitions += [transition] if transition else []
        yield
    groups = {rule.group for rule in rules.alerts}
    ticked = at.timestamp if isinstance(at, Tick) else live.ticked
    intervals = tuple(sorted((g, t) for g, t in judged.items() if g in groups))
    return Instances(at, ordered(kept), intervals, ticked), transitions, verdicts


# ---------------------------------------------------------------- when


def _due(rule: Rule, judged: Mapping[str, int], at: Moment) -> bool:
    last = judged.get(rule.group)
    return not rule.interval_s or last is None or at.timestamp // rule.interval_s != last // rule.interval_s


def _gap(last: Moment | None, at: Moment) -> bool:
    """Whether blocks between the last judged stamp and this one were never judged."""
    if last is None:
        return False
    number, previous = (m.last.number if isinstance(m, Tick) else m.number for m in (at, last))
    return number > previous + 1


def _after_gap(live: Instances) -> Instances:
    """What was seen before a gap does not count as the stamp before."""
    return replace(live, live=tuple(replace(x, seen="unknown") for x in live.live))


def _has_its_turn(rule: Rule, window: FrameWindow, at: Moment, live: Instances) -> bool:
    """Whether the rule is judged at this moment: at a tick those about ourselves, at a block made up after a tick the others."""
    if isinstance(at, Tick):
        return _about_ourselves(rule, window)
    return not (live.is_before_tick(at) and _about_ourselves(rule, window))


def _about_ourselves(rule: Rule, window: FrameWindow) -> bool:
    """Whether every family that the rule reads is of zone ``monitor``."""
    names = {s.selector.family for s in selectors(rule.expr)}
    return all(name in window.catalogue and window.catalogue[name].zone == "monitor" for name in names)


# ---------------------------------------------------------------- what


def _outcome(rule: Rule, window: FrameWindow, at: Moment, external_labels: Mapping[str, str]) -> Outcome:
    try:
        result = _evaluated(rule, window, at)
        elements = _elements(rule, result, external_labels)
        _within_limit(rule, len(elements))
    except Exception as error:  # whatever goes wrong with one rule makes that rule unknown, and nothing else
        log.warning("rules.not_judged", rule=rule.id, error=str(error))
        return Outcome({}, COMPLETE, f"{type(error).__name__}: {error}"[:500])
    return Outcome(elements, result.missing)


def _evaluated(rule: Rule, window: FrameWindow, at: Moment) -> Vector:
    result = evaluate(rule.expr, window, at.timestamp)
    if isinstance(result, Vector):
        return result
    return Vector(_ONE, np.array([result.value]), np.array([result.known]))  # a number is an element without labels, as in Prometheus


def _within_limit(rule: Rule, count: int) -> None:
    if rule.limit and count > rule.limit:
        raise RuleError(f"the group's limit is {rule.limit}, the result has {count} elements")


def _elements(rule: Rule, result: Vector, external_labels: Mapping[str, str]) -> dict[int, Element]:
    found: dict[int, Element] = {}
    for row, value, known in zip(result.labels.rows, result.values.tolist(), result.known.tolist(), strict=True):
        of, annotations = _texts(rule, row, value, external_labels)
        key = fingerprint(of)
        if key in found:
            raise RuleError(f"two elements have the same labels after the rule's own: {dict(of)}")
        found[key] = Element(of, annotations, row, value, known)
    return found


def _texts(rule: Rule, row: Labels, value: float, external_labels: Mapping[str, str]) -> tuple[Labels, Labels]:
    """Final labels and annotations of an element; remembered, since most elements are the same block after block."""
    key = (row, value.hex(), *sorted(external_labels.items()))
    found = rule.rendered.get(key)
    if found is None:
        context = Context({k: v for k, v in row if k != NAME}, value, external_labels)
        if len(rule.rendered) >= REMEMBERED:
            rule.rendered.clear()
        found = rule.rendered[key] = final_labels(rule, context), _annotations(rule, context)
    return found


def final_labels(rule: Rule, context: Context) -> Labels:
    """The labels of an alert: the element's, overwritten by the rule's, and the rule's name. Raises RenderError."""
    own = {name: template.render(context) for name, template in rule.labels}
    return sorted_labels({**context.labels, **own, "alertname": rule.name})


def _annotations(rule: Rule, context: Context) -> Labels:
    return tuple((name, _annotation(template, context)) for name, template in rule.annotations)


def _annotation(template: Template, context: Context) -> str:
    try:
        return template.render(context)
    except RenderError as error:
        return f"<error: {error}>"


def _no_data(rule: Rule, reason: str) -> Element:
    own = {name: template.text for name, template in rule.labels if template.constant}
    said = {
        **{name: template.text for name, template in rule.annotations if template.constant and name != "description"},
        "summary": f"{rule.name} cannot be judged",
        "description": reason,
    }
    of = sorted_labels({**own, "alertname": rule.name, NO_DATA: "true"})
    return Element(of, tuple(sorted(said.items())), ((NO_DATA, "true"),), float("nan"), True, no_data=True)


# ---------------------------------------------------------------- the life of an instance


@dataclass(frozen=True)
class _Judgement:
    """One rule judged at one moment."""

    rule: Rule
    window: FrameWindow
    at: Moment
    outcome: Outcome
    verdict: Verdict

    @cached_property
    def unknown_rows(self) -> frozenset[Labels]:
        return frozenset(e.row for e in self.outcome.elements.values() if not e.known)

    @cached_property
    def samples(self) -> str:
        """The digest of what the rule saw; only transitions need it."""
        return seen_samples(self.rule, self.window, self.at.timestamp)


def _lives(j: _Judgement, mine: Sequence[Live]) -> Iterator[tuple[Live | None, Transition | None]]:
    elements = dict(j.outcome.elements)
    if j.rule.no_data == "alert" and j.verdict.outcome == "unknown":
        reason = j.verdict.error or "The data that it needs is missing, stale or disputed."
        of = _no_data(j.rule, reason)
        elements[fingerprint(of.labels)] = of
    old = {live.instance.fingerprint: live for live in mine}
    for key in sorted(old.keys() | elements.keys()):
        live, element = old.get(key), elements.get(key)
        seen = _seen(j, live, element)
        if seen == "true" and element is not None:
            yield _when_true(j, live, element)
        elif live is not None:
            yield _when_false(j, live) if seen == "false" else (_when_unknown(j, live, element), None)


def _seen(j: _Judgement, live: Live | None, element: Element | None) -> Seen:
    if element is not None:
        return "true" if element.known else "unknown"
    assert live is not None
    if live.no_data:
        return "false"
    if j.outcome.error is not None:
        return "unknown"
    if live.element in j.unknown_rows:  # its labels depend on its value, which is not known
        return "unknown"
    return "unknown" if any(set(entry) <= set(live.element) for entry in j.outcome.missing) else "false"


def _when_true(j: _Judgement, live: Live | None, element: Element) -> tuple[Live, Transition | None]:
    at, rule = j.at, j.rule
    if live is None:
        key = fingerprint(element.labels)
        new = AlertInstance(key, rule.id, element.labels, element.annotations, "pending", at, 0, 0, None, None, element.value)
    else:
        grown = live.instance.true_for + (at.timestamp - live.judged if live.seen == "true" else 0)
        new = replace(live.instance, annotations=element.annotations, true_for=grown, clear_for=0, unknown_since=None, value=element.value)
    transition = None
    if new.state == "pending" and new.true_for >= rule.for_s:
        new = replace(new, state="firing", episode=episode_id(new.fingerprint, at))
        transition = _transition(new, "pending" if live else "inactive", "firing", at, "judged", _evidence(j, new))
    return Live(new, element.row, "true", at.timestamp, element.no_data), transition


def _when_false(j: _Judgement, live: Live) -> tuple[Live | None, Transition | None]:
    old = live.instance
    if old.state == "pending":
        return None, None
    clear_for = old.clear_for + (j.at.timestamp - live.judged if live.seen == "false" else 0)
    if clear_for < j.rule.keep_firing_for_s:
        new = replace(old, clear_for=clear_for, unknown_since=None)
        return replace(live, instance=new, seen="false", judged=j.at.timestamp), None
    cause: Cause = "expired" if not live.no_data and _only_events(j) else "judged"
    return None, _transition(old, "firing", "inactive", j.at, cause, _evidence(j, old))


def _when_unknown(j: _Judgement, live: Live, element: Element | None) -> Live:
    since = live.instance.unknown_since or j.at
    row = live.element if element is None else element.row
    return Live(replace(live.instance, unknown_since=since), row, "unknown", j.at.timestamp, live.no_data)


def _only_events(j: _Judgement) -> bool:
    """Whether the rule reads events alone: its alerts end because what happened is no longer shown, not because it was undone."""
    catalogue = j.window.catalogue
    names = {s.selector.family for s in selectors(j.rule.expr)}
    return bool(names) and all(name in catalogue and catalogue[name].kind == "event" for name in names)


def _evidence(j: _Judgement, instance: AlertInstance) -> Hash:
    return evidence(j.rule, j.samples, j.at, instance.labels)


def _transition(of: AlertInstance, old: State, new: State, at: Moment, cause: Cause, proof: Hash) -> Transition:
    assert of.episode is not None
    return Transition(of.episode, of.fingerprint, of.rule, of.labels, of.annotations, old, new, at, cause, of.value, proof)
