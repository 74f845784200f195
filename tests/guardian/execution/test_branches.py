"""A pause on a chain that reorganises: what holds on the new branch goes out again, and nothing else."""

from __future__ import annotations

import time

from monitor.store import Store
from tests.guardian.execution.bench import OrderBench, judge, pause, row
from tests.guardian.execution.steps import is_, until


async def test_an_observed_block_that_is_gone_pauses_nothing_until_the_new_branch_shows_the_same(orders: OrderBench, book: Store) -> None:
    orders.anvil.mine(3)
    judge(book, orders.head(), "d1")
    orders.anvil.reorg(2)
    worker = orders.executor(book)
    for _ in range(3):
        await worker.advance_once()
    assert row(book).state == "decided" and not pause(book).signed and orders.nonce(0) == 0
    judge(book, orders.head(), "d1", open=False)
    await until(worker, is_(book, "reported"))
    assert orders.pauses() == 1
    await worker.close()


async def test_a_pause_that_is_reorganised_away_goes_out_again(orders: OrderBench, book: Store) -> None:
    """The observed block is still there: the same bytes, the same nonce."""
    orders.anvil.mine(2)
    judge(book, orders.head(), "d1")
    worker = orders.executor(book)
    await until(worker, is_(book, "reported"))
    first = row(book)
    orders.anvil.reorg(1)
    assert orders.pauses() == 0 and not orders.call("vault", "isPaused")
    states = set()
    deadline = time.monotonic() + 20
    while not (row(book).state == "reported" and row(book).mined_hash != first.mined_hash):
        assert time.monotonic() < deadline
        await worker.advance_once()
        states.add(row(book).state)
    assert row(book).mined_tx == first.mined_tx and orders.pauses() == 1 and orders.nonce(0) == 1
    await worker.close()


async def test_a_pause_whose_observed_block_is_reorganised_too_is_judged_signed_and_sent_again(orders: OrderBench, book: Store) -> None:
    orders.anvil.mine(2)
    judge(book, orders.head(), "d1")
    worker = orders.executor(book)
    await until(worker, is_(book, "reported"))
    first = row(book)
    orders.anvil.reorg(2)
    judge(book, orders.head())  # the rewound pipeline has judged nothing yet
    for _ in range(3):
        await worker.advance_once()
    assert row(book).state == "orphaned" and orders.pauses() == 0 and orders.nonce(0) == 0
    assert row(book).execution is None and row(book).verified_at is None
    judge(book, orders.head(), "d1", open=False)
    await until(worker, is_(book, "reported"))
    assert row(book).mined_tx != first.mined_tx and row(book).order != first.order
    assert orders.pauses() == 1 and orders.nonce(0) == 1
    fees = [t.max_fee for t in pause(book).transactions]
    assert fees[1] * 8 >= fees[0] * 9 and len({t.nonce for t in pause(book).transactions}) == 1
    await worker.close()


async def test_a_reorganised_pause_that_nothing_asks_for_any_more_is_withdrawn(orders: OrderBench, book: Store) -> None:
    orders.anvil.mine(2)
    judge(book, orders.head(), "d1")
    worker = orders.executor(book, max_age_blocks=2)
    await until(worker, is_(book, "reported"))
    orders.anvil.reorg(2)
    judge(book, orders.head())
    orders.anvil.mine(3)
    await until(worker, is_(book, "withdrawn"))
    assert orders.pauses() == 0
    await worker.close()
