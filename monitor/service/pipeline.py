"""The way of a block: one task, strictly in order, one commit a judged moment.

What is in memory (window, instances, memory of the collectors) always equals what is committed: when a commit fails, the
pipeline raises and is built again from the store, the very way of a restart.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from monitor import rules
from monitor.alerts import Book, Judged
from monitor.chain import Block, Execution, Gap, Lost, Quiet, Rewind
from monitor.collectors.own import OwnFacts, own_frames
from monitor.guardian import responses
from monitor.guardian.deciding import Seen
from monitor.guardian.decision import Decision
from monitor.guardian.policy import Agreement, Health
from monitor.guardian.responses import Responses
from monitor.model import BlockStamp, Collector, Frame, Moment, Ok, Snapshot, Tick, Transition
from monitor.model.beacon import BeaconView
from monitor.rules import Instances
from monitor.samples import FrameWindow, Selector
from monitor.service import reading
from monitor.service.parts import Progress
from monitor.service.reading import PIPELINE, Memory
from monitor.service.reorg import Reorg
from monitor.service.setup import Setup
from monitor.service.state import State
from monitor.store import JudgedEntry, Lease, Store, Unit, journal
from monitor.turns import in_turns

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the pipeline works with. ``facts`` tells what upper rooms know about themselves; ``committed`` wakes the workers.

    ``beacon``: what is known of the consensus layer at the moment of asking; None without beacon nodes.
    """

    execution: Execution
    collectors: Sequence[Collector]
    book: Book
    responses: Responses
    store: Store
    facts: Callable[[Progress, FrameWindow, Moment], OwnFacts]
    committed: Callable[[], None]
    slot_seconds: int
    beacon: Callable[[], BeaconView | None] = lambda: None


