"""Reads and logs at one block from several endpoints, and what each fault makes of them."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from monitor.chain.settings import MULTICALL3
from monitor.model import (
    Address,
    Balance,
    Call,
    Code,
    Disputed,
    Failed,
    Read,
    Reverted,
    Snapshot,
    Storage,
    Value,
)
from tests.chain.conftest import BURNER, CALLER, CODE, COUNTER, GREEDY, LOGGER, REVERTER, SILENT, Node, Watch, Watcher, account

COUNT = Read(COUNTER, Call(b"\x06\x66\x1a\xbd"))
REVERT = Read(REVERTER, Call(b""))
BALANCE = Read(account(0xBEEF), Balance())
STORAGE = Read(COUNTER, Storage(3))
READS = (COUNT, REVERT, BALANCE, STORAGE)
NOBODY: frozenset[Address] = frozenset()
EVERYBODY = ("one", "two", "three")


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


async def read(node: Node, watcher: Watcher, *reads: Read, watch: frozenset[Address] = NOBODY, since: int | None = None) -> Snapshot:
    stamp = node.stamp()
    return await watcher.execution.read(stamp, reads, watch, stamp.number - 1 if since is None else since)


async def test_each_kind_of_read(node: Node, watch: Watch) -> None:
    watcher = await watch()
    node.anvil.rpc.call("anvil_setBalance", BALANCE.target, hex(7 * 10**18))
    node.anvil.rpc.call("anvil_setStorageAt", COUNTER, hex(3), "0x" + word(9).hex())
    node.anvil.mine()
    code, called = Read(COUNTER, Code()), Read(CALLER, Call(b""), caller=account(77))
    snapshot = await read(node, watcher, *READS, code, called, Read(CALLER, Call(b"")))
    assert snapshot.value(COUNT) == word(node.stamp().number)
    assert isinstance(snapshot.answers[REVERT], Reverted) and snapshot.answers[REVERT].data == word(0xAA)
    assert snapshot.value(BALANCE) == word(7 * 10**18)
    assert snapshot.value(STORAGE) == word(9)
    assert snapshot.value(code).hex() == CODE[COUNTER]
    assert snapshot.value(called) == word(77)
    assert snapshot.value(Read(CALLER, Call(b""))) == bytes.fromhex(MULTICALL3[2:]).rjust(32, b"\0")
    assert len(snapshot.agreed) >= 2


async def test_reads_are_of_their_block_and_not_of_a_later_one(node: Node, watch: Watch) -> None:
    watcher = await watch()
    stamp = node.stamp()
    node.anvil.mine(5)
    snapshot = await watcher.execution.read(stamp, READS, NOBODY, stamp.number - 1)
    assert snapshot.value(COUNT) == word(stamp.number)


async def test_a_block_costs_one_message_an_endpoint(node: Node, watch: Watch) -> None:
    watcher = await watch()
    await watcher.follow()
    await watcher.subscribed()
    await watcher.at(node.stamp())
    node.anvil.mine()
    await watcher.at(node.stamp())
    before = [p.messages for p in watcher.proxies]
    await read(node, watcher, *READS, watch=frozenset({LOGGER}))
    await watcher.until(lambda: [p.messages for p in watcher.proxies] == [n + 1 for n in before])
    node.anvil.mine()
    await watcher.at(node.stamp())
    assert all(h.block_messages <= 3 for h in watcher.execution.health())


async def test_logs_are_ranked_by_transaction(node: Node, watch: Watch) -> None:
    watcher = await watch()
    node.log(1)
    node.log(2)
    node.anvil.mine()
    snapshot = await read(node, watcher, watch=frozenset({LOGGER, COUNTER}))
    logs = snapshot.logs_of(LOGGER)
    assert [(log.topics[0], log.index, log.seq) for log in logs] == [(word(1), 0, 0), (word(1), 1, 1), (word(2), 2, 0), (word(2), 3, 1)]
    assert {log.block for log in logs} == {node.stamp()} and logs[0].data == word(0)


async def test_missed_logs_are_made_up_with_the_stamps_of_their_blocks(node: Node, watch: Watch) -> None:
    watcher = await watch()
    await watcher.execution.start()
    since = node.stamp().number
    for topic in range(1, 7):
        node.log(topic)
        node.anvil.mine()
    snapshot = await read(node, watcher, COUNT, watch=frozenset({LOGGER}), since=since)
    logs = snapshot.logs_of(LOGGER)
    assert [int.from_bytes(log.topics[0], "big") for log in logs] == [t for t in range(1, 7) for _ in "ab"]
    assert [log.block for log in logs[::2]] == [node.stamp(since + i) for i in range(1, 7)]


@pytest.mark.parametrize("words", ["results", "size", "range", "wide", "maximum", "server"])
async def test_log_ranges_shrink_to_what_an_endpoint_allows(node: Node, watch: Watch, words: str) -> None:
    watcher = await watch()
    for proxy, blocks in zip(watcher.proxies, (7, 16, 100), strict=True):
        proxy.set(log_limit={"blocks": blocks, "results": 10, "words": words})
    await watcher.follow()
    since = node.stamp().number
    for topic in range(1, 9):
        node.log(topic)
        node.anvil.mine(5)
    await watcher.at(node.stamp())
    snapshot = await read(node, watcher, watch=frozenset({LOGGER}), since=since)
    assert [int.from_bytes(log.topics[0], "big") for log in snapshot.logs_of(LOGGER)] == [t for t in range(1, 9) for _ in "ab"]


async def test_a_block_with_more_logs_than_all_endpoints_give_fails_and_says_so(node: Node, watch: Watch) -> None:
    watcher = await watch(n=1)
    watcher.proxies[0].set(log_limit={"results": 1})
    await watcher.follow()
    since = node.stamp().number
    node.log(1)
    node.anvil.mine(3)
    await watcher.at(node.stamp())
    snapshot = await read(node, watcher, COUNT, watch=frozenset({LOGGER}), since=since)
    assert isinstance(snapshot.logs, Failed) and "single block" in snapshot.logs.reason
    assert isinstance(snapshot.answers[COUNT], Value)


# ---------------------------------------------------------------- one faulty endpoint of three: nothing is lost

FAULTS: list[tuple[dict[str, Any], str | None]] = [
    ({"hang": True}, "timeout"),
    ({"refuse": True}, "connection"),
    ({"prune": 0}, "pruned"),
    ({"error": True}, "rpc"),
    ({"batch_error": True}, "rpc"),
    ({"rate_limit": {"style": "http", "retry_after": 5}}, "rate_limited"),
    ({"rate_limit": {"style": "rpc"}}, "rate_limited"),
    ({"cut_body": True}, "connection"),
    ({"garbage": True}, "malformed"),
    ({"unavailable": True}, "http"),
    ({"ids": "missing"}, "malformed"),
    ({"ids": "twice"}, "malformed"),
    ({"ids": "wrong"}, "malformed"),
    ({"wrong_chain_id": 5}, "rpc"),
    ({"ids": "shuffled"}, None),
    ({"no_multicall": True}, None),
    ({"batch_limit": 2}, None),
    ({"slow_ms": 150}, None),
    ({"lag": 1}, None),
]


@pytest.mark.parametrize(("faults", "kind"), FAULTS, ids=lambda p: next(iter(p)) if isinstance(p, dict) else str(p))
async def test_one_faulty_endpoint_of_three_changes_no_answer(node: Node, watch: Watch, faults: dict[str, Any], kind: str | None) -> None:
    watcher = await watch(sockets=False)
    node.anvil.mine()
    stamp = node.stamp(node.stamp().number - 1) if "prune" in faults else node.stamp()
    watcher.proxies[0].set(**faults)
    snapshot = await watcher.execution.read(stamp, READS, frozenset({LOGGER}), stamp.number - 1)
    assert snapshot.value(COUNT) == word(stamp.number)
    assert isinstance(snapshot.answers[REVERT], Reverted)
    assert snapshot.logs == ()
    if kind is None:
        assert not any(watcher.health("one").errors.get(k) for k in ("malformed", "http", "connection", "rate_limited", "timeout"))
    else:
        await watcher.until(lambda: watcher.health("one").errors.get(kind), 2)
        await watcher.execution.read(stamp, READS, NOBODY, stamp.number - 1)
        await watcher.until(lambda: not watcher.health("one").up, 2)
        assert watcher.health("two").up and not watcher.health("two").errors


@pytest.mark.parametrize(("faults", "kind"), FAULTS[:14], ids=lambda p: next(iter(p)) if isinstance(p, dict) else str(p))
async def test_the_same_fault_of_two_blinds(node: Node, watch: Watch, faults: dict[str, Any], kind: str) -> None:
    watcher = await watch(sockets=False)
    node.anvil.mine()
    stamp = node.stamp(node.stamp().number - 1) if "prune" in faults else node.stamp()
    for proxy in watcher.proxies[:2]:
        proxy.set(**faults)
    snapshot = await watcher.execution.read(stamp, READS, frozenset({LOGGER}), stamp.number - 1)
    assert all(isinstance(answer, Failed) for answer in snapshot.answers.values()) and isinstance(snapshot.logs, Failed)
    assert snapshot.agreed == ()
    assert watcher.health("one").errors[kind] >= 1
    for proxy in watcher.proxies:
        proxy.healthy()
    if "rate_limit" in faults:
        return  # it is left alone for as long as it asked
    snapshot = await watcher.execution.read(node.stamp(), READS, NOBODY, stamp.number - 1)
    assert snapshot.value(COUNT) == word(node.stamp().number)


async def test_a_limited_endpoint_is_left_alone_for_as_long_as_it_asked(node: Node, watch: Watch) -> None:
    watcher = await watch(n=1, sockets=False)
    watcher.proxies[0].set(rate_limit={"retry_after": 0.4})
    await read(node, watcher, COUNT)
    asked = watcher.proxies[0].messages
    watcher.proxies[0].healthy()
    snapshot = await read(node, watcher, COUNT)
    assert isinstance(snapshot.answers[COUNT], Failed) and "backing off" in snapshot.answers[COUNT].reason
    assert watcher.proxies[0].messages == asked
    await asyncio.sleep(0.4)
    assert (await read(node, watcher, COUNT)).value(COUNT) == word(node.stamp().number)


async def test_a_block_that_is_not_known_yet_is_waited_for(node: Node, watch: Watch) -> None:
    watcher = await watch(n=2, sockets=False)
    watcher.proxies[1].set(lag=1)
    asyncio.get_running_loop().call_later(0.25, watcher.proxies[1].healthy)
    snapshot = await read(node, watcher, COUNT, watch=frozenset({LOGGER}))
    assert snapshot.value(COUNT) == word(node.stamp().number) and snapshot.logs == ()
    assert not watcher.health("two").errors


async def test_the_slowest_is_not_waited_for_but_its_dissent_is_counted(node: Node, watch: Watch) -> None:
    watcher = await watch(sockets=False)
    watcher.proxies[2].set(slow_ms=300, lies=[{"target": COUNTER, "selector": "0x06661abd", "add": 1}])
    started = time.monotonic()
    snapshot = await read(node, watcher, *READS)
    assert time.monotonic() - started < 0.25
    assert snapshot.agreed == ("one", "two")
    assert not watcher.health("three").dissent
    await watcher.until(lambda: watcher.health("three").dissent)
    assert watcher.health("three").disputes == 1 and watcher.health("three").up
    assert watcher.execution.agreeing_ratio == pytest.approx(2 / 3)


# ---------------------------------------------------------------- liars

LIE = [{"target": COUNTER, "selector": "0x06661abd", "add": 1000}, {"target": BALANCE.target, "add": 5}]


async def test_a_lone_liar_of_one_is_believed(node: Node, watch: Watch) -> None:
    watcher = await watch(n=1, sockets=False)
    watcher.proxies[0].set(lies=LIE)
    assert (await read(node, watcher, *READS)).value(COUNT) == word(node.stamp().number + 1000)


async def test_a_liar_of_two_makes_a_dispute(node: Node, watch: Watch) -> None:
    watcher = await watch(n=2, sockets=False)
    watcher.proxies[0].set(lies=LIE, omit_logs=True)
    node.log(1)
    node.anvil.mine()
    snapshot = await read(node, watcher, *READS, watch=frozenset({LOGGER}))
    assert isinstance(snapshot.answers[COUNT], Disputed) and isinstance(snapshot.answers[BALANCE], Disputed)
    assert isinstance(snapshot.answers[STORAGE], Value)
    assert isinstance(snapshot.logs, Disputed) and {name for name, _ in snapshot.logs.votes} == {"one", "two"}
    assert snapshot.agreed == ()


async def test_a_liar_of_three_is_outvoted_and_named(node: Node, watch: Watch) -> None:
    watcher = await watch(sockets=False)
    watcher.proxies[1].set(lies=LIE, omit_logs=True)
    node.log(1)
    node.anvil.mine()
    snapshot = await read(node, watcher, *READS, watch=frozenset({LOGGER}))
    assert snapshot.value(COUNT) == word(node.stamp().number) and snapshot.value(BALANCE) == word(0)
    assert len(snapshot.logs_of(LOGGER)) == 2 and "two" not in snapshot.agreed
    await watcher.until(lambda: watcher.health("two").disputes == 3)
    assert watcher.health("two").dissent and not watcher.health("one").dissent
    watcher.proxies[1].healthy()
    await read(node, watcher, *READS)
    await watcher.until(lambda: not watcher.health("two").dissent)
    assert watcher.health("two").disputes == 3


async def test_two_liars_of_three_are_believed_which_is_why_operators_must_differ(node: Node, watch: Watch) -> None:
    watcher = await watch(sockets=False)
    for proxy in watcher.proxies[:2]:
        proxy.set(lies=LIE)
    assert (await read(node, watcher, *READS)).value(COUNT) == word(node.stamp().number + 1000)


async def test_a_liar_and_two_outages_are_unknown(node: Node, watch: Watch) -> None:
    watcher = await watch(sockets=False)
    watcher.proxies[0].set(lies=LIE)
    watcher.proxies[1].set(refuse=True)
    watcher.proxies[2].set(hang=True)
    snapshot = await read(node, watcher, *READS)
    assert all(isinstance(answer, Failed) for answer in snapshot.answers.values()) and snapshot.agreed == ()


# ---------------------------------------------------------------- the bundle on chain


async def test_a_call_that_starves_behind_others_is_asked_again_alone(node: Node, watch: Watch) -> None:
    watcher = await watch(n=1, sockets=False)
    burners = [Read(BURNER, Call(word(i))) for i in range(3)]
    greedy, silent = Read(GREEDY, Call(b"")), Read(SILENT, Call(b""))
    snapshot = await read(node, watcher, *burners, greedy, silent)
    assert snapshot.value(greedy) == word(7)
    assert snapshot.answers[silent] == Reverted(b"", ("one",)) == snapshot.answers[burners[0]]
    node.anvil.mine()
    before = watcher.proxies[0].messages
    await read(node, watcher, silent, COUNT)
    assert watcher.proxies[0].messages == before + 1  # known to be silent by now


async def test_without_multicall_calls_go_one_by_one(node: Node, watch: Watch) -> None:
    watcher = await watch(n=2, sockets=False)
    watcher.proxies[0].set(no_multicall=True)
    for _ in range(2):
        snapshot = await read(node, watcher, *READS)
        assert snapshot.value(COUNT) == word(node.stamp().number)
    assert watcher.proxies[0].asked["eth_call"] == 1 + 2 + 2


async def test_reads_at_a_block_that_is_gone_end_at_once(node: Node, watch: Watch) -> None:
    watcher = await watch(block_deadline_seconds=5)
    await watcher.follow()
    await watcher.subscribed()
    await watcher.at(node.stamp())
    node.anvil.mine(2)
    gone = node.stamp()
    await watcher.at(gone)
    for proxy in watcher.proxies:
        proxy.set(slow_ms=300)
    reading = asyncio.create_task(watcher.execution.read(gone, READS, NOBODY, gone.number - 1))
    await asyncio.sleep(0.05)
    node.anvil.reorg(1)
    snapshot = await asyncio.wait_for(reading, 3)
    answer = snapshot.answers[COUNT]
    assert isinstance(answer, (Failed, Value))
    assert isinstance(answer, Value) or "no longer on the chain" in answer.reason or "does not know" in answer.reason


async def test_nothing_to_read_is_an_empty_snapshot(node: Node, watch: Watch) -> None:
    watcher = await watch(sockets=False)
    snapshot = await read(node, watcher)
    assert snapshot.answers == {} and snapshot.logs == () and snapshot.agreed == ()


async def test_one_answer_is_enough_where_no_quorum_is_asked(node: Node, watch: Watch) -> None:
    watcher = await watch(sockets=False)
    for proxy in watcher.proxies[:2]:
        proxy.set(refuse=True)
    loose = Read(COUNTER, COUNT.what, quorum=False)
    snapshot = await read(node, watcher, COUNT, loose)
    assert snapshot.value(loose) == word(node.stamp().number)
    assert isinstance(snapshot.answers[COUNT], Failed)


async def test_who_hangs_longer_than_a_block_is_down(node: Node, watch: Watch) -> None:
    watcher = await watch(sockets=False, request_seconds=5, block_deadline_seconds=5)
    watcher.proxies[2].set(hang=True)
    await read(node, watcher, COUNT)
    await asyncio.sleep(0.3)
    assert await read(node, watcher, COUNT)
    assert not watcher.health("three").up and watcher.health("three").errors == {"timeout": 1}
    assert watcher.execution.agreeing_ratio == pytest.approx(2 / 3)


async def test_blocks_made_up_in_haste_do_not_make_a_slower_endpoint_look_down(node: Node, watch: Watch) -> None:
    watcher = await watch(sockets=False, block_seconds=12)
    await read(node, watcher, COUNT)
    await watcher.until(lambda: watcher.execution.agreeing_ratio == 1)
    watcher.proxies[2].set(slow_ms=100)
    for _ in range(3):
        await read(node, watcher, COUNT)
    assert watcher.health("three").up and not watcher.health("three").errors
    assert watcher.execution.agreeing_ratio == 1
