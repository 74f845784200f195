"""The execution chain as the service sees it: heads that a majority knows, reads that a majority answers alike."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Literal

import structlog

from monitor.chain import reading
from monitor.chain.endpoint import LATEST, Endpoint, EndpointHealth, by_hash, by_number
from monitor.chain.errors import EndpointError, NoAgreement
from monitor.chain.feed import HeadFeed
from monitor.chain.heads import Block, HeadEvent, Lost, Need, Quiet, Rewind, Tracker
from monitor.chain.quorum import majority
from monitor.chain.round import Round
from monitor.chain.rpc import Ask
from monitor.chain.settings import NetworkSettings
from monitor.model import Address, BlockStamp, Hash, Read, Snapshot

log = structlog.get_logger()


class Execution:
    """All endpoints of one network. ``start`` before use, ``close`` at the end."""

    def __init__(self, settings: NetworkSettings) -> None:
        self.settings = settings
        self._endpoints = tuple(Endpoint(e, settings) for e in settings.execution)
        self._by_name = {e.name: e for e in self._endpoints}
        self._tasks: set[asyncio.Task[None]] = set()
        self._tracker: Tracker | None = None
        self._events: deque[HeadEvent] = deque()
        self._wake = asyncio.Event()
        self._progress_at = 0.0
        self._tip: BlockStamp | None = None
        self._recent: dict[int, BlockStamp] = {}
        self._round: Round | None = None
        self._ratio: float | None = None

    async def start(self) -> None:
        """Begin to listen to the heads of every endpoint; never fails for an endpoint that does not answer."""
        for warning in self.settings.warnings():
            log.warning("execution.settings", warning=warning)
        for endpoint in self._endpoints:
            endpoint.heard = self._heard
            self._spawn(self._feed(endpoint))

    async def close(self) -> None:
        """Stop all that runs."""
        if self._round is not None:
            await self._round.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for endpoint in self._endpoints:
            await endpoint.rpc.close()

    def _spawn(self, work: object) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("execution.task_died", error=repr(error), exc_info=error)

    async def _feed(self, endpoint: Endpoint) -> None:
        """A mistake of ours in the feed of one endpoint must not make it mute for good."""
        while True:
            try:
                await HeadFeed(endpoint).run()
            except Exception as error:
                log.error("endpoint.feed_died", endpoint=endpoint.name, exc_info=error)
            await asyncio.sleep(1)

    # ---- heads

    async def follow(self, recent: Sequence[BlockStamp]) -> AsyncIterator[HeadEvent]:
        """What happens to the chain, in order, from the last of ``recent`` (judged blocks, oldest first; the last 64 count).

        With no recent blocks it begins at the current agreed head. Ends after ``Lost``. One at a time.
        """
        tracker = self._tracker = Tracker([e.name for e in self._endpoints], recent, self.settings.history_blocks)
        self._events.clear()
        self._recent = {s.number: s for s in recent}
        self._tip = tracker.tip
        self._progress_at = time.monotonic()
        for endpoint in self._endpoints:
            if endpoint.head is not None and endpoint.rpc.refused is None:
                tracker.announce(endpoint.name, endpoint.head, time.time())
        self._push()
        again = asyncio.create_task(self._ask_again())
        quiet = _Quiet(self.settings)
        try:
            while True:
                while self._events:
                    event = self._events.popleft()
                    yield event
                    if isinstance(event, Lost):
                        return
                self._wake.clear()
                try:
                    async with asyncio.timeout(quiet.wait(self._progress_at)):
                        await self._wake.wait()
                except TimeoutError:
                    yield quiet.say(self._progress_at, self._tip)
        finally:
            again.cancel()
            if self._tracker is tracker:
                self._tracker = None

    def _heard(self, name: str, stamp: BlockStamp, at: float) -> None:
        if self._tracker is not None:
            self._tracker.announce(name, stamp, at)
            self._push()

    def _push(self) -> None:
        """Take what is agreed now, and ask for what is missing."""
        tracker = self._tracker
        if tracker is None:
            return
        for event in tracker.advance(time.time()):
            if isinstance(event, Block):
                self._agreed(event.stamp)
                self._events.append(event)
            elif isinstance(event, Rewind):
                self._rewound(event)
            else:
                self._events.append(event)
        if self._events:
            self._wake.set()
        for need in tracker.needs():
            self._spawn(self._fill(tracker, need))

    def _agreed(self, stamp: BlockStamp) -> None:
        self._tip, self._progress_at = stamp, time.monotonic()
        self._recent = {n: s for n, s in self._recent.items() if stamp.number - 512 < n < stamp.number} | {stamp.number: stamp}
        for endpoint in self._endpoints:
            endpoint.new_block()

    def _rewound(self, event: Rewind) -> None:
        """Blocks that nobody has seen yet are dropped without a word, and reads at a block that is gone end at once."""
        events, to = self._events, event.to
        while events and isinstance(events[-1], Block) and events[-1].stamp.number > to.number:
            events.pop()
        while events and isinstance(events[-1], Rewind) and events[-1].to.number >= to.number:
            events.pop()
        if not (events and isinstance(events[-1], Block) and events[-1].stamp == to):
            events.append(event)
        self._recent = {n: s for n, s in self._recent.items() if n <= to.number}
        if self._round is not None and self._round.stamp.number > to.number:
            self._round.give_up("the block is no longer on the chain")

    async def _fill(self, tracker: Tracker, need: Need) -> None:
        endpoint = self._by_name[need.endpoint]
        try:
            stamps = await endpoint.blocks([by_number(n) for n in range(need.first, need.last + 1)])
        except EndpointError as error:
            log.info("endpoint.headers_failed", endpoint=need.endpoint, first=need.first, last=need.last, reason=error.reason)
            return
        asked = range(need.first, need.last + 1)
        tracker.tell(need.endpoint, [s for s, number in zip(stamps, asked, strict=True) if s is not None and s.number == number])
        if tracker is self._tracker:
            self._push()

    async def _ask_again(self) -> None:
        while True:
            await asyncio.sleep(max(self.settings.block_seconds, 0.5))
            if self._tracker is not None:
                self._tracker.retry()
                self._push()

    @property
    def tip(self) -> BlockStamp | None:
        """The last agreed head."""
        return self._tip

    @property
    def waiting(self) -> int:
        """Agreed heads that ``follow`` has not yielded yet."""
        return sum(isinstance(event, Block) for event in self._events)

    # ---- reads

    async def read(self, stamp: BlockStamp, reads: Sequence[Read], watch: frozenset[Address], since: int) -> Snapshot:
        """All reads at ``stamp``, and the watched contracts' logs of the blocks after ``since`` up to it. Never raises for endpoints."""
        if self._round is not None:
            await self._round.close()
            self._ratio = self._ratio if self._round.cut_short else self._ratio_of(self._round)
        plan = reading.plan(self.settings, stamp, reads, watch)
        known = {n: s for n, s in self._recent.items() if n < stamp.number}
        self._round = Round(self._endpoints, plan, since, known)
        return await self._round.snapshot()

    async def read_aside(self, stamp: BlockStamp, reads: Sequence[Read]) -> Snapshot:
        """Reads beside those of the blocks: the same vote, but slower endpoints are not waited for, and nobody's health hangs on it."""
        aside = Round(self._endpoints, reading.plan(self.settings, stamp, reads, frozenset()), stamp.number, {}, aside=True)
        try:
            return await aside.snapshot()
        finally:
            await aside.close()

    async def behind(self, blocks: int) -> BlockStamp | None:
        """The agreed block so many blocks behind the head, or the first there is; None when it cannot be known now."""
        if self._tip is None:
            return None
        number = max(0, self._tip.number - blocks)
        if number in self._recent:
            return self._recent[number]
        try:
            return await self.stamp(number)
        except NoAgreement as error:
            log.info("execution.no_block_behind", block=number, reason=str(error))
            return None

    async def stamp(self, what: int | Hash | Literal["latest"]) -> BlockStamp:
        """The block of this number or hash, or the highest that a majority has reached. Raises NoAgreement."""
        if what == "latest":
            heads = sorted((s.number for s in (await self._headers(LATEST)).values() if s is not None), reverse=True)
            if len(heads) < majority(len(self._endpoints)):
                raise NoAgreement(f"latest block: {len(heads)} of {len(self._endpoints)} endpoints answered")
            what = heads[majority(len(self._endpoints)) - 1]
        tracker = Tracker([e.name for e in self._endpoints], (), 1)
        found = await self._headers(by_number(what) if isinstance(what, int) else by_hash(what))
        for name, stamp in found.items():
            if stamp is not None and what in (stamp.number, stamp.hash):
                tracker.announce(name, stamp, 0.0)
        agreed = [e.stamp for e in tracker.advance(0.0) if isinstance(e, Block)]
        if not agreed:
            known = sum(stamp is not None for stamp in found.values())
            raise NoAgreement(f"block {what}: no majority of {len(self._endpoints)} endpoints agrees on it ({known} know it)")
        return agreed[0]

    async def _headers(self, ask: Ask) -> dict[str, BlockStamp | None]:
        async def one(endpoint: Endpoint) -> BlockStamp | None:
            try:
                return (await endpoint.blocks((ask,)))[0]
            except EndpointError as error:
                log.info("endpoint.header_failed", endpoint=endpoint.name, reason=error.reason)
                return None

        stamps = await asyncio.gather(*(one(e) for e in self._endpoints))
        return {e.name: stamp for e, stamp in zip(self._endpoints, stamps, strict=True)}

    # ---- how the endpoints do

    def health(self) -> tuple[EndpointHealth, ...]:
        """One entry an endpoint, in the order of the settings."""
        agreed = None if self._tip is None else self._tip.number
        return tuple(endpoint.health(agreed) for endpoint in self._endpoints)

    def split(self, stamp: BlockStamp) -> bool | None:
        """Whether a configured endpoint is on another branch than this block; None while no majority says anything."""
        return None if self._tracker is None else self._tracker.split(stamp)

    @property
    def agreeing_ratio(self) -> float:
        """Endpoints with the majority on every answer of the last block, over all configured.

        While slower endpoints may still answer, it is that of the block before.
        """
        if self._round is None:
            return 0.0
        return self._ratio_of(self._round) if self._round.finished or self._ratio is None else self._ratio

    def _ratio_of(self, done: Round) -> float:
        return len(done.agreeing()) / len(self._endpoints)


class _Quiet:
    """When silence is said, and what time it is then."""

    def __init__(self, settings: NetworkSettings) -> None:
        self._patience = 2 * settings.block_seconds
        self._every = max(settings.block_seconds, 1.0)
        self._wall_clock = settings.wall_clock
        self._said_at = 0.0
        self._timestamp = 0

    def wait(self, progress_at: float) -> float:
        """Seconds until silence is to be said, if no head comes."""
        due = max(progress_at + self._patience, self._said_at + self._every)
        return max(0.0, due - time.monotonic())

    def say(self, progress_at: float, tip: BlockStamp | None) -> Quiet:
        """On the wall clock, block time is now; else it is the tip's time and the silence since. It never goes back."""
        self._said_at = time.monotonic()
        silent = self._said_at - progress_at
        if tip is None:
            return Quiet(int(time.time()), silent)
        if self._wall_clock:
            silent = max(silent, time.time() - tip.timestamp)
        self._timestamp = max(self._timestamp, tip.timestamp + int(silent))
        return Quiet(self._timestamp, silent)
