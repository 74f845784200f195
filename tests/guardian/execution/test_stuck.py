"""Nothing waits for ever, nobody is held up by what is over, and people hear of what does not move."""

from __future__ import annotations

import time
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col

from monitor.guardian import contract as guardian
from monitor.guardian.execution import ledger
from monitor.store import Store
from monitor.store.tables.guardian import OrderRow
from tests.guardian.bench import Relay
from tests.guardian.execution.bench import AGE, DURATION, SENDERS, OrderBench, document, judge, pause, row, values
from tests.guardian.execution.steps import Forward, is_, swallowing, until

GWEI = 10**9


def capped(orders: OrderBench) -> str:
    """A cap that the first offer reaches, so that no replacement is allowed."""
    base = int(orders.anvil.rpc.call("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16)
    return str((base + 3 * GWEI) / GWEI)


# ---------------------------------------------------------------- what is over holds up nobody


async def test_a_transaction_whose_order_died_in_the_pool_is_given_up_and_its_nonce_used_again(
    orders: OrderBench, book: Store, relay: Relay
) -> None:
    """It was dropped, its order is too old and nothing holds any more: the next pauses must neither wait for it nor behind its nonce."""
    mute = [True]
    relay.handler = swallowing(0, keep=lambda: mute[0])
    judge(book, orders.head(), "d1")
    worker = orders.executor(book, relay.url)
    await until(worker, is_(book, "sent"))
    orders.anvil.mine()
    judge(book, orders.head())
    orders.anvil.mine(AGE + 1)
    await until(worker, is_(book, "withdrawn"), 5)
    mute[0] = False
    judge(book, orders.head(), "d2")
    await until(worker, is_(book, "reported", "d2"), 10)
    assert orders.pauses() == 1 and orders.nonce(0) == 1
    await worker.close()


async def test_as_long_as_an_order_lives_its_pause_is_not_given_up(orders: OrderBench, book: Store, relay: Relay) -> None:
    """Anybody may still submit it: when that happens it is our pause."""
    relay.handler = swallowing(0)
    judge(book, orders.head(), "d1")
    worker = orders.executor(book, relay.url, max_age_blocks=2)
    await until(worker, is_(book, "sent"))
    raw = pause(book).alive[-1].raw
    orders.anvil.mine()
    judge(book, orders.head())
    orders.anvil.mine(4)
    await worker.advance_once()
    assert row(book).state == "sent", "no higher offer for what does not hold any more"
    orders.anvil.rpc.call("eth_sendRawTransaction", raw)
    await until(worker, is_(book, "reported"), 5)
    await worker.close()


async def test_another_rule_is_not_held_up_by_an_orphaned_pause_that_nothing_asks_for(orders: OrderBench, book: Store) -> None:
    orders.anvil.mine(2)
    judge(book, orders.head(), "d1")
    worker = orders.executor(book)
    await until(worker, is_(book, "reported"))
    orders.anvil.reorg(2)
    judge(book, orders.head())
    await until(worker, is_(book, "orphaned"))
    orders.anvil.mine()
    judge(book, orders.head(), "d2")
    await until(worker, is_(book, "reported", "d2"), 5)
    assert orders.pauses() == 1
    await worker.close()


def both(book: Store, orders: OrderBench) -> None:
    """The vault's and the pool's pause, decided at one block."""
    at = orders.head()
    with book.begin() as unit:
        for name in ("vault", "pool"):
            ledger.decide(unit, values(name, at, name))
        ledger.observe(unit, at, {name: document(at, name) for name in ("vault", "pool")}, time.time())


async def test_a_pause_behind_a_useless_transaction_takes_its_place(orders: OrderBench, book: Store, relay: Relay) -> None:
    """Both wait in the pool, one behind the other; people make the first needless, and nobody raises its offer any more."""
    mute = [True]
    relay.handler = swallowing(0, keep=lambda: mute[0])
    both(book, orders)
    worker = orders.executor(book, relay.url, max_age_blocks=4)
    await until(worker, lambda: is_(book, "sent", "vault")() and is_(book, "sent", "pool")())
    first, second = sorted(("vault", "pool"), key=lambda name: pause(book, name).alive[-1].nonce)
    orders.send("guardian_person", "guardian", "pauseTarget", orders.at[first])
    await until(worker, is_(book, "refused", first))
    mute[0] = False
    orders.anvil.mine()
    await until(worker, is_(book, "reported", second), 10)
    (useless,), found = pause(book, first).transactions, pause(book, second).transactions
    taken = next(t for t in found if t.hash == row(book, second).mined_tx)
    assert taken.nonce == useless.nonce == 0 and taken.max_fee * 8 >= useless.max_fee * 9
    await worker.close()


async def test_a_useless_transaction_at_the_cap_that_was_dropped_blocks_nothing(orders: OrderBench, book: Store, relay: Relay) -> None:
    """It cannot be outbid; but no pool has it any more, so its nonce is free."""
    mute = [True]
    relay.handler = swallowing(0, keep=lambda: mute[0])
    judge(book, orders.head(), "d1")
    worker = orders.executor(book, relay.url, max_fee_gwei=capped(orders))
    await until(worker, is_(book, "sent"))
    orders.send("guardian_person", "guardian", "pauseTarget", orders.at["vault"])
    await until(worker, is_(book, "refused"))
    mute[0] = False
    judge(book, orders.head(), "d2", target="pool")
    await until(worker, is_(book, "reported", "d2"), 5)
    await worker.close()


async def test_what_cannot_be_outbid_is_shown_to_all_when_its_private_time_is_over(orders: OrderBench, book: Store, relay: Relay) -> None:
    """The private endpoint keeps it to itself, and the cap allows no other offer: the same bytes go to the public ones."""
    relay.handler = swallowing(0)
    submission = [{"name": "quiet", "url": relay.url, "private": True}]
    judge(book, orders.head(), "d1")
    worker = orders.executor(book, submission=submission, private_blocks=2, max_fee_gwei=capped(orders))
    await until(worker, is_(book, "sent"))
    orders.anvil.mine()
    await worker.advance_once()
    assert orders.pauses() == 0
    orders.anvil.mine()
    await until(worker, is_(book, "reported"), 5)
    (sent,) = pause(book).transactions
    assert not sent.private and orders.pauses() == 1
    await worker.close()


async def test_a_cooldown_is_waited_for_and_told_since_the_cause_may_outlast_it(orders: OrderBench, book: Store) -> None:
    orders.by_admin("guardian", "setLimits", orders.at["vault"], (DURATION, 2 * DURATION, 10 * DURATION, 3600, 300_000, 2))
    orders.by_admin("guardian", "arm", orders.at["vault"])
    judge(book, orders.head(), "d1")
    worker = orders.executor(book, stuck_blocks=2)
    await until(worker, is_(book, "reported"))
    orders.anvil.increase_time(DURATION + 60)
    orders.anvil.mine()
    for n in range(3):
        orders.anvil.mine()
        judge(book, orders.head(), "d2", open=n == 0)
        await worker.advance_once()
    found = row(book, "d2")
    assert found.state == "gathered" and "cooldown" in (found.note or "") and found.paged_at is not None
    orders.anvil.increase_time(3600)
    orders.anvil.mine()
    judge(book, orders.head(), "d2", open=False)
    await until(worker, is_(book, "reported", "d2"), 5)
    assert orders.pauses() == 2
    await worker.close()


# ---------------------------------------------------------------- offers


async def test_a_second_sender_raises_once_a_block_though_the_first_cannot(orders: OrderBench, book: Store, relay: Relay) -> None:
    relay.handler = swallowing(0, 3)
    judge(book, orders.head(), "d1")
    worker = orders.executor(book, relay.url, senders=2, stuck_blocks=1)
    await until(worker, is_(book, "sent"))
    orders.anvil.mine()
    await worker.advance_once()
    assert {t.sender for t in pause(book).alive} == {SENDERS[0].address, SENDERS[3].address}
    orders.anvil.set_balance(SENDERS[0].address, 1)
    for _ in range(2):
        orders.anvil.mine()
        before = len(pause(book).transactions)
        for _ in range(4):
            await worker.advance_once()
        assert len(pause(book).transactions) == before + 1, "one offer a block"
    await worker.close()


# ---------------------------------------------------------------- people hear of it


def no_gas(call: str) -> Any:
    """An endpoint whose answer to a call of the guardian is neither its result nor a revert."""

    def handle(method: str, params: list[Any], forward: Forward) -> Any:
        if method == "eth_call" and params[0]["data"].startswith(call):
            return {"error": {"code": -32000, "message": "out of gas"}}
        return forward()

    return handle


async def test_people_are_told_when_no_majority_answers_a_question_of_the_way(orders: OrderBench, book: Store, relay: Relay) -> None:
    relay.handler = no_gas("0x" + guardian.CHECK_ORDER.selector.hex())
    worker = orders.executor(book, relay.url, stuck_blocks=2)
    for _ in range(3):
        assert row_or_none(book) is None or row(book).paged_at is None
        orders.anvil.mine()
        judge(book, orders.head(), "d1")
        await worker.advance_once()
    found = row(book)
    assert found.paged_at is not None and "out of gas" in (found.note or "") and "pauseTarget(" in (found.note or "")
    await worker.close()


async def test_a_reorganised_pause_has_its_time_again_before_people_are_told(orders: OrderBench, book: Store, relay: Relay) -> None:
    """It was decided many blocks ago, and has been on its way again for none."""
    orders.anvil.mine(2)
    judge(book, orders.head(), "d1")
    worker = orders.executor(book, relay.url, stuck_blocks=3)
    await until(worker, is_(book, "reported"))
    orders.anvil.mine(4)
    orders.anvil.reorg(6)
    judge(book, orders.head())
    await until(worker, is_(book, "orphaned"))
    relay.handler = no_gas("0x" + guardian.CHECK_ORDER.selector.hex())
    for _ in range(3):
        judge(book, orders.head(), "d1", open=False)
        await worker.advance_once()
        assert row(book).paged_at is None, row(book).note
        orders.anvil.mine()
    judge(book, orders.head(), "d1", open=False)
    await worker.advance_once()
    assert row(book).paged_at is not None
    await worker.close()


def row_or_none(book: Store) -> Any:
    with book.read() as unit:
        return next(iter(ledger.open_pauses(unit)), None)


async def test_an_error_of_the_program_is_written_and_told_and_holds_up_no_other(orders: OrderBench, book: Store) -> None:
    both(book, orders)
    worker = orders.executor(book, stuck_blocks=1)
    with book.begin() as unit:  # a row that nobody should have written
        unit.conn.execute(update(OrderRow).where(col(OrderRow.pause) == "vault").values(decision="0xzz"))
    await until(worker, is_(book, "reported", "pool"), 5)
    orders.anvil.mine()
    await worker.advance_once()
    assert "ValueError" in (row(book, "vault").note or "") and row(book, "vault").paged_at is not None
    await worker.close()


async def test_people_are_told_when_the_order_in_the_pool_died_and_no_newer_one_has_enough_signatures(
    orders: OrderBench, book: Store, relay: Relay
) -> None:
    relay.handler = swallowing(0)
    judge(book, orders.head(), "d1")
    worker = orders.executor(book, relay.url, stuck_blocks=2)
    await until(worker, is_(book, "sent"))
    orders.by_admin("guardian", "setThreshold", 2)
    for _ in range(2):
        orders.anvil.mine()
        judge(book, orders.head(), "d1", open=False)
        await worker.advance_once()
    assert row(book).paged_at is not None
    await worker.close()


async def test_a_decision_that_holds_again_much_later_pages_nobody_at_once(trio: OrderBench, book: Store) -> None:
    judge(book, trio.head(), "d1")
    worker = trio.executor(book, max_age_blocks=2, stuck_blocks=3)
    await worker.advance_once()
    trio.anvil.mine()
    judge(book, trio.head())
    trio.anvil.mine(AGE + 1)
    await until(worker, is_(book, "withdrawn"), 5)
    judge(book, trio.head(), "d1")
    await worker.advance_once()
    found = row(book)
    assert found.state == "signed" and found.paged_at is None
    assert list(ledger.latencies(found)) == ["signed"] and ledger.latencies(found)["signed"] >= 0
    await worker.close()


# ---------------------------------------------------------------- read back


@pytest.mark.parametrize(("late", "state"), [(1, "reported"), (99, "failed")])
async def test_an_event_that_is_told_late_is_waited_for_and_one_that_never_comes_is_a_failure(
    orders: OrderBench, book: Store, relay: Relay, late: int, state: str
) -> None:
    """Endpoints behind a load balancer may know a block before its logs: that is not a pause that failed."""
    asked: list[int] = []

    def handle(method: str, params: list[Any], forward: Forward) -> Any:
        if method == "eth_getLogs" and "blockHash" in params[0]:
            asked.append(1)
            return {"result": []} if len(asked) <= late else forward()
        return forward()

    relay.handler = handle
    judge(book, orders.head(), "d1")
    worker = orders.executor(book, relay.url, stuck_blocks=2)
    await until(worker, lambda: is_(book, "mined")() and bool(row(book).note))
    assert "event" in (row(book).note or "")
    orders.anvil.mine(2)
    await until(worker, is_(book, state), 5)
    await worker.close()


# ---------------------------------------------------------------- clocks


async def test_a_leader_whose_clock_is_behind_signs_the_newest_block_all_the_same(trio: OrderBench, book: Store) -> None:
    judge(book, trio.head(), "d1")
    worker = trio.executor(book)
    await worker.advance_once()
    trio.anvil.mine()
    at = trio.head()
    with book.begin() as unit:
        ledger.observe(unit, at, {"d1": document(at, "vault", "g/d1")}, time.time() - 60)
    await worker.advance_once()
    assert [s.number for s in pause(book).signed] == [at.number - 1, at.number]
    await worker.close()
