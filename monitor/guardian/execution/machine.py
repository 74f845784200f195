"""The way of a pause: decided → signed → gathered → simulated → sent → replaced → mined → verified → reported; and orphaned.

Each step is committed before the next is made, signed bytes before they are sent, and each begins by asking the chain. So after a crash at any
instruction the same step is made again: the same bytes are sent, or it is found that somebody has sent them. Exactly one pause comes of it, because an
order can pause once (the contract raises the target's epoch), because all transactions of one pause and sender share a nonce as long as one of them may be
mined, and because no second pause of a target is begun while one is on its way.

A reorganisation that takes back the pause makes it ``orphaned``: when the observed block is still there, the same transactions go out again; else the
decision has to hold on the new branch, be signed there, and takes over the nonce.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from monitor.chain.settings import EndpointSettings
from monitor.guardian.execution import attest, ledger, proving, sending
from monitor.guardian.execution.chain import Chain, Head, WrongContract
from monitor.guardian.execution.evidence import Report
from monitor.guardian.execution.ledger import Pause
from monitor.guardian.execution.room import NoTarget, Room
from monitor.guardian.execution.start import KeyRefused, WrongChain, check_start
from monitor.guardian.keys import Key
from monitor.guardian.node import Nodes, NoMajority
from monitor.guardian.sentinels.peers import Peers
from monitor.guardian.settings import GuardianSettings
from monitor.store import Lease, LeaseLost, Store, Unit

log = structlog.get_logger()
MAX_STEPS = 12
"""Steps of one pause in one look: a way that goes round in circles must not hold up the others."""


class Executor:
    """Signs, gathers, submits and proves. One for a network; ``lease`` gives the lease that fences every write."""

    def __init__(
        self,
        settings: GuardianSettings,
        chain_id: int,
        endpoints: Sequence[EndpointSettings],
        store: Store,
        sentinel: Key | None,
        senders: Sequence[Key],
        lease: Callable[[], Lease | None] = lambda: None,
        tell: Callable[[Unit, Report], None] = lambda unit, report: None,
    ) -> None:
        self.settings, self.store = settings, store
        seconds = settings.request_seconds
        private, open_to_all = ([s for s in settings.submission if s.private is quiet] for quiet in (True, False))
        self._nodes = Nodes(endpoints, seconds)
        self._public = Nodes([*endpoints, *open_to_all], seconds) if open_to_all else self._nodes
        self._private = Nodes(private, seconds) if private else None
        self.peers = Peers(settings.peers, chain_id, settings.where)
        chain = Chain(self._nodes, settings.where)
        self.room = Room(
            settings, chain_id, chain, self._public, self._private, store, sentinel, tuple(senders), self.peers, lease, tell
        )  # fmt: skip
        self._cleared = False
        self._wake = asyncio.Event()

    async def check_start(self) -> None:
        """See that chain, contract and keys are right. Raises WrongChain, KeyRefused, and NoMajority when nobody can tell."""
        await check_start(self.room)
        self._cleared = True

    async def run(self) -> None:
        """Work until cancelled. Raises KeyRefused, WrongChain and LeaseLost; what an endpoint or a peer does never ends it."""
        while True:
            try:
                if not self._cleared:
                    await self.check_start()
                await self.advance_once()
            except NoMajority as missing:
                log.warning("guardian.endpoints_silent", reason=str(missing))
            except (KeyRefused, WrongChain, LeaseLost):
                raise
            except Exception:
                log.exception("guardian.step_failed")
            try:
                async with asyncio.timeout(self.settings.poll_seconds):
                    await self._wake.wait()
            except TimeoutError:
                continue
            self._wake.clear()

    def wake(self) -> None:
        """Something may be owed: do not wait for the next look."""
        self._wake.set()

    async def close(self) -> None:
        await self.peers.close()
        await asyncio.gather(*(nodes.close() for nodes in {self._nodes, self._public, self._private} if nodes is not None))

    async def advance_once(self) -> bool:
        """Take every open pause as far as it goes at the newest block; True if any moved. Raises NoMajority, LeaseLost."""
        found = await self.store.look(ledger.open_pauses)
        if not found:
            return False
        if not self._cleared:
            await self.check_start()
        head = await self.room.chain.head()
        moved = False
        for pause in found:
            moved |= await self._as_far_as_it_goes(pause, head)
        return moved

    async def _as_far_as_it_goes(self, pause: Pause, head: Head) -> bool:
        began = pause.state
        for _ in range(MAX_STEPS):
            before = pause.state
            try:
                await self._step(pause, head)
            except (NoMajority, WrongContract) as missing:
                await self.room.say(pause, str(missing))
                break
            except NoTarget as gone:
                await self.room.move(pause, "failed", note=str(gone))
            except LeaseLost:
                raise
            except Exception as wrong:  # whatever is wrong with this pause must not hold up the others
                log.exception("guardian.step_failed", decision=pause.id, state=pause.state)
                await self.room.say(
                    pause, f"this step fails by a mistake of the program ({type(wrong).__name__}): see guardian.step_failed in the log"
                )
                break
            pause = await self.room.again(pause)
            # What died in a block after this head is not tried again at this head.
            died = before in ledger.IN_POOL and pause.state == "gathered"
            if pause.state == before or pause.state in ledger.FINAL or died:
                break
        await self._page(pause.id, head)
        return pause.state != began

    async def _step(self, pause: Pause, head: Head) -> None:
        room, state = self.room, pause.state
        if state == "mined":
            await proving.verify(room, pause, head)
        elif state == "verified":
            await proving.report(room, pause)
        elif state in ("reported", "refused"):
            await proving.settle(room, pause, head)
        else:
            # As long as nothing is mined, every new judged block at which the decision holds is signed: the order that is chosen may die.
            if await attest.sign_newest(room, pause, head):
                pause = await room.again(pause)
                if pause.state != state:
                    return
            await self._on_the_way(pause, head)

    async def _page(self, id: str, head: Head) -> None:
        """People are told when a decision has held for some blocks and nothing was mined: too few signatures, no money, no signer, a fee jam, no answers."""
        pause = await self.store.look(lambda unit: ledger.pause(unit, id))
        if not pause.row.standing or pause.state not in (*ledger.UNSENT, *ledger.IN_POOL, "orphaned"):
            return
        sent = pause.alive if pause.state in ledger.IN_POOL else ()
        # What was sent before, and is not on its way now, begins anew: where it died, or where the block that paused was reorganised away.
        begun = min(t.head for t in sent) if sent else max([pause.row.observed_number, *(t.head for t in pause.transactions)])
        waited = head.number - begun
        if waited >= self.settings.stuck_blocks:
            words = [*(["the transaction was not mined"] if sent else []), *([pause.row.note] if pause.row.note else [])]
            await self.room.page(pause, f"{': '.join(words) or 'nothing was sent'} ({waited} blocks)")

    async def _on_the_way(self, pause: Pause, head: Head) -> None:
        room = self.room
        kept = pause.state == "simulated" and any(t.order == pause.row.order for t in pause.alive)
        if await self._ended(pause, head):
            return
        if pause.state in ledger.IN_POOL or kept:
            if pause.alive:
                await sending.watch(room, pause, head)
            else:
                await room.move(pause, "gathered", note=pause.row.note)
        elif pause.state == "orphaned":
            await self._resume(pause, head)
        elif pause.state == "signed":
            await self._gather(pause, head)
        elif pause.state in ("gathered", "simulated"):
            await sending.prepare(room, pause, head)

    async def _gather(self, pause: Pause, head: Head) -> None:
        room = self.room
        if await sending.find_fate(room, pause, head):
            return
        found = await attest.gather(room, pause, head)
        if found is not None:
            await attest.choose(room, pause, found[0])
        elif await room.chain.is_paused(room.target(pause), {"blockHash": head.hash}):
            # Others were quicker, by an order of a block that we did not sign: nobody will sign another one.
            await sending.needless(room, pause, head)

    async def _resume(self, pause: Pause, head: Head) -> None:
        """The pause was reorganised away: found again in another block, sent again, or waiting for a signature on the new branch."""
        room = self.room
        if await sending.find_fate(room, pause, head) or pause.chosen is None or not pause.alive or not room.holds(pause, head):
            return
        if await sending.still_good(room, pause, head) is not None:
            await sending.send(room, pause, pause.alive[-1], head)

    async def _ended(self, pause: Pause, head: Head) -> bool:
        """Withdraw what does not hold any more, when no order that was signed for it lives: nobody could submit one.

        What waits in the pool with a dead order is given up too: it may have been dropped, and nothing else would ever end it.
        """
        if self.room.holds(pause, head) or not pause.sightings:
            return False
        age = head.number - max(s.number for s in pause.sightings)
        if age <= self.settings.max_age_blocks or await self.room.carriable(pause, await self.room.chain.powers(head.hash), head):
            return False
        if await sending.find_fate(self.room, pause, head):
            return True
        why = f"; last obstacle: {pause.row.note}" if pause.row.note else ""
        await self.room.move(pause, "withdrawn", note=f"the decision held last {age} blocks ago, and no pause was made{why}")
        return True
