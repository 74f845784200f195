"""A pause that a Safe's owners signed in advance, as a part of readiness: one more way to pause, as long as it could still be sent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from monitor.guardian.checks import Check
from monitor.guardian.levers.target import NoGood, ask
from monitor.guardian.safe.batch import CANONICAL, is_batch, same_code
from monitor.guardian.safe.contracts import claims, confirmed, question
from monitor.guardian.safe.decode import examine
from monitor.guardian.safe.document import Document, load
from monitor.guardian.safe.review import checks, gather
from monitor.guardian.safe.signatures import approved
from monitor.guardian.safe.simulation import simulated, simulation
from monitor.guardian.safe.state import APPROVED, NONCE, OWNERS, THRESHOLD, SafeState
from monitor.model import Address, Code, Read, Snapshot, Unanswered
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
    def _simulation(self) -> Read | None:
        return simulation(self.document.transaction, CANONICAL)

    @property
    def _claims(self) -> list[tuple[Address, bytes]]:
        return claims(self.document, ())

    @property
    def _questions(self) -> list[Read | None]:
        """What owners that are contracts are asked about their signatures."""
        return [question(self.document.transaction, self.document.prepared.version, owner, raw) for owner, raw in self._claims]

    @property
    def _code(self) -> Read | None:
        """The code of the contract that makes several calls, if there are several."""
        t = self.document.transaction
        return Read(t.to, Code()) if is_batch(t, CANONICAL) else None

    def reads(self) -> list[Read]:
        """What to read at a block."""
        digest = self.document.transaction.hash
        approvals = [self._safe.read(APPROVED, owner, digest) for owner in self.document.prepared.owners]
        more = [read for read in (self._simulation, self._code, *self._questions) if read is not None]
        return [self._safe.read(OWNERS), self._safe.read(THRESHOLD), self._safe.read(NONCE), *more, *approvals]

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
        contracts = confirmed(t, state.version, self._claims, snapshot)
        gathered = gather(self.document, (), approvals, owners, contracts)
        refused = [f.text for f in examine(t, {}).refused]
        if self._code is not None and (why := same_code(t.to, snapshot.value(self._code), CANONICAL)) is not None:
            refused.append(why)
        plain = Check("plain_pause", not refused, "; ".join(refused) or "it pauses and does nothing else")
        try:
            return (plain, *checks(self.document, state, gathered), simulated(self._simulation, snapshot))
        except Unanswered as missing:
            raise Unanswered(f"simulation of {self.name}", missing.answer) from None