class Pipeline:
    """Judges every block of one network, from the committed state on. ``run`` ends only by an exception."""

    def __init__(self, rooms: Rooms, setup: Setup, state: State, progress: Progress, lease: Lease) -> None:
        self.rooms, self.progress, self.lease = rooms, progress, lease
        self.setup, self.window, self.memory, self.live, self.recent = (
            state.setup,
            state.window,
            state.memory,
            state.live,
            list(state.recent),
        )
        self._reorg = Reorg(rooms.slot_seconds, state.memory.orphaned)
        if state.lost is not None and state.lost not in progress.fresh_losses:
            progress.fresh_losses.append(state.lost)
        self._watch = reading.watched(rooms.collectors)
        self._changed: Setup | None = setup if setup.hash != state.setup.hash else None

    async def run(self) -> None:
        """Follow the chain and judge what comes. Raises LeaseLost, store errors, and ChainLost after it was journalled."""
        async for event in self.rooms.execution.follow(self.recent):
            match event:
                case Block():
                    await self._block(event)
                case Quiet():
                    await self._tick(event)
                case Rewind():
                    await self._rewind(event.to)
                case Gap():
                    await self._gap(event)
                case Lost():
                    await self._lost(event)

    def reload(self, setup: Setup) -> None:
        """Take another rule set, from the next judged moment on."""
        self._changed = setup

    # ------------------------------------------------------------ what comes from the chain

    async def _block(self, event: Block) -> None:
        stamp = event.stamp
        due, frames = reading.plans(self.rooms.collectors, self.memory, stamp)
        since = self.memory.cursor if self.memory.cursor is not None else stamp.number - 1
        snapshot = await self.rooms.execution.read(stamp, reading.reads_of(due), self._watch, since)
        snapshot = replace(snapshot, beacon=self.rooms.beacon())
        found = await in_turns(reading.judging(self.rooms.collectors, due, snapshot, self.memory))
        self.progress.seen_at, self.progress.last_block = event.seen_at, stamp
        await self._judge(stamp, event.seen_at, [*frames, *found.frames], found.memory, snapshot)
        self.recent = [*self.recent[-63:], stamp]
        self.progress.blocks += 1
        self.progress.seen_to_judged.append(time.time() - event.seen_at)

    async def _tick(self, event: Quiet) -> None:
        if not self.recent:
            return
        last, before = self.recent[-1], self.progress.at
        timestamp = max(event.timestamp, last.timestamp, before.timestamp if before else 0, self.live.ticked or 0)
        await self._judge(Tick(last, timestamp), time.time(), [], self.memory, None)

    async def _rewind(self, to: BlockStamp) -> None:
        """Take back everything after ``to``; what was announced is compared when the new branch is as old as the orphaned one."""
        tip = self.recent[-1]
        log.warning("chain.reorg", depth=tip.number - to.number, to=to.number)
        self._reorg.begin(tip, to, self.live)
        orphaned = self._reorg.to_json()

        def work(unit: Unit) -> tuple[Memory, Instances]:
            known = dict(journal.known(unit, to))
            memory = replace(Memory.from_json(known, known.pop(PIPELINE, {})), orphaned=orphaned)
            text = journal.instances_at(unit, to)
            # What was announced on the orphaned branch is remembered with the rewind: a crash now must not forget it.
            journal.rewind(unit, to, seen_at=time.time(), ruleset=self.setup.hash, known={PIPELINE: memory.to_json()})
            return memory, Instances.from_json(text) if text else Instances()

        self.memory, self.live = await self.rooms.store.run(work, self.lease)
        self.window.rewind(to)
        self.recent = [stamp for stamp in self.recent if stamp.number <= to.number]
        self.progress.reorgs += 1
        self.progress.at = to

    async def _gap(self, event: Gap) -> None:
        count = event.last - event.first + 1
        log.error(
            "chain.gap", first=event.first, last=event.last, blocks=count, remedy="state older than the endpoints' history stays unknown"
        )
        await self.rooms.store.run(
            lambda unit: journal.gap(unit, event.first, event.last, ruleset=self.setup.hash, seen_at=time.time()), self.lease
        )
        self.progress.gap_blocks += count
        self.progress.fresh_gaps.append((event.first, event.last))

    async def _lost(self, event: Lost) -> None:
        """A reorg deeper than we can undo: forget what was read, keep what was announced (unknown until read anew), and page."""
        log.error("chain.lost", reason=event.reason)
        await self.rooms.store.run(lambda unit: journal.lost(unit, event.reason, ruleset=self.setup.hash, seen_at=time.time()), self.lease)
        raise ChainLost(event.reason)

    # ------------------------------------------------------------ one judged moment

    async def _judge(self, at: Moment, seen_at: float, frames: Sequence[Frame], memory: Memory, snapshot: Snapshot | None) -> None:
        changed, ended = self._changed, self._take_rules(at)
        for frame in frames:
            self.window.append(frame)
        self._note(frames)
        # After an outage, blocks older than the last tick are made up: what was true of ourselves then is judged already.
        own = [] if self.live.is_before_tick(at) else [self._own(at)]
        for frame in own:
            self.window.append(frame)
        recorded = rules.record(self.setup.ruleset, self.window, at, self.live)
        live, found, verdicts = await in_turns(rules.judging(self.setup.ruleset, self.window, at, self.live))
        live, transitions = self._reorg.announced(live, [*ended, *found], at)
        memory = replace(memory, orphaned=self._reorg.to_json())
        decisions = await self._decided(at, live, snapshot)
        judged_at = time.time()
        entry = JudgedEntry(
            at=at,
            seen_at=seen_at,
            judged_at=judged_at,
            frames=(*frames, *own, *recorded),
            transitions=tuple(transitions),
            known={**memory.known, PIPELINE: memory.to_json()},
            instances=live.to_json(),
            ruleset=self.setup.hash,
            agreed=() if snapshot is None else snapshot.agreed,
        )
        told = Judged(at, seen_at, judged_at, {i.episode: i for i in live.firing if i.episode is not None})

        def work(unit: Unit) -> None:
            if changed is not None:
                journal.rules(unit, changed.hash, changed.text, seen_at=seen_at)
            journal.append(unit, entry)
            self.rooms.responses.admit(unit, decisions, at, judged_at)
            self.rooms.book.admit(unit, transitions, told)  # after what was decided: its messages tell that

        await self.rooms.store.run(work, self.lease)
        self.memory, self.live = memory, live
        self.progress.at, self.progress.judged_at = at, judged_at
        self.progress.verdicts = tuple(verdicts)
        self.progress.judged.update((verdict.rule, verdict) for verdict in verdicts)
        self.rooms.committed()

    def _own(self, at: Moment) -> Frame:
        """What we know about ourselves, and what the alerts of the moment before say about the causes of pauses."""
        facts = self.rooms.facts(self.progress, self.window, at)
        counted = self.rooms.responses.causes.counted(self.live, self.setup.ruleset, self.progress.judged, self.progress.decided)
        held = counted.held(_held(self.window, at), at.timestamp)
        return own_frames(replace(facts, causes=counted.alerts, causes_since=held), at)

    async def _decided(self, at: Moment, live: Instances, snapshot: Snapshot | None) -> list[Decision]:
        """What the alerts that fire now lead to. At a tick nothing was seen, and between two branches nothing is announced: then to nothing."""
        wanted = [] if snapshot is None or self._reorg.to_json() is not None else self.rooms.responses.firing(live)
        if not wanted or snapshot is None or not isinstance(at, BlockStamp):
            return []
        kept = await self.rooms.store.look(lambda unit: responses.kept(unit, [c.id for c in wanted]))
        agreement = Agreement(self.rooms.responses.operators, frozenset(snapshot.agreed))
        health = Health(_finality(self.window, at), self.rooms.execution.split(at))
        waiting = self.rooms.execution.waiting
        seen = Seen(at, self.window, self.setup.ruleset, live, snapshot, self.memory.known, agreement, health, waiting)
        return self.rooms.responses.decide(seen, wanted, kept)

    def _take_rules(self, at: Moment) -> list[Transition]:
        """Put a new rule set in place of the old one; the transitions of alerts that end with it."""
        new, self._changed = self._changed, None
        if new is None:
            return []
        self.live, ended = rules.reload(self.setup.ruleset, new.ruleset, self.live, at)
        new.reshape(self.window)
        self.setup = new
        log.info("rules.taken", rules=len(new.ruleset), hash=new.ruleset.hash[:16])
        return ended

    def _note(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            key = (frame.collector, frame.scope)
            self.progress.latest[key] = frame
            if isinstance(frame.status, Ok):
                self.progress.newest_ok[key] = frame.read_at.timestamp
            else:
                protocol = dict(frame.scope).get("protocol", "")
                self.progress.failures[(frame.collector, protocol, type(frame.status).__name__.lower())] += 1


def _held(window: FrameWindow, at: Moment) -> dict[tuple[str, str], int]:
    """Since when the causes of pauses had held at the moment before."""
    found = window.instant(Selector("guardian_pause_cause_since_timestamp_seconds"), at.timestamp)
    rows = zip(found.labels.rows, found.values, found.known, strict=True)
    return {(dict(row)["target"], dict(row)["cause"]): int(value) for row, value, known in rows if known}


def _finality(window: FrameWindow, at: BlockStamp) -> float | None:
    """Epochs from the finalized one to the agreed head's; None while that is not known."""
    found = window.instant(Selector("beacon_finality_distance_epochs"), at.timestamp)
    return max((float(v) for v, known in zip(found.values, found.known, strict=True) if known), default=None)


class ChainLost(Exception):
    """The chain that was judged is gone; everything is read anew."""
