"""What somebody did to a pause, from logs and states: against contracts' own arithmetic, and through blocks that nobody could read."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.guardian.after import Ended, Memory, Note, Pause, State, Told, follow
from monitor.model import BlockStamp, Hash, Slot

SLOT = 12


def stamp(n: int) -> BlockStamp:
    return BlockStamp(n, Hash(f"0x{n:064x}"), Hash(f"0x{n - 1:064x}"), 1_000_000 + n * SLOT, Slot(n))


@dataclass
class Target:
    """Lido's PausableUntil: an end, one event when it is paused, one when somebody resumes it, none when its time is over."""

    end: int = 0
    notes: list[Note] = field(default_factory=list)

    def is_paused(self, now: int) -> bool:
        return now < self.end

    def play(self, n: int, actions: list[int]) -> State:
        """The actions of block ``n`` that would not revert: 0 resumes, anything else pauses for so many seconds."""
        at = stamp(n)
        for rank, seconds in enumerate(actions):
            if seconds and not self.is_paused(at.timestamp):
                self.end = at.timestamp + seconds
                self.notes.append(Note(True, at, Hash(f"0x{n}-{rank}"), 0, self.end, "guardian"))
            elif not seconds and self.is_paused(at.timestamp):
                self.end = at.timestamp
                self.notes.append(Note(False, at, Hash(f"0x{n}-{rank}"), 0))
        return State(self.is_paused(at.timestamp), self.end if self.is_paused(at.timestamp) else None)


def truth(n: int, actions: list[int], before: int, target: Target) -> list[str]:
    """What block ``n`` did to the pause that stood when it began, told by the contract's end alone."""
    now = stamp(n).timestamp
    was, is_ = before if now < before else 0, target.end if now < target.end else 0
    lifted = any(not note.pauses and note.block.number == n for note in target.notes)
    if not is_:
        return ["resumed"] if lifted else []
    if not was or was == is_:
        return []
    return ["extended" if is_ > was else "shortened"]


BLOCKS = st.lists(st.lists(st.sampled_from([0, 12, 30, 600, 86_400]), max_size=3), min_size=1, max_size=25)


@settings(max_examples=300, deadline=None)
@given(BLOCKS, st.data())
def test_what_people_did_is_told_once_whichever_blocks_could_be_read(blocks: list[list[int]], data: st.DataObject) -> None:
    target, memory = Target(), Memory()
    expected: list[str] = []
    told: list[Told] = []
    fresh = 0
    for n, actions in enumerate(blocks, 1):
        before = target.end
        state = target.play(n, actions)
        expected += truth(n, actions, before, target)
        way = data.draw(st.sampled_from(["read", "unread", "no logs"]) if n < len(blocks) else st.just("read"))
        if way == "no logs":
            continue
        notes, fresh = target.notes[fresh:], len(target.notes)
        memory, found = follow(memory, notes, state if way == "read" else None, stamp(n))
        memory = Memory.from_json(json.loads(json.dumps(memory.to_json())))
        told += found
    assert [t.turn for t in told] == expected
    assert all(t.note is not None and t.by == "guardian" for t in told)
    now = stamp(len(blocks)).timestamp
    assert (memory.pause is not None) == target.is_paused(now) and memory.notes == ()
    if memory.pause is not None:
        assert memory.pause.until == target.end
    elif target.notes:
        resumed = not target.notes[-1].pauses
        assert memory.ended is not None and memory.ended.how == ("resumed" if resumed else "lapsed")
        assert memory.ended.at == target.end


PAUSED = Memory(Pause(stamp(1).timestamp, stamp(1).timestamp + 600, "sentinel"))


def test_a_pause_that_lapses_is_nobodys_doing() -> None:
    memory, told = follow(PAUSED, [], State(False), stamp(60))
    assert told == [] and memory == Memory(None, Ended(stamp(1).timestamp + 600, "lapsed", "sentinel"))


def test_a_resumption_names_who_did_it() -> None:
    by = Note(False, stamp(3), Hash("0xaa"), 1, account="0xBob")
    memory, told = follow(PAUSED, [by], State(False), stamp(3))
    assert told == [Told("resumed", "sentinel", by)]
    assert memory.ended == Ended(stamp(3).timestamp, "resumed", "sentinel", "0xBob", "0xaa")


def test_a_contract_that_resumes_without_an_event_is_told_from_its_state() -> None:
    memory, told = follow(PAUSED, [], State(False), stamp(3))
    assert told == [Told("resumed", "sentinel", None)] and memory.ended == Ended(stamp(3).timestamp, "resumed", "sentinel")
    again, twice = follow(memory, [], State(False), stamp(4))
    assert twice == [] and again == memory


def test_an_end_that_moved_without_an_event_is_told_from_the_state() -> None:
    end = stamp(1).timestamp + 60
    memory, told = follow(PAUSED, [], State(True, end), stamp(3))
    assert [t.turn for t in told] == ["shortened"] and memory.pause is not None and memory.pause.until == end
    _, told = follow(memory, [], State(True, None), stamp(4))
    assert [t.turn for t in told] == ["extended"], "no end at all is the latest one"


def test_resealing_prolongs_in_one_block_and_is_no_resumption() -> None:
    again = Note(True, stamp(3), Hash("0xbb"), 1, None)
    memory, told = follow(PAUSED, [Note(False, stamp(3), Hash("0xbb"), 0), again], State(True, None), stamp(3))
    assert told == [Told("extended", "sentinel", again)]
    assert memory.pause == Pause(stamp(1).timestamp, None, "other") and memory.ended is None


def test_a_service_that_starts_within_a_pause_takes_its_beginning_from_the_guardian_contract() -> None:
    end = stamp(1).timestamp + 600
    seen = Pause(stamp(1).timestamp, end, "guardian")
    assert follow(Memory(), [], State(True, end), stamp(9), seen)[0].pause == seen
    assert follow(Memory(), [], State(True, end + 1), stamp(9), seen)[0].pause == Pause(stamp(9).timestamp, end + 1, "unknown")


def test_what_a_releaser_ends_in_time_is_no_interference() -> None:
    """A lever without an end of its own: before the time that the guardian contract gave it, and after."""
    began = stamp(1).timestamp
    paused = Note(True, stamp(1), Hash("0xaa"), 0, None, "guardian")
    seen = Pause(began, None, "guardian", due=began + 600)
    memory, _ = follow(Memory(), [paused], State(True), stamp(1), seen)
    assert memory.pause == seen
    early, late = stamp(10), stamp(60)
    _, told = follow(memory, [Note(False, early, Hash("0xbb"), 0, account="0xBob")], State(False), early, seen)
    assert [t.turn for t in told] == ["resumed"]
    ended, told = follow(memory, [Note(False, late, Hash("0xbb"), 0, account="0xReleaser")], State(False), late, seen)
    assert told == [] and ended.ended == Ended(late.timestamp, "lapsed", "guardian", "0xReleaser", "0xbb")
    assert follow(replace(memory, notes=()), [], State(False), late, seen)[1] == []
