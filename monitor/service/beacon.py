"""Follows the consensus layer beside the pipeline: agreed heads and blocks as they come, each epoch's state once it is complete.

What is found waits here for the next judged block (``view``): collectors turn it into frames, so all that is learned is journalled with
the block that admitted it. A state is downloaded and evaluated beside the event loop; a judged block never waits for one.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from monitor.chain.beacon.client import Beacon, BeaconUnanswered
from monitor.chain.beacon.columns import StateColumns
from monitor.chain.beacon.state import BadState
from monitor.model import Hash, Slot
from monitor.model.beacon import BeaconHead, BeaconView, EpochFacts, Registry
from monitor.protocols.ethereum.evaluate import Evaluated, evaluate
from monitor.protocols.ethereum.participation import NotEvaluable
from monitor.protocols.ethereum.streaks import DamagedStreaks, Streaks
from monitor.protocols.keys.book import KeyBook
from monitor.store import Unit, meta

log = structlog.get_logger()

RETRY_SECONDS = 20.0
"""A state that could not be had is not asked for again at once: regenerating it may be what overloads a node."""
CATCH_UP_EPOCHS = 3
"""Missed epochs that are read one after the other, so that offline streaks go on; after a longer gap only the newest."""
KEYS_SECONDS = 10.0
"""How long the first evaluation waits for the operators' keys: without them it must be made again."""
LOOK_SECONDS = 1.0
STREAKS = "offline_streaks"
"""Where the store keeps the streaks of the newest epochs: of two, since the last one may have to be evaluated again."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An evaluation that is due: the state of ``slot``, the last of epoch ``epoch`` + 1, on the branch of ``root``."""

    epoch: int
    slot: Slot
    root: Hash


def load_streaks(unit: Unit) -> list[Streaks]:
    """What the last evaluations left in the store, the oldest first. Damaged streaks are forgotten: counting begins anew."""
    try:
        return [Streaks.from_bytes(base64.b64decode(text)) for text in meta.get(unit, STREAKS) or ()]
    except (DamagedStreaks, ValueError) as error:
        log.warning("beacon.streaks_forgotten", reason=str(error))
        return []


def keep_streaks(unit: Unit, streaks: Sequence[Streaks]) -> None:
    """Put the streaks in place of the older ones."""
    meta.put(unit, STREAKS, [base64.b64encode(each.to_bytes()).decode("ascii") for each in streaks])


