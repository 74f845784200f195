"""After a pause: how long it lasts still, who ended it before its time, and who moved its end. Pure: what a target's logs and its state say.

A timed pause ends without an event, and who prolongs one resumes and pauses in one transaction; so each block is judged by what stood after it, and
logs only say who and when. What a block that could not be read showed in its logs is kept until the target's state is known again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import Any, Literal

from monitor.guardian import contract as guardian
from monitor.guardian.contract import Registered
from monitor.guardian.levers.target import Lever, NoGood
from monitor.model import Address, BlockStamp, Hash, Log, Slot, Snapshot
from monitor.protocols.abi import Contract, Events, EventType, Seen

PAUSED_FOR = EventType.parse("event Paused(uint256 duration)")
RESUMED = EventType.parse("event Resumed()")
PAUSED_BY = EventType.parse("event Paused(address account)")
UNPAUSED = EventType.parse("event Unpaused(address account)")
FOREVER = 1 << 64
"""A duration or an end from here on means that the pause has none: no block will be so late."""
MAX_NOTES = 64

By = Literal["sentinel", "guardian", "other", "unknown"]
"""Who paused: sentinels' order or a person, both through our contract; somebody else; or nobody saw it."""
Turn = Literal["resumed", "shortened", "extended"]


@dataclass(frozen=True, slots=True)
class Note:
    """A log of the target about its pause. ``until``: of a pause, its end (block time), None if it has none; ``account``: of a resumption, if told.

    ``holder``: where the log does not say who, the only account that might resume the target at the block before, if there was only one.
    """

    pauses: bool
    block: BlockStamp
    tx: Hash
    seq: int
    until: int | None = None
    by: By = "other"
    account: str = ""
    holder: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause from ``began`` to ``until`` (block time); None: it does not end by itself.

    ``due``: from when on a Releaser may end one that does not, which is no interference; None where nobody gave it a time.
    """

    began: int
    until: int | None
    by: By
    due: int | None = None

    def is_over(self, timestamp: int) -> bool:
        return self.until is not None and timestamp >= self.until


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of the last pause: by time, or by somebody (``account``, ``tx`` and ``holder`` as far as they are known)."""

    at: int
    how: Literal["lapsed", "resumed"]
    by: By
    account: str = ""
    tx: str = ""
    holder: str = ""


