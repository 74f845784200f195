"""Whether the cause of a target's pause still holds: counted from the alerts that fire, and honest where that cannot be told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlmodel import col

from monitor.guardian.execution.ledger import DONE
from monitor.guardian.policy.model import CRITICAL, Policy
from monitor.model import RuleId, Verdict
from monitor.promql import selectors
from monitor.rules.files import Rule, RuleSet
from monitor.rules.instances import Instances, Live
from monitor.store import Unit
from monitor.store.tables.guardian import PauseRow

Cause = tuple[str, str, str]
"""Target, ``decision`` or ``protocol``, ``firing`` or ``unknown``: the labels of ``guardian_pause_cause``."""
SAY_PAUSED = frozenset({"contract_paused", "contract_resume_timestamp_seconds", "contract_pause_change", "guardian_target_paused"})
"""Families that tell of pauses: an alert over them about the target itself follows from its pause."""
STATES = ("firing", "unknown")
State = tuple[str, int | None]
"""One of ``STATES``, and since when the alert is true (block time); None where there is no alert, since nobody can judge whether there should be."""


@dataclass
class Counted:
    """``alerts``: how many; ``since``: by target and cause, since when there is any (block time), where an alert tells."""

    alerts: dict[Cause, int] = field(default_factory=dict)
    since: dict[tuple[str, str], int] = field(default_factory=dict)

    def add(self, target: str, cause: str, seen: Sequence[State]) -> None:
        """Count the alerts of one cause."""
        states = [state for state, _ in seen]
        self.alerts |= {(target, cause, state): states.count(state) for state in STATES}
        if begun := [since for _, since in seen if since is not None]:
            self.since[target, cause] = min(begun)

    def held(self, before: Mapping[tuple[str, str], int], now: int) -> dict[tuple[str, str], int]:
        """Since when each cause has held without a break. ``before``: the same, as it was said at the moment before."""
        there = {(target, cause) for (target, cause, _), number in self.alerts.items() if number}
        return {key: min(before.get(key, now), self.since.get(key, now)) for key in sorted(there)}


@dataclass(frozen=True, slots=True)
class Causes:
    """Which alerts may be why a target was paused. ``targets``: the protocol of each, and the contract's name there; both may be empty."""

    policy: Policy = field(default_factory=Policy)
    targets: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def counted(self, live: Instances, rules: RuleSet, verdicts: Mapping[str, Verdict], decided: Mapping[str, RuleId]) -> Counted:
        """How many alerts there are of each kind; 0 is said too. ``verdicts``: the newest of each rule; ``decided``: see below."""
        found = Counted()
        alerts = rules.alerts
        for target, (protocol, contract) in self.targets.items():
            tied = {rule.id: rule for rule in alerts if decided.get(target) == rule.id or self._names(target, rule)}
            seen = list(self._of_decision(target, live, tied, verdicts))
            if target in decided and decided[target] not in tied:
                seen.append(("unknown", None))  # nobody judges the rule any more
            found.add(target, "decision", seen)
            if protocol:
                found.add(target, "protocol", [_state(one) for one in _about(protocol, live) if not _follows(one, contract, alerts)])
        return found

    def _of_decision(self, target: str, live: Instances, tied: Mapping[RuleId, Rule], verdicts: Mapping[str, Verdict]) -> Iterable[State]:
        for id, rule in tied.items():
            mine = [one for one in live.by_rule.get(id, ()) if one.instance.state == "firing"]
            ours = [one for one in mine if one.no_data or self._led(target, one, rule)]
            yield from (_state(one) for one in ours)
            verdict = verdicts.get(id)
            if not ours and verdict is not None and verdict.outcome == "unknown":
                yield "unknown", None

    def _names(self, target: str, rule: Rule) -> bool:
        return any(r.target == target and r.alert == rule.name for r in self.policy.responses)

    def _led(self, target: str, one: Live, rule: Rule) -> bool:
        """Whether this alert leads to the target; every alert of a rule that no response names any more does."""
        if not self._names(target, rule):
            return True
        return any(r.target == target for r in self.policy.first_per_target(one.instance.labels))


def decided(unit: Unit) -> dict[str, RuleId]:
    """The rule behind the newest pause that the service made of each target."""
    columns = (col(PauseRow.target), col(PauseRow.rule))
    done = select(*columns).where(col(PauseRow.state).in_(DONE)).order_by(col(PauseRow.observed_timestamp), col(PauseRow.decided_at))
    return {row.target: RuleId(row.rule) for row in unit.conn.execute(done).all()}


def _about(protocol: str, live: Instances) -> Iterable[Live]:
    """Alerts that fire about a protocol, and for which a person is woken."""
    for one in live.live:
        labels = dict(one.instance.labels)
        if one.instance.state == "firing" and labels.get("severity") in CRITICAL and labels.get("protocol") == protocol:
            yield one


def _follows(one: Live, contract: str, alerts: Iterable[Rule]) -> bool:
    """Whether an alert follows from the pause: it says that this very contract is paused."""
    if dict(one.instance.labels).get("contract", contract) != contract:
        return False
    rule = next((r for r in alerts if r.id == one.instance.rule), None)
    return rule is not None and bool({s.selector.family for s in selectors(rule.expr)} & SAY_PAUSED)


def _state(one: Live) -> State:
    return "unknown" if one.no_data or one.seen == "unknown" else "firing", one.instance.since.timestamp
