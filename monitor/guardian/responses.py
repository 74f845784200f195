"""From a judged block to owed pauses, in the transaction that judges it: a pause is owed or it is not, never twice."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from sqlalchemy import select, update
from sqlmodel import col

from monitor.catalogue import SHIPPED, Catalogue
from monitor.guardian.causes import Causes
from monitor.guardian.deciding import Candidate, Ground, Seen, candidates, decide, reach_of
from monitor.guardian.decision import Decision
from monitor.guardian.execution import ledger
from monitor.guardian.policy import Policy
from monitor.model import BlockStamp, Moment
from monitor.promql import spans
from monitor.rules.files import RuleSet
from monitor.rules.instances import Instances
from monitor.store import Unit
from monitor.store.columns import canonical, insert
from monitor.store.tables.decisions import DecisionRow, PolicyRow
from monitor.store.tables.guardian import PauseRow

log = structlog.get_logger()

STATES = {"shadow": "shadow", "propose": "proposed", "refused": "refused"}
SETTLED = ("failed", "shadow", "shadowed")
UNDECIDED = ("refused", "proposed", "withdrawn")
"""States in which a pause may still be owed when all conditions come to hold."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of an earlier decision of the same episode about the same target."""

    state: str
    standing: bool | None
    """None: it was never owed."""

    @property
    def is_settled(self) -> bool:
        """Whether nothing can change any more: the episode had its answer, from the chain or from people."""
        return self.state in SETTLED or (self.state == "refused" and self.standing is not None)

    def is_open_to(self, kind: str) -> bool:
        """Whether a decision of this kind takes its place. What is on its way goes on, on whichever branch it holds."""
        if self.is_settled:
            return False
        return self.state in UNDECIDED if kind == "pause" else kind in ("propose", "shadow") and self.state == "refused"


@dataclass(frozen=True, slots=True)
class Responses:
    """What may be done about alerts. ``operators``: configured endpoint to who runs it. ``sentinel``: whether there is a key that signs orders."""

    policy: Policy = field(default_factory=Policy)
    operators: Mapping[str, str] = field(default_factory=dict)
    sentinel: bool = False
    ground: Ground = field(default_factory=Ground)
    causes: Causes = field(default_factory=Causes)
    _kept_under: set[int] = field(default_factory=set, init=False, repr=False, compare=False)
    """Epochs of the leases under which the policy is known to be committed."""

    def keep_seconds(self, rules: RuleSet) -> dict[str, int]:
        """How far back both conditions look, by family, with the time for which they must hold: a window that keeps less would never pause."""
        found: dict[str, int] = {}
        shipped = Catalogue(SHIPPED)
        for response in self.policy.responses:
            if response.second is None:
                continue
            for rule in (r for r in rules.alerts if r.name == response.alert):
                reach = reach_of(shipped, rule, response)
                for asked, seconds in (*spans(rule.expr), *spans(response.second.expr)):
                    family = asked.selector.family
                    found[family] = max(found.get(family, 0), seconds + reach)
        return found

    def firing(self, live: Instances) -> list[Candidate]:
        """Alerts that fire now and may lead to something."""
        return candidates(self.policy, live)

    def decide(self, seen: Seen, wanted: Sequence[Candidate], kept: Mapping[str, Kept]) -> list[Decision]:
        """What is decided at this block, also about what is on its way already: that it still holds. What is settled is not looked at again."""
        due = [c for c in wanted if c.id not in kept or not kept[c.id].is_settled]
        return [self._able(d) for d in decide(self.policy, self.ground, seen, due)]

    def admit(self, unit: Unit, decisions: Sequence[Decision], at: Moment, judged_at: float) -> None:
        """Record, within the judged block's transaction, what is decided newly, and which policy is in force when that is another one.

        Which pauses still stand at this block is noted too; at a tick nothing was seen.
        """
        self._keep_policy(unit, at)
        for decision in fresh(unit, decisions):
            record(unit, decision, judged_at)
        if isinstance(at, BlockStamp):
            ledger.observe(unit, at, {d.id: d.document for d in decisions if d.kind == "pause"}, judged_at)

    def _keep_policy(self, unit: Unit, at: Moment) -> None:
        """Looked up once a lease: as long as it is held, nobody else writes which policy is in force."""
        epoch = None if unit.lease is None else unit.lease.epoch
        if epoch is not None and epoch in self._kept_under:
            return
        keep_policy(unit, self.policy, at)
        if epoch is not None:
            unit.on_commit(lambda: self._kept_under.add(epoch))

    def _able(self, decision: Decision) -> Decision:
        if decision.kind == "pause" and not self.sentinel:
            return replace(
                decision, kind="refused", note="the service has no key that signs orders: set guardian.sentinel, or pause by hand"
            )
        return decision


