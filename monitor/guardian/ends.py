"""Ends of pauses as samples and events: what the guardian's collector says of them, and what it remembers from block to block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monitor.collectors.emit import Samples, mapping
from monitor.guardian import after
from monitor.guardian.after import Memory, Note, State, Told
from monitor.guardian.contract import Registered
from monitor.guardian.levers.target import Lever
from monitor.guardian.readiness import Brake
from monitor.model import Address, BlockStamp, Event, EventId, Labels, Series, Snapshot, labels

KEY = "pauses"
"""Under which name a collector remembers it."""


class Ends:
    """The ends of all targets' pauses. It reads nothing of its own: what it needs of a target's state, readiness reads too."""

    def __init__(self, brake: Brake) -> None:
        self._levers = brake.levers
        self._events = after.watched(brake.at, brake.levers)
        self.watches: frozenset[Address] = self._events.addresses

    def at(self, snapshot: Snapshot, known: Mapping[str, Any]) -> Block:
        """One block. Raises Unanswered when its logs are not agreed: they come again with the next one."""
        holders = {lever.name: _only(mapping(mapping(known, "resumers"), lever.name)) for lever in self._levers}
        notes = after.notes_of(self._events, self._levers, snapshot.logs_of(*self.watches), holders)
        return Block(snapshot, {lever.name: Memory.from_json(known.get(KEY, {}).get(lever.name, {})) for lever in self._levers}, notes)


class Block:
    """What is found at one block. A target that is not followed, since it cannot be read now, keeps its logs for later."""

    def __init__(self, snapshot: Snapshot, memories: Mapping[str, Memory], notes: Mapping[str, Sequence[Note]]) -> None:
        self._snapshot, self._before, self._notes = snapshot, memories, notes
        self._after: dict[str, Memory] = {}

    def follow(self, lever: Lever, target: Registered | None, samples: Samples) -> list[Event]:
        """Put the samples of a target and give its events. Raises Unanswered when its state is not known."""
        stamp, state = self._snapshot.stamp, after.state_of(lever, self._snapshot)
        seen = after.remembered(target, lever.lapses)
        memory, told = after.follow(self._before[lever.name], self._notes.get(lever.name, ()), state, stamp, seen)
        self._after[lever.name] = memory
        if state is not None:
            _put(samples, memory, state, stamp)
        return [_event(lever.name, one, stamp) for one in told]

    def memory(self) -> dict[str, Any]:
        """What is known after this block, as plain JSON."""
        return {KEY: {name: self._memory(name).to_json() for name in self._before}}

    def _memory(self, name: str) -> Memory:
        found = self._after.get(name)
        if found is not None:
            return found
        return after.follow(self._before[name], self._notes.get(name, ()), None, self._snapshot.stamp)[0]


def _only(resumers: Mapping[str, Any]) -> str:
    """The one account that may resume a target, as learned before this block; empty where there are more, or none, or it is not known."""
    listed = list(resumers.get("holders") or [])
    return str(listed[0]) if resumers.get("count") == len(listed) == 1 else ""


def _put(samples: Samples, memory: Memory, state: State, stamp: BlockStamp) -> None:
    pause, ended = memory.pause, memory.ended
    if state.paused and pause is not None and pause.until is not None:
        samples.put("guardian_pause_left_seconds", pause.until - stamp.timestamp, by=pause.by)
        samples.put("guardian_pause_length_seconds", pause.until - pause.began, by=pause.by)
    if not state.paused and ended is not None:
        who = {"account": ended.account, "holder": ended.holder, "tx": ended.tx}
        samples.put("guardian_pause_ended_timestamp_seconds", ended.at, by=ended.by, how=ended.how, **{k: v for k, v in who.items() if v})


def _event(target: str, told: Told, stamp: BlockStamp) -> Event:
    """The log names the event, so that it is the same after a reorganisation; where there is none, the block does."""
    note = told.note
    pairs = {"target": target, "by": told.by, **({} if told.turn == "resumed" else {"change": told.turn})}
    family = "guardian_resumed" if told.turn == "resumed" else "guardian_pause_moved"
    if note is None:
        return Event(EventId(f"{family}/{target}/{stamp.number}"), Series(family, labels(pairs)), stamp)
    who = {"account": note.account, "holder": note.holder}
    named: Labels = labels(pairs, tx=note.tx, seq=str(note.seq), **{k: v for k, v in who.items() if v})
    return Event(EventId(f"{family}/{note.tx}/{note.seq}"), Series(family, named), note.block)
