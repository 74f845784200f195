"""The way of a pause on a real chain: signed while it holds, sent once, proven, told."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from monitor.devnet.accounts import address_of
from monitor.guardian import contract as guardian
from monitor.guardian.execution import ledger
from monitor.guardian.order import Order, digest, pack
from monitor.store import Store
from tests.guardian.bench import Relay
from tests.guardian.execution.bench import CHAIN_ID, SENDERS, SENTINELS, OrderBench, document, judge, pause, row, values
from tests.guardian.execution.steps import Forward, is_, swallowing, until

# ---------------------------------------------------------------- the way


async def test_a_decision_becomes_a_pause_that_is_proven_and_told_once(orders: OrderBench, book: Store) -> None:
    told = []
    judge(book, orders.head(), "d1")
    worker = orders.executor(book)
    worker.room.tell = lambda unit, report: told.append(report)
    await until(worker, is_(book, "reported"))
    found = row(book)
    assert orders.call("vault", "isPaused") and orders.pauses() == 1 and orders.nonce(0) == 1
    assert found.resumes_timestamp == orders.call("vault", "getResumeSinceTimestamp")
    assert list(ledger.latencies(found)) == ["signed", "gathered", "simulated", "sent", "mined", "verified", "reported"]
    steps = [*ledger.latencies(found).values()]
    assert steps == sorted(steps)
    assert len(told) == 1 and told[0].tx == found.mined_tx and told[0].block == found.observed_number + 1
    assert not await worker.advance_once() and len(told) == 1
    await worker.close()


async def test_the_execution_tells_who_signed_what_was_sent_and_what_came_of_it(orders: OrderBench, book: Store) -> None:
    at = orders.head()
    judge(book, at, "d1")
    worker = orders.executor(book)
    await until(worker, is_(book, "reported"))
    found = json.loads(row(book).execution or "")
    order = Order(orders.at["vault"], found["order"]["epoch"], bytes.fromhex(found["decision"][2:]), at.number, at.hash)
    assert found["order"]["digest"] == "0x" + digest(order, CHAIN_ID, orders.at["guardian"]).hex()
    assert found["decision"] == "0x" + ledger.document_digest(document(at, "vault", "g/d1")).hex()
    assert set(found["signatures"]) == {SENTINELS[0].address}
    (sent,) = found["transactions"]
    assert sent["hash"] == found["mined"]["tx"] and sent["sender"] == SENDERS[0].address
    assert found["read_back"]["paused"] and set(found["latencies_seconds"]) == set(ledger.latencies(row(book)))
    await worker.close()


async def test_run_pauses_when_woken(orders: OrderBench, book: Store) -> None:
    worker = orders.executor(book, poll_seconds=60)
    task = asyncio.create_task(worker.run())
    judge(book, orders.head(), "d1")
    worker.wake()
    deadline = time.monotonic() + 20
    while row(book).state != "reported":
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await worker.close()


async def test_a_settled_pause_is_closed(orders: OrderBench, book: Store) -> None:
    judge(book, orders.head(), "d1")
    worker = orders.executor(book, settled_blocks=3)
    await until(worker, is_(book, "reported"))
    assert row(book).settled_at is None
    orders.anvil.mine(3)
    await worker.advance_once()
    assert row(book).settled_at is not None
    with book.read() as unit:
        assert ledger.open_pauses(unit) == []
    await worker.close()


# ---------------------------------------------------------------- only while it holds


async def test_what_does_not_hold_any_more_is_neither_signed_nor_sent(orders: OrderBench, book: Store) -> None:
    judge(book, orders.head(), "d1")
    orders.anvil.mine()
    judge(book, orders.head())  # unknown, or over
    worker = orders.executor(book, max_age_blocks=2)
    await worker.advance_once()
    assert row(book).state == "decided" and not pause(book).signed
    orders.anvil.mine(3)
    await until(worker, is_(book, "withdrawn"))
    assert orders.nonce(0) == 0 and "held last" in (row(book).note or "")
    await worker.close()


async def test_what_was_judged_long_ago_is_history_though_nothing_newer_was_judged(orders: OrderBench, book: Store) -> None:
    """Judging has stopped: nobody knows what holds at the head."""
    judge(book, orders.head(), "d1")
    orders.anvil.mine(9)
    worker = orders.executor(book)
    await worker.advance_once()
    assert row(book).standing and row(book).state == "decided" and not pause(book).signed
    judge(book, orders.head(), "d1")
    await until(worker, is_(book, "reported"))
    assert orders.pauses() == 1
    await worker.close()


async def test_a_signed_order_is_not_sent_when_the_decision_ends_and_is_when_it_holds_again(
    orders: OrderBench, book: Store, relay: Relay
) -> None:
    judge(book, orders.head(), "d1")
    worker = orders.executor(book, relay.url)

    def over(method: str, params: list[Any], forward: Forward) -> Any:
        if method == "eth_getLogs" and row(book).state == "gathered" and row(book).standing:
            judge(book, orders.head())
        return forward()

    relay.handler = over
    for _ in range(3):
        await worker.advance_once()
    assert orders.nonce(0) == 0 and "does not hold" in (row(book).note or "")
    relay.handler = lambda method, params, forward: forward()
    orders.anvil.mine()
    judge(book, orders.head(), "d1", open=False)
    await until(worker, is_(book, "reported"))
    assert orders.pauses() == 1
    await worker.close()


async def test_every_block_at_which_it_holds_is_signed_and_the_newest_is_carried_out(trio: OrderBench, book: Store) -> None:
    worker = trio.executor(book)
    for _ in range(3):
        trio.anvil.mine()
        judge(book, trio.head(), "d1")
        await worker.advance_once()
    signed = pause(book).signed
    assert [s.number for s in signed] == [trio.head().number - i for i in (2, 1, 0)]
    assert len({s.digest for s in signed}) == 3 and row(book).state == "signed"
    assert "fewer than 2 live sentinels" in (row(book).note or "")
    await worker.close()


# ---------------------------------------------------------------- not twice, no budget lost


async def test_two_rules_on_one_target_pause_it_once(orders: OrderBench, book: Store) -> None:
    judge(book, orders.head(), "d1", "d2")
    worker = orders.executor(book)
    await until(worker, lambda: {row(book, i).state for i in ("d1", "d2")} == {"reported", "refused"})
    assert row(book, "d2").note == ledger.NEEDLESS
    assert orders.pauses() == 1 and orders.nonce(0) == 1
    assert orders.call("guardian", "sentinelBudget") == 3 and orders.call("guardian", "target", orders.at["vault"])[3] == 1
    with book.read() as unit:
        assert ledger.outcomes(unit, 0) == {("vault", "verified"): 1, ("vault", "needless"): 1}
    await worker.close()


async def test_two_targets_in_one_block_are_both_paused(orders: OrderBench, book: Store) -> None:
    orders.anvil.rpc.call("evm_setAutomine", False)
    at = orders.head()
    with book.begin() as unit:
        for name in ("vault", "pool"):
            ledger.decide(unit, values(name, at, name))
        ledger.observe(unit, at, {name: document(at, name) for name in ("vault", "pool")}, time.time())
    worker = orders.executor(book)
    await until(worker, lambda: is_(book, "sent", "vault")() and is_(book, "sent", "pool")())
    orders.anvil.mine()
    await until(worker, lambda: is_(book, "reported", "vault")() and is_(book, "reported", "pool")())
    assert {row(book, n).mined_number for n in ("vault", "pool")} == {at.number + 1}
    assert orders.pauses() == 2 and orders.nonce(0) == 2 and orders.call("guardian", "sentinelBudget") == 2
    await worker.close()


async def test_what_somebody_else_submits_is_our_pause_too(orders: OrderBench, book: Store, relay: Relay) -> None:
    """Our own transaction never gets anywhere; a stranger takes the signed order and submits it."""
    judge(book, orders.head(), "d1")
    relay.handler = swallowing(0)
    worker = orders.executor(book, relay.url)
    await until(worker, is_(book, "sent"))
    found = pause(book).signed[-1]
    stranger = address_of("staker_0")
    data = guardian.execute_calldata(found.order, pack({SENTINELS[0].address: found.signature}))
    tx = {"from": stranger, "to": orders.at["guardian"], "data": "0x" + data.hex(), "gas": hex(3_000_000)}
    hash = orders.anvil.rpc.call("eth_sendTransaction", tx)
    await until(worker, is_(book, "reported"))
    assert row(book).mined_tx == hash and orders.nonce(0) == 0 and orders.pauses() == 1
    await worker.close()


async def test_a_target_that_people_paused_is_left_alone(orders: OrderBench, book: Store) -> None:
    orders.send("guardian_person", "guardian", "pauseTarget", orders.at["vault"])
    judge(book, orders.head(), "d1")
    worker = orders.executor(book)
    await until(worker, is_(book, "refused"))
    assert row(book).note == ledger.NEEDLESS and orders.nonce(0) == 0
    await worker.close()


async def test_a_person_who_is_quicker_makes_our_transaction_revert_and_nothing_else(orders: OrderBench, book: Store, relay: Relay) -> None:
    def overtaken(method: str, params: list[Any], forward: Forward) -> Any:
        if method == "eth_sendRawTransaction":
            orders.send("guardian_person", "guardian", "pauseTarget", orders.at["vault"])
        return forward()

    relay.handler = overtaken
    judge(book, orders.head(), "d1")
    worker = orders.executor(book, relay.url)
    await until(worker, is_(book, "refused"))
    assert row(book).note == ledger.NEEDLESS and orders.call("guardian", "sentinelBudget") == 4 and orders.pauses() == 1
    await worker.close()