@dataclass(frozen=True, slots=True)
class Memory:
    """What is known of one target after a block. ``notes``: logs that no state was seen for yet."""

    pause: Pause | None = None
    ended: Ended | None = None
    notes: tuple[Note, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Memory:
        """The inverse of ``to_json``."""
        pause, ended = body.get("pause"), body.get("ended")
        notes = tuple(Note(**{**n, "block": _stamp(n["block"]), "tx": Hash(n["tx"])}) for n in body.get("notes", ()))
        return cls(None if pause is None else Pause(**pause), None if ended is None else Ended(**ended), notes)


@dataclass(frozen=True, slots=True)
class State:
    """What the target says at a block. ``until``: None while it is not paused, and for a pause without an end."""

    paused: bool
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """Something that somebody did to a pause. ``note``: its log; None where the target told nothing."""

    turn: Turn
    by: By
    note: Note | None


def follow(
    memory: Memory, notes: Iterable[Note], state: State | None, at: BlockStamp, seen: Pause | None = None
) -> tuple[Memory, list[Told]]:
    """What is known after ``at``, and what happened since the last block whose state was known.

    ``state`` None: it is not known, so nothing is concluded. ``seen``: the last pause of which the guardian contract itself knows.
    """
    waiting = (*memory.notes, *notes)[-MAX_NOTES:]
    if state is None:
        return replace(memory, notes=waiting), []
    told: list[Told] = []
    pause, ended = memory.pause, memory.ended
    for _, block in groupby(waiting, lambda note: note.block.number):
        same = list(block)
        pause, ended = _by_time(pause, ended, same[0].block.timestamp)
        pause, ended, found = _after_block(pause, ended, same)
        told += found
    pause, ended = _by_time(pause, ended, at.timestamp)
    if state.paused and pause is None:
        pause, ended = _taken_over(state, at, seen), None
    elif state.paused and pause is not None and pause.until != state.until:
        # Told without a log only where no log of this very pause said another end.
        told += _moved(pause, state.until, None) if pause == memory.pause else []
        pause = replace(pause, until=state.until)
    elif not state.paused and pause is not None:
        pause, ended, found = None, *_lifted(pause, at.timestamp, None)
        told += found
    if pause is not None and seen is not None and pause.began == seen.began:
        pause = replace(pause, due=seen.due)
    return Memory(pause, ended), told


def _taken_over(state: State, at: BlockStamp, seen: Pause | None) -> Pause:
    """A pause whose beginning nobody saw: what the guardian contract remembers of it, where that has its very end."""
    if seen is not None and state.until is not None and seen.until == state.until:
        return seen
    return Pause(at.timestamp, state.until, "unknown")


def _by_time(pause: Pause | None, ended: Ended | None, timestamp: int) -> tuple[Pause | None, Ended | None]:
    if pause is None or not pause.is_over(timestamp):
        return pause, ended
    assert pause.until is not None
    return None, Ended(pause.until, "lapsed", pause.by)


def _after_block(pause: Pause | None, ended: Ended | None, notes: Sequence[Note]) -> tuple[Pause | None, Ended | None, list[Told]]:
    """What stands after a block's logs: a pause that was lifted and made again in one block was moved, not ended."""
    before = last = pause
    lifted: Note | None = None
    for note in notes:
        if note.pauses:
            last = pause = Pause(note.block.timestamp, note.until, note.by)
        else:
            lifted, pause = note, None
    if pause is None:
        return (None, ended, []) if lifted is None else (None, *_lifted(last, lifted.block.timestamp, lifted))
    if before is None or lifted is None:
        return pause, None, []
    return replace(pause, began=before.began), None, _moved(before, pause.until, next(n for n in reversed(notes) if n.pauses))


def _lifted(pause: Pause | None, at: int, note: Note | None) -> tuple[Ended, list[Told]]:
    """Somebody ended a pause: that is told, unless its time was over and only nobody had ended it."""
    by: By = "unknown" if pause is None else pause.by
    who = ("", "", "") if note is None else (note.account, note.tx, note.holder)
    if pause is not None and pause.due is not None and at >= pause.due:
        return Ended(at, "lapsed", by, *who), []
    return Ended(at, "resumed", by, *who), [Told("resumed", by, note)]


def _moved(pause: Pause, until: int | None, note: Note | None) -> list[Told]:
    old, new = (FOREVER if end is None else end for end in (pause.until, until))
    return [] if old == new else [Told("shortened" if new < old else "extended", pause.by, note)]


# ---------------------------------------------------------------- what the chain says


def watched(guardian_at: Address, levers: Iterable[Lever]) -> Events:
    """The events of the targets about their pauses, and the guardian contract's about who paused."""
    pairs = [(Contract("guardian", guardian_at), guardian.TARGET_PAUSED)]
    for lever in levers:
        pairs += [(lever.contract, e) for e in ((PAUSED_FOR, RESUMED) if lever.lapses else (PAUSED_BY, UNPAUSED))]
    return Events(*pairs)


def notes_of(events: Events, levers: Iterable[Lever], logs: Iterable[Log], holders: Mapping[str, str]) -> dict[str, list[Note]]:
    """The logs about each target's pause, by the target's name, in order. ``holders``: by target, the only account that might resume it."""
    seen = events.scan(logs)
    by: dict[tuple[str, str], By] = {
        (s.log.tx, s.values["target"]): "sentinel" if s.values["bySentinels"] else "guardian"
        for s in seen
        if s.event is guardian.TARGET_PAUSED
    }
    names = {lever.settings.where: lever.name for lever in levers}
    found: dict[str, list[Note]] = {}
    for one in seen:
        if one.event is not guardian.TARGET_PAUSED:
            where = one.log.address
            note = _note(one, by.get((one.log.tx, where), "other"))
            found.setdefault(names[where], []).append(note if note.account else replace(note, holder=holders.get(names[where], "")))
    return found


def _note(seen: Seen, by: By) -> Note:
    log, values = seen.log, seen.values
    if seen.event is PAUSED_FOR:
        return Note(True, log.block, log.tx, log.seq, _end(log.block.timestamp + values["duration"]), by)
    if seen.event is PAUSED_BY:
        return Note(True, log.block, log.tx, log.seq, None, by)
    return Note(False, log.block, log.tx, log.seq, account=values.get("account", ""))


def state_of(lever: Lever, snapshot: Snapshot) -> State | None:
    """What the target says; None where it answers nonsense. Raises Unanswered."""
    paused, end = lever.paused(snapshot), lever.resumes_at(snapshot)
    if isinstance(paused, NoGood) or (paused and isinstance(end, NoGood)):
        return None
    return State(paused, _end(end) if paused and isinstance(end, int) else None)


def remembered(target: Registered | None, lapses: bool) -> Pause | None:
    """The last pause that the guardian contract made of a target."""
    if target is None or not target.paused_at:
        return None
    by: By = "sentinel" if target.sentinel_ends_at == target.ends_at else "guardian"
    return Pause(target.paused_at, target.ends_at, by) if lapses else Pause(target.paused_at, None, by, due=target.ends_at)


def _end(timestamp: int) -> int | None:
    return None if timestamp >= FOREVER else timestamp


def _stamp(body: Mapping[str, Any]) -> BlockStamp:
    return BlockStamp(body["number"], Hash(body["hash"]), Hash(body["parent"]), body["timestamp"], Slot(body["slot"]), body["beacon_root"])
