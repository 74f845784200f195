"""What all steps of the machine share: settings, chain, store, keys, and the few ways to write."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from monitor.guardian import contract as guardian
from monitor.guardian.deciding import MAX_BEHIND
from monitor.guardian.execution import ledger
from monitor.guardian.execution.chain import Chain, Head, Powers
from monitor.guardian.execution.evidence import Report
from monitor.guardian.execution.ledger import Pause, Sighting
from monitor.guardian.keys import Key
from monitor.guardian.node import Nodes
from monitor.guardian.sentinels.gather import Gathered, gathered
from monitor.guardian.sentinels.peers import Peers
from monitor.guardian.settings import GuardianSettings
from monitor.model import Address, Hash
from monitor.store import Lease, Store, Unit

log = structlog.get_logger()
T = TypeVar("T")
NEWEST = 8
"""Orders of one pause that are looked at: a newer one comes with each block, and a peer must not make us recover hundreds of signers."""


class NoTarget(Exception):
    """The settings do not name the pause's target any more."""


@dataclass
class Room:
    """One guardian of one network. ``tell`` is called in the transaction that reports a pause: what it writes happens once, with the report."""

    settings: GuardianSettings
    chain_id: int
    chain: Chain
    public: Nodes
    """Endpoints that take transactions for all to see."""
    private: Nodes | None
    store: Store
    sentinel: Key | None
    senders: Sequence[Key]
    peers: Peers
    lease: Callable[[], Lease | None] = lambda: None
    tell: Callable[[Unit, Report], None] = lambda unit, report: None
    _canonical: dict[tuple[int, Hash], bool] = field(default_factory=dict)
    _at: Hash | None = None

    @property
    def where(self) -> Address:
        return self.settings.where

    def target(self, pause: Pause) -> Address:
        """The address of the pause's target. Raises NoTarget."""
        try:
            return self.settings.target(pause.row.target).where
        except KeyError:
            raise NoTarget(f"no target is named {pause.row.target} in the settings any more") from None

    # ------------------------------------------------------------ reading

    async def again(self, pause: Pause) -> Pause:
        return await self.store.look(lambda unit: ledger.pause(unit, pause.id))

    def holds(self, pause: Pause, head: Head) -> bool:
        """Whether the decision holds at our own head: at the newest judged block, and that is not history, as when judging has stopped."""
        return bool(pause.row.standing and pause.sightings) and head.number - pause.sightings[-1].number <= MAX_BEHIND

    async def on_chain(self, sighting: Sighting, head: Head) -> bool:
        """Whether the chain whose head this is has the observed block. False too while the endpoints are behind it."""
        if head.hash != self._at:
            self._at = head.hash
            self._canonical.clear()
        key = sighting.number, sighting.hash
        if key not in self._canonical:
            self._canonical[key] = sighting.number <= head.number and await self.chain.hash_at(sighting.number) == sighting.hash
        return self._canonical[key]

    async def carriable(self, pause: Pause, powers: Powers, head: Head) -> list[Sighting]:
        """Our orders for this pause that the contract could still take at the next block, the newest first."""
        target = self.target(pause)
        young = [s for s in reversed(pause.signed) if head.number + 1 - s.number <= powers.order_age][:NEWEST]
        if not young:
            return []
        epoch = (await self.chain.registered(target, head.hash)).epoch
        return [s for s in young if s.row.epoch == epoch and await self.on_chain(s, head)]

    async def gathered(self, sightings: Sequence[Sighting], powers: Powers, head: Head) -> Gathered | None:
        """The first of these orders that enough live sentinels signed, as far as we know their signatures."""
        digests = [s.digest for s in sightings if s.digest is not None]
        signed = await self.store.look(lambda unit: ledger.signatures(unit, digests))
        if self.sentinel is not None:
            for sighting in sightings:
                signed.setdefault(sighting.digest or "", {})[self.sentinel.address] = sighting.signature
        return gathered(digests, signed, powers.sentinels, powers.threshold, head.timestamp)

    # ------------------------------------------------------------ writing

    async def write(self, work: Callable[[Unit], T]) -> T:
        return await self.store.run(work, self.lease())

    async def move(self, pause: Pause, state: str, **values: Any) -> None:
        """Commit the next state; a final one is told loudly."""
        await self.write(lambda unit: ledger.move(unit, pause.id, state, **values))
        tell = log.error if state in ("failed", "orphaned") else log.info
        tell("guardian.moved", decision=pause.id, target=pause.row.target, state=state, reason=values.get("note"))

    async def say(self, pause: Pause, why: str) -> None:
        """Why the pause waits; written when it changes."""
        if pause.row.note != why:
            log.warning("guardian.waiting", decision=pause.id, target=pause.row.target, state=pause.state, reason=why)
            await self.write(lambda unit: ledger.note(unit, pause.id, why))

    async def page(self, pause: Pause, why: str) -> None:
        """Once: people should pause by hand now. The machine goes on."""
        if pause.row.paged_at is None:
            text = f"{why}; pause by hand: a guardian sends to {self.where} the call pauseTarget({self.target(pause)}), data {self.by_hand(pause)}"
            log.error("guardian.stuck", decision=pause.id, target=pause.row.target, reason=text)
            await self.write(lambda unit: ledger.note(unit, pause.id, text, paged_at=time.time()))

    def by_hand(self, pause: Pause) -> str:
        """The call that people send from a Safe with GUARDIAN_ROLE, as 0x hex."""
        return "0x" + guardian.PAUSE_TARGET.call(self.target(pause)).data.hex()
