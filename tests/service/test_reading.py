"""From collectors to frames: who fails is blind alone, each log is taken once, and a log wakes who sleeps."""

from __future__ import annotations

import json
from dataclasses import replace

import structlog

from monitor.model import Balance, BlockStamp, Cadence, Disputed, Failed, Log, Ok, Read, Snapshot, Unanswered, labels
from monitor.service.reading import PIPELINE, Memory, judging, plans, reads_of, watched
from monitor.turns import at_once
from tests.service.making import HERE, THERE, Small, block, log

SLOW = Cadence(seconds=60)
NOT_AGREED = Disputed((("a", "1"), ("b", "2")))


def step(
    collectors: list[Small], memory: Memory, stamp: BlockStamp, logs: tuple[Log, ...] | Disputed = ()
) -> tuple[dict[str, list[object]], Memory]:
    """One block: status of each collector's frames by name, and the memory after it."""
    due, failed = plans(collectors, memory, stamp)
    found = at_once(judging(collectors, due, Snapshot(stamp, {}, logs, ("a", "b")), memory))
    statuses: dict[str, list[object]] = {}
    for frame in (*failed, *found.frames):
        statuses.setdefault(frame.collector, []).append(frame.status)
    return statuses, found.memory


def test_a_collector_that_raises_is_blind_alone_in_all_its_scopes() -> None:
    two = (labels(contract="a"), labels(contract="b"))
    collectors = [
        Small("good"),
        Small("bug", in_judge=ZeroDivisionError("by zero"), scopes=two),
        Small("planless", in_plan=KeyError("role")),
    ]
    with structlog.testing.capture_logs() as said:
        statuses, memory = step(collectors, Memory(), block(1))
    assert statuses["good"] == [Ok()]
    assert statuses["bug"] == [Failed("ZeroDivisionError: by zero")] * 2
    assert statuses["planless"] == [Failed("could not plan its reads: 'role'")]
    assert {(s["event"], s["collector"]) for s in said} == {("collector.judge_failed", "bug"), ("collector.plan_failed", "planless")}
    assert memory.known.keys() == {"good", "bug"}


def test_what_is_not_answered_or_disputed_says_so_and_keeps_the_memory() -> None:
    before = Memory(known={"x": {"logs": 7}})
    statuses, after = step([Small("x", in_judge=Unanswered("balance", Failed("timeout")))], before, block(1))
    (status,) = statuses["x"]
    assert isinstance(status, Failed) and "balance" in status.reason and "timeout" in status.reason
    assert after.known["x"] == {"logs": 7}
    statuses, _ = step([Small("x", in_judge=Unanswered("balance", NOT_AGREED))], before, block(1))
    assert statuses["x"] == [NOT_AGREED]


def test_a_failed_collector_is_asked_again_at_its_next_turn() -> None:
    trouble = Small("x", in_judge=ValueError("nonsense"))
    _, memory = step([trouble], Memory(), block(1))
    trouble.in_judge = None
    statuses, _ = step([trouble], memory, block(2))
    assert statuses["x"] == [Ok()]


def test_reads_of_several_collectors_are_asked_once() -> None:
    one, two = Read(HERE, Balance()), Read(THERE, Balance())
    due, _ = plans([Small("x", reads=[one, two]), Small("y", reads=[two, one])], Memory(), block(1))
    assert reads_of(due) == (one, two)
    assert watched([Small("x", watches=frozenset({HERE})), Small("y", watches=frozenset({HERE, THERE}))]) == {HERE, THERE}


def test_a_slow_collector_sleeps_until_its_time() -> None:
    slow = Small("slow", cadence=SLOW)
    ran, memory = [], Memory()
    for number in range(1, 13):
        statuses, memory = step([slow], memory, block(number))
        if statuses:
            ran.append(number)
    assert ran == [1, 6, 11]


def test_a_log_of_its_contracts_wakes_a_sleeping_collector_for_the_next_block() -> None:
    slow = Small("slow", cadence=SLOW, watches=frozenset({HERE}))
    _, memory = step([slow], Memory(), block(1))
    _, memory = step([slow], memory, block(2), (log(block(2), THERE),))
    assert memory.woken == frozenset()
    statuses, memory = step([slow], memory, block(3), (log(block(3)),))
    assert statuses == {} and memory.woken == {"slow"}
    statuses, memory = step([slow], memory, block(4))
    assert statuses["slow"] == [Ok()] and memory.woken == frozenset()


def test_a_log_in_the_block_of_its_own_turn_wakes_it_once_more() -> None:
    """Its holders were read at this block already, but nobody says that the log was among what made it due."""
    slow = Small("slow", cadence=SLOW, watches=frozenset({HERE}))
    _, memory = step([slow], Memory(), block(1), (log(block(1)),))
    assert memory.woken == {"slow"}
    _, memory = step([slow], memory, block(2))
    assert memory.woken == frozenset()


def test_who_asks_to_come_again_is_due_at_the_next_block() -> None:
    slow = Small("slow", cadence=SLOW)
    due, _ = plans([slow], Memory(known={"slow": {"again": True}}, ran={"slow": block(1).timestamp}), block(2))
    assert [p.collector.name for p in due] == ["slow"]
    due, _ = plans([slow], Memory(known={"slow": {}}, ran={"slow": block(1).timestamp}), block(2))
    assert due == []


def test_logs_that_are_not_agreed_are_taken_later_and_only_once() -> None:
    events = Small("events", watches=frozenset({HERE}))
    _, memory = step([events], Memory(), block(1), (log(block(1)),))
    assert memory.cursor == 1 and memory.known["events"]["logs"] == 1
    statuses, memory = step([events], memory, block(2), NOT_AGREED)
    assert statuses["events"] == [NOT_AGREED]
    assert memory.cursor == 1, "the next block asks for the logs since block 1 again"
    _, memory = step([events], memory, block(3), (log(block(2)), log(block(3))))
    assert memory.cursor == 3 and memory.known["events"]["logs"] == 3
    _, memory = step([events], memory, block(4))
    assert memory.known["events"]["logs"] == 3


def test_the_memory_survives_a_restart_as_plain_json() -> None:
    memory = Memory({"x": {"logs": 2}}, {"x": 5}, frozenset({"b", "a"}), 9, {"fork": 1})
    known = {**memory.known, PIPELINE: json.loads(json.dumps(memory.to_json()))}
    own = known.pop(PIPELINE)
    assert Memory.from_json(known, own) == memory
    assert Memory.from_json({}, {}) == Memory()
    assert json.dumps(memory.to_json()) == json.dumps(replace(memory, woken=frozenset({"a", "b"})).to_json())