def kept(unit: Unit, ids: Collection[str]) -> dict[str, Kept]:
    """Earlier decisions by id."""
    columns = (col(PauseRow.id), col(PauseRow.state), col(PauseRow.standing))
    found = unit.conn.execute(select(*columns).where(col(PauseRow.id).in_(list(ids)))).all()
    return {row.id: Kept(row.state, row.standing) for row in found}


def fresh(unit: Unit, decisions: Sequence[Decision]) -> list[Decision]:
    """Those that are recorded: new ones, and what takes an earlier one's place."""
    before = kept(unit, [d.id for d in decisions]) if decisions else {}
    return [d for d in decisions if d.id not in before or before[d.id].is_open_to(d.kind)]


def record(unit: Unit, decision: Decision, judged_at: float) -> None:
    """Write one decision, in place of an earlier one of the same episode, and its document."""
    values = _values(decision, judged_at)
    if decision.kind == "pause":
        ledger.decide(unit, values)
    else:
        values["state"] = STATES[decision.kind]
        new = insert(unit, PauseRow).values(**values).on_conflict_do_nothing(index_elements=["id"]).returning(col(PauseRow.id))
        if unit.conn.execute(new).first() is None:
            unit.conn.execute(update(PauseRow).where(col(PauseRow.id) == decision.id).values(**values))
    if decision.document:
        row = {"digest": values["evidence"], "pause": decision.id, "document": decision.document.decode()}
        unit.conn.execute(insert(unit, DecisionRow).values(**row).on_conflict_do_nothing(index_elements=["digest"]))
    log.info("guardian.decided", decision=decision.id, kind=decision.kind, target=decision.target, response=decision.response.name,
             rule=decision.rule, block=decision.at.number, note=decision.note)  # fmt: skip


def keep_policy(unit: Unit, policy: Policy, at: Moment) -> None:
    """Remember from which moment on a policy was in force: a shadow report covers the time since then."""
    newest = select(col(PolicyRow.hash)).order_by(col(PolicyRow.seq).desc()).limit(1)
    if policy.text and unit.conn.execute(newest).scalar_one_or_none() != policy.hash:
        unit.conn.execute(insert(unit, PolicyRow).values(hash=policy.hash, text=policy.text, since_timestamp=at.timestamp))


def _values(decision: Decision, judged_at: float) -> dict[str, Any]:
    response = decision.response
    return {
        "id": decision.id,
        "target": response.target,
        "response": response.name,
        "mode": response.mode,
        "owner": response.owner,
        "reason": response.reason,
        "episode": decision.episode,
        "rule": decision.rule,
        "labels": canonical(dict(decision.labels)),
        "evidence": "0x" + decision.digest.hex() if decision.document else decision.evidence,
        "agreed": canonical(list(decision.agreed)),
        "observed_number": decision.at.number,
        "observed_hash": decision.at.hash,
        "observed_timestamp": decision.at.timestamp,
        "decided_at": judged_at,
        "note": decision.note or None,
    }
