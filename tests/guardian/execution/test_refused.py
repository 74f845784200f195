"""What the contract forbids is found before anything is sent, and said with its reason."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.store import Store
from tests.guardian.execution.bench import PAUSE_ROLE, OrderBench, judge, pause, row
from tests.guardian.execution.steps import is_, until


@pytest.mark.parametrize(
    ("by", "call", "said"),
    [
        ("guardian_person", ("disarm", "vault"), "not armed"),
        ("guardian_person", ("stopSentinels",), "stopped"),
        ("governance", ("setSentinelBudget", 0), "budget over all targets"),
        ("governance", ("unregister", "vault"), "not registered"),
    ],
)
async def test_what_forbids_every_order_fails_with_its_reason(
    orders: OrderBench, book: Store, by: str, call: tuple[Any, ...], said: str
) -> None:
    function, *arguments = call
    orders.send(by, "guardian", function, *[orders.at.get(a, a) if isinstance(a, str) else a for a in arguments])
    judge(book, orders.head(), "d1")
    worker = orders.executor(book)
    await until(worker, is_(book, "failed"))
    assert said in (row(book).note or "") and orders.nonce(0) == 0
    await worker.close()


async def test_a_lever_that_would_revert_is_found_before_anything_is_sent(orders: OrderBench, book: Store) -> None:
    orders.by_admin("vault", "revokeRole", PAUSE_ROLE, orders.at["guardian"])
    judge(book, orders.head(), "d1")
    worker = orders.executor(book)
    await until(worker, is_(book, "failed"))
    assert "right to pause" in (row(book).note or "") and orders.nonce(0) == 0
    await worker.close()


async def test_a_cancelled_order_ends_the_episode(trio: OrderBench, book: Store) -> None:
    """The contract voids one block's order; our sentinel takes it as a no to all that follow."""
    judge(book, trio.head(), "d1")
    worker = trio.executor(book)
    await until(worker, lambda: bool(pause(book).signed))
    trio.send("guardian_person", "guardian", "cancel", pause(book).signed[-1].order.struct)
    trio.anvil.mine()
    judge(book, trio.head(), "d1")
    await until(worker, is_(book, "refused"))
    assert "cancelled the order" in (row(book).note or "")
    trio.anvil.mine()
    judge(book, trio.head(), "d1")
    assert row(book).state == "refused", "the same episode is not opened again"
    await worker.close()


async def test_in_shadow_the_order_is_told_on_chain_and_nothing_is_paused(orders: OrderBench, book: Store) -> None:
    orders.by_admin("guardian", "shadow", orders.at["vault"])
    judge(book, orders.head(), "d1")
    worker = orders.executor(book)
    await until(worker, is_(book, "shadowed"))
    assert orders.pauses() == 0 and orders.nonce(0) == 1 and not orders.call("vault", "isPaused")
    await worker.close()


async def test_arming_anew_voids_the_order_and_the_next_block_is_signed(orders: OrderBench, book: Store) -> None:
    """Epochs rise between signing and sending: the old order would revert, so it is not sent."""
    judge(book, orders.head(), "d1")
    mute = orders.executor(book, senders=0)
    await until(mute, is_(book, "simulated"))
    orders.by_admin("guardian", "arm", orders.at["vault"])
    judge(book, orders.head(), "d1")
    worker = orders.executor(book)
    await until(worker, is_(book, "reported"))
    assert len({s.row.epoch for s in pause(book).signed}) == 2
    assert orders.pauses() == 1 and orders.nonce(0) == 1
    await mute.close()
    await worker.close()


async def test_an_unknown_target_fails(orders: OrderBench, book: Store) -> None:
    judge(book, orders.head(), "d1", target="elsewhere")
    worker = orders.executor(book)
    await until(worker, is_(book, "failed"))
    assert "elsewhere" in (row(book).note or "")
    await worker.close()
