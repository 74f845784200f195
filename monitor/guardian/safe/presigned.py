"""A pause that a Safe's owners signed in advance, as a part of readiness: one more way to pause, as long as it could still be sent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from monitor.guardian.checks import Check
from monitor.guardian.levers.target import NoGood, ask
from monitor.guardian.safe.decode import examine
from monitor.guardian.safe.document import Document, load
from monitor.guardian.safe.reverts import explain
from monitor.guardian.safe.review import checks, gather
from monitor.guardian.safe.signatures import approved
from monitor.guardian.safe.state import APPROVED, NONCE, OWNERS, THRESHOLD, SafeState
from monitor.model import Call, Read, Reverted, Snapshot, Unanswered
from monitor.protocols.abi import Contract


@dataclass(frozen=True)
class Presigned:
    """One file of a signed transaction. ``name``: of the file, for metrics and messages."""

    name: str
    document: Document

    @classmethod
    def of(cls, path: Path) -> Presigned:
        """Raises BadFile."""
        return cls(path.stem, load(path))

    @property
    def _safe(self) -> Contract:
        return Contract("safe", self.document.transaction.safe)

    @property
    def _simulation(self) -> Read:
        t = self.document.transaction
        return Read(t.to, Call(t.data), caller=t.safe)

    def reads(self) -> list[Read]:
        """What to read at a block."""
        digest = self.document.transaction.hash
        approvals = [self._safe.read(APPROVED, owner, digest) for owner in self.document.prepared.owners]
        return [self._safe.read(OWNERS), self._safe.read(THRESHOLD), self._safe.read(NONCE), self._simulation, *approvals]

    def judge(self, snapshot: Snapshot) -> tuple[Check, ...]:
        """Whether it could be sent at that block, condition by condition. Raises Unanswered for what nobody answered."""
        t = self.document.transaction
        owners, threshold, nonce = (ask(snapshot, self._safe, f) for f in (OWNERS, THRESHOLD, NONCE))
        for answer in (owners, threshold, nonce):
            if isinstance(answer, NoGood):
                return (Check("is_a_safe", False, f"{t.safe} does not answer as a Safe: {answer.reason}"),)
        state = SafeState(t.safe, snapshot.stamp, owners, threshold, nonce, self.document.prepared.version, None, None)
        approvals = [
            approved(o) for o in self.document.prepared.owners if o in owners and ask(snapshot, self._safe, APPROVED, o, t.hash) == 1
        ]
        gathered = gather(self.document, (), approvals, owners)
        reverted = self._reverted(snapshot)
        refused = examine(t, {}).refused
        plain = Check("plain_pause", not refused, "; ".join(f.text for f in refused) or "it pauses and does nothing else")
        return (plain, *checks(self.document, state, gathered, reverted, "" if reverted is None else explain(reverted)))

    def _reverted(self, snapshot: Snapshot) -> bytes | None:
        answer = snapshot.answers.get(self._simulation)
        if isinstance(answer, Reverted):
            return answer.data
        try:
            snapshot.value(self._simulation)
        except Unanswered as missing:
            raise Unanswered(f"simulation of {self.name}", missing.answer) from None
        return None
