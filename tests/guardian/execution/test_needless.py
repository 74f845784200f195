"""A pause that was not needed, since the target was paused already, is needed when the other pause is reorganised away."""

from __future__ import annotations

from monitor.devnet.accounts import address_of
from monitor.guardian.execution import ledger
from monitor.guardian.responses import kept
from monitor.store import Store
from tests.guardian.execution.bench import OrderBench, judge, row
from tests.guardian.execution.steps import is_, until

RESUME_ROLE = bytes.fromhex("2fc10cc8ae19568712f7a176fb4978616a610650813c9d05326c34abb62749c7")


async def test_it_is_owed_again_and_made_once(orders: OrderBench, book: Store) -> None:
    orders.anvil.mine(2)
    orders.send("guardian_person", "guardian", "pauseTarget", orders.at["vault"])
    judge(book, orders.head(), "d1")
    worker = orders.executor(book)
    await until(worker, is_(book, "refused"))
    orders.anvil.reorg(1)
    orders.anvil.rpc.call("anvil_dropAllTransactions")  # the other pause does not come again
    orders.anvil.mine()
    assert not orders.call("vault", "isPaused")
    await until(worker, is_(book, "orphaned"))
    assert "paused already" in (row(book).note or "") and row(book).standing is False
    for _ in range(3):
        await worker.advance_once()
    assert orders.pauses() == 0, "nobody has said yet that it holds on this branch"
    with book.read() as unit:
        assert not kept(unit, ["d1"])["d1"].is_settled
    judge(book, orders.head(), "d1", open=False)
    await until(worker, is_(book, "reported"))
    assert orders.call("vault", "isPaused") and orders.pauses() == 1 and orders.nonce(0) == 1
    await worker.close()


async def test_it_stays_needless_where_the_other_pause_is_on_the_new_branch_too(orders: OrderBench, book: Store) -> None:
    orders.send("guardian_person", "guardian", "pauseTarget", orders.at["vault"])
    orders.anvil.mine(2)
    judge(book, orders.head(), "d1")
    worker = orders.executor(book)
    await until(worker, is_(book, "refused"))
    first = row(book)
    orders.anvil.reorg(1)
    await until(worker, is_(book, "orphaned"))
    judge(book, orders.head(), "d1", open=False)
    await until(worker, lambda: row(book).state == "refused" and row(book).mined_hash != first.mined_hash)
    assert row(book).note == ledger.NEEDLESS and orders.pauses() == 1 and orders.nonce(0) == 0
    await worker.close()


async def test_who_resumes_a_target_is_not_overruled(orders: OrderBench, book: Store) -> None:
    """Only a block that is gone makes it needed again: not what people decide."""
    orders.send("guardian_person", "guardian", "pauseTarget", orders.at["vault"])
    judge(book, orders.head(), "d1")
    worker = orders.executor(book, settled_blocks=3)
    await until(worker, is_(book, "refused"))
    orders.by_admin("vault", "grantRole", RESUME_ROLE, address_of("governance"))
    orders.by_admin("vault", "resume")
    judge(book, orders.head(), "d1", open=False)
    for _ in range(3):
        await worker.advance_once()
    assert is_(book, "refused")() and orders.pauses() == 1
    orders.anvil.mine(3)
    await worker.advance_once()
    assert row(book).settled_at is not None, "no reorganisation is expected to reach it any more"
    assert not await worker.advance_once()
    await worker.close()


async def test_with_two_rules_on_one_target_the_other_pause_is_made_again_and_this_one_stays_needless(
    orders: OrderBench, book: Store
) -> None:
    orders.anvil.mine(2)
    judge(book, orders.head(), "d1", "d2")
    worker = orders.executor(book)
    await until(worker, lambda: {row(book, i).state for i in ("d1", "d2")} == {"reported", "refused"})
    before = {i: row(book, i).mined_hash for i in ("d1", "d2")}
    orders.anvil.reorg(1)
    await worker.advance_once()
    judge(book, orders.head(), "d1", "d2", open=False)
    await until(
        worker,
        lambda: (
            sorted(row(book, i).state for i in before) == ["refused", "reported"]
            and all(row(book, i).mined_hash != before[i] for i in before)
        ),
    )
    assert orders.pauses() == 1 and orders.call("guardian", "sentinelBudget") == 3
    await worker.close()
