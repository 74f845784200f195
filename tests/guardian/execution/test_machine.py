"""The way of a pause on a real chain: once, whatever endpoints, people and blocks do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from monitor.guardian.execution import ledger
from monitor.guardian.execution.machine import Executor
from monitor.store import Store
from tests.guardian.execution.bench import OrderBench, judge, row


async def until(worker: Executor, condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await worker.advance_once()
        await asyncio.sleep(0.005)


def is_(store: Store, state: str, id: str = "d1") -> Callable[[], bool]:
    return lambda: row(store, id).state == state


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
