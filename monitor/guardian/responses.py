"""From transitions to owed pauses, in the transaction that judges the block: a pause is owed or it is not, never twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from sqlalchemy import select, update
from sqlmodel import col

from monitor.guardian.policy import Agreement, Decision, Policy, decide
from monitor.model import Moment, Transition
from monitor.store import Unit
from monitor.store.columns import canonical, insert
from monitor.store.tables.guardian import PauseRow

log = structlog.get_logger()

STATES = {"pause": "owed", "shadow": "shadow", "propose": "proposed", "refused": "refused"}
UNSIGNED = ("owed", "simulated", "orphaned")
REOPENED = (*UNSIGNED, "refused")


@dataclass(frozen=True, slots=True)
class Responses:
    """What may be done about alerts. ``operators``: configured endpoint to who runs it. ``sentinel``: whether there is a key that can pause."""

    policy: Policy = field(default_factory=Policy)
    operators: Mapping[str, str] = field(default_factory=dict)
    sentinel: bool = False

    def admit(self, unit: Unit, transitions: Iterable[Transition], agreed: Iterable[str], at: Moment, judged_at: float) -> list[Decision]:
        """Decide and record within the judged block's transaction; the decisions are for whoever tells them."""
        agreement = Agreement(self.operators, frozenset(agreed))
        found = [self._able(d) for d in decide(self.policy, transitions, agreement, at)]
        for decision in found:
            record(unit, decision, judged_at)
        return found

    def _able(self, decision: Decision) -> Decision:
        if decision.kind == "pause" and not self.sentinel:
            return replace(decision, kind="refused", note="the service has no key: set guardian.key, or pause by hand")
        return decision


def record(unit: Unit, decision: Decision, judged_at: float) -> None:
    """Write one decision.

    The same episode judged again on another branch takes over the record as long as nothing was signed for it; what was
    signed stays as it is, since it may be mined.
    """
    values = _values(decision, judged_at)
    fresh = unit.conn.execute(insert(unit, PauseRow).values(**values).on_conflict_do_nothing(index_elements=["id"])).rowcount == 1
    if not fresh:
        state = unit.conn.execute(select(col(PauseRow.state)).where(col(PauseRow.id) == decision.id)).scalar_one()
        if state not in REOPENED or (state == "refused" and decision.kind != "pause"):
            return
        unit.conn.execute(update(PauseRow).where(col(PauseRow.id) == decision.id).values(**values, simulated_at=None))
    log.info("guardian.decided", decision=decision.id, kind=decision.kind, target=decision.response.target, response=decision.response.name,
             rule=decision.rule, block=decision.at.number, note=decision.note)  # fmt: skip


def _values(decision: Decision, judged_at: float) -> dict[str, Any]:
    response = decision.response
    return {
        "id": decision.id,
        "state": STATES[decision.kind],
        "target": response.target,
        "response": response.name,
        "mode": response.mode,
        "owner": response.owner,
        "reason": response.reason,
        "episode": decision.episode,
        "rule": decision.rule,
        "labels": canonical(dict(decision.labels)),
        "evidence": decision.evidence,
        "agreed": canonical(list(decision.agreed)),
        "observed_number": decision.at.number,
        "observed_hash": decision.at.hash,
        "observed_timestamp": decision.at.timestamp,
        "decided_at": judged_at,
        "note": decision.note or None,
    }