class BeaconWatch:
    """One network's consensus layer. ``now``: block time of the newest judged block, for the completeness of keys."""

    def __init__(self, beacon: Beacon, book: KeyBook, now: Callable[[], int | None], *, retry_seconds: float = RETRY_SECONDS) -> None:
        self.beacon, self._book, self._now, self._retry = beacon, book, now, retry_seconds
        self._head: BeaconHead | None = None
        self._facts: EpochFacts | None = None
        self._registry: Registry | None = None
        self._before: list[Streaks] = []
        self._moved = asyncio.Event()
        self._missed: tuple[Wanted, float] | None = None
        """What could not be had last, and until when it is not asked for again."""
        self.took: dict[str, float] = {}
        """Seconds that the newest evaluation took, by part."""

    def view(self) -> BeaconView:
        """What is known now. Immutable, and cheap enough for every block."""
        return BeaconView(self._head, self.beacon.blocks(), self._facts, self._registry)

    @property
    def epochs_behind(self) -> int | None:
        """Complete epochs that are not evaluated yet; None before the first head."""
        if self._head is None:
            return None
        newest = self._newest(self._head)
        return 1 if self._facts is None else max(0, newest - self._facts.epoch)

    async def work(self, look: Callable[..., Awaitable[list[Streaks]]], run: Callable[..., Awaitable[None]]) -> None:
        """Follow and evaluate, until cancelled. ``look`` and ``run`` are the store's; raises what committing raises (a lost lease)."""
        self._before = await look(load_streaks)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow(), name="beacon-heads")
            group.create_task(self._evaluate(run), name="beacon-epochs")

    # ------------------------------------------------------------ heads

    async def _follow(self) -> None:
        async for head in self.beacon.follow():
            self._head = head
            self._moved.set()

    def _newest(self, head: BeaconHead) -> int:
        """The newest epoch whose flags are complete at this head: its state is that of a slot before the head's epoch."""
        return self.beacon.spec.epoch_of(head.slot) - 2

    # ------------------------------------------------------------ epochs

    async def _evaluate(self, run: Callable[..., Awaitable[None]]) -> None:
        await self._keys_first()
        while True:
            # Besides heads, keys that were read meanwhile are a reason to look again.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._moved.wait()
            self._moved.clear()
            due = self._due()
            for wanted in due:
                try:
                    await self._one(wanted, run)
                except (BeaconUnanswered, BadState, NotEvaluable) as missing:
                    log.warning("beacon.epoch_not_evaluated", epoch=wanted.epoch, slot=wanted.slot, reason=str(missing))
                    if wanted is due[-1]:  # an older one may be gone for good: the newest must not wait for it
                        self._missed = (wanted, time.monotonic() + self._retry)

    async def _keys_first(self) -> None:
        try:
            async with asyncio.timeout(KEYS_SECONDS):
                while not self._complete() >= frozenset(self._book.protocols):  # noqa: ASYNC110 (a question, not an event)
                    await asyncio.sleep(0.1)
        except TimeoutError:
            log.info("beacon.keys_incomplete", protocols=sorted(frozenset(self._book.protocols) - self._complete()))

    @property
    def protocols(self) -> tuple[str, ...]:
        """Protocols whose validators are told apart."""
        return self._book.protocols

    def complete(self, now: int) -> frozenset[str]:
        """Those whose keys are all known at this block time."""
        return self._book.complete(now)

    def _complete(self) -> frozenset[str]:
        now = self._now()
        return frozenset() if now is None else self.complete(now)

    def _due(self) -> Sequence[Wanted]:
        """What is to be evaluated now, the oldest first; nothing when the newest complete epoch is known on this branch."""
        head = self._head
        if head is None or (newest := self._newest(head)) < 0:
            return ()
        wanted = self._wanted(newest)
        if wanted is None or (self._missed is not None and self._missed[0] == wanted and time.monotonic() < self._missed[1]):
            return ()
        if self._facts is not None and (self._facts.epoch, self._facts.root) == (wanted.epoch, wanted.root):
            # The same state again, once more keys are known: what was nobody's may be an operator's.
            return (wanted,) if self._registry is not None and self._complete() > self._registry.complete else ()
        last = self._before[-1].epoch if self._before else None
        if last is None or not 0 < newest - last <= CATCH_UP_EPOCHS:
            return (wanted,)
        missed = [self._wanted(epoch) for epoch in range(last + 1, newest)]
        return [*(each for each in missed if each is not None), wanted]

    def _wanted(self, epoch: int) -> Wanted | None:
        """None while the block that the state must show is not known."""
        slot = self.beacon.spec.last_slot(epoch + 1)
        root = next((block.root for block in reversed(self.beacon.blocks()) if block.slot <= slot), None)
        return None if root is None else Wanted(epoch, Slot(slot), root)

    async def _one(self, wanted: Wanted, run: Callable[..., Awaitable[None]]) -> None:
        begun = time.perf_counter()
        state = await self.beacon.state(wanted.slot, wanted.root)
        read = time.perf_counter()
        before = next((s for s in reversed(self._before) if s.epoch == wanted.epoch - 1), None)
        found = await asyncio.to_thread(self._measured, state.columns, wanted, before, self._complete())
        judged = time.perf_counter()
        # Those of the epoch before stay: after a reorganisation or a restart the same epoch is evaluated again from them.
        kept = [*(s for s in self._before if s.epoch == wanted.epoch - 1), found.streaks]
        await run(partial(keep_streaks, streaks=kept))
        self._before = kept
        self._facts, self._registry = found.facts, found.registry
        self.took = {"download": read - begun, "evaluation": judged - read, "keeping": time.perf_counter() - judged}
        log.info("beacon.epoch_evaluated", epoch=wanted.epoch, slot=wanted.slot, validators=len(state.columns), digest=state.digest[:18])

    def _measured(self, columns: StateColumns, wanted: Wanted, before: Streaks | None, complete: frozenset[str]) -> Evaluated:
        """In a worker thread."""
        owners = self._book.owners(columns.pubkeys, columns.withdrawal_credentials)
        return evaluate(columns, wanted.root, owners, before, complete)
