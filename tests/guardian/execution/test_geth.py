"""The same way with geth's manners: a pool that keeps what is underpriced and refuses weak replacements, and orphaned transactions that come back."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from monitor.devnet.gateway import Gateway, Jam
from monitor.devnet.proxies import EndpointProxy
from monitor.guardian.execution.machine import Executor
from monitor.store import Store
from tests.guardian.execution.bench import OrderBench, judge, pause, row
from tests.guardian.execution.steps import is_, until

NAMES = ("alpha", "bravo", "charlie")
GWEI = 10**9


class Net:
    """The bench's chain behind three endpoints of geth's kind; blocks are made by hand."""

    def __init__(self, bench: OrderBench, gateway: Gateway, urls: list[str]) -> None:
        self.bench, self.gateway, self.urls = bench, gateway, urls

    async def mine(self, blocks: int = 1) -> None:
        for _ in range(blocks):
            self.bench.anvil.mine()
            await self.gateway.settled()

    async def reorg(self, depth: int) -> None:
        self.bench.anvil.reorg(depth)
        await self.gateway.settled()

    def executor(self, store: Store) -> Executor:
        return self.bench.executor(store, *self.urls)


@pytest.fixture
async def net(orders: OrderBench) -> AsyncIterator[Net]:
    orders.anvil.rpc.call("evm_setAutomine", False)
    orders.anvil.mine(2)
    async with contextlib.AsyncExitStack() as stack:
        gateway = Gateway(orders.url, NAMES)
        await gateway.start()
        stack.push_async_callback(gateway.close)
        endpoints = [EndpointProxy(gateway.peer(name), name) for name in NAMES]
        for endpoint in endpoints:
            await endpoint.start()
            stack.push_async_callback(endpoint.close)
        found = Net(orders, gateway, [e.url for e in endpoints])
        await found.mine()
        yield found


async def mined(net: Net, worker: Executor, store: Store, blocks: int) -> int:
    """Blocks until it is reported; the machine looks as often as it likes in each."""
    for n in range(1, blocks + 1):
        await net.mine()
        deadline = time.monotonic() + 5
        while await worker.advance_once() and time.monotonic() < deadline:
            pass
        if row(store).state == "reported":
            return n
    raise AssertionError(f"after {blocks} blocks it is {row(store).state}: {row(store).note}")


async def test_in_a_fee_jam_each_offer_is_taken_for_a_replacement_until_one_is_mined(net: Net, book: Store) -> None:
    await net.gateway.jam(Jam(tip=4 * GWEI))
    judge(book, net.bench.head(), "d1")
    worker = net.executor(book)
    await until(worker, is_(book, "sent"))
    assert await mined(net, worker, book, 8) > 2
    tips = [t.tip / GWEI for t in pause(book).transactions]
    assert tips[0] == 3 and tips[-1] > 4 and {t.nonce for t in pause(book).transactions} == {0}
    assert net.bench.pauses() == 1 and net.bench.nonce(0) == 1
    await worker.close()


async def test_an_orphaned_pause_that_the_pool_brings_back_is_one_pause(net: Net, book: Store) -> None:
    judge(book, net.bench.head(), "d1")
    worker = net.executor(book)
    await until(worker, is_(book, "sent"))
    await mined(net, worker, book, 1)
    first = row(book)
    await net.reorg(1)
    await worker.advance_once()
    assert row(book).state in ("orphaned", "sent") and net.bench.pauses() == 0
    await mined(net, worker, book, 2)
    assert row(book).mined_hash != first.mined_hash and row(book).mined_tx == first.mined_tx
    assert net.bench.pauses() == 1 and net.bench.nonce(0) == 1
    await worker.close()


async def test_an_orphaned_order_in_the_pool_is_replaced_by_one_of_the_new_branch(net: Net, book: Store) -> None:
    """Observed block and pause are both gone; the pool has the old transaction, whose order is dead: the new one takes its nonce."""
    judge(book, net.bench.head(), "d1")
    worker = net.executor(book)
    await until(worker, is_(book, "sent"))
    await mined(net, worker, book, 1)
    first = row(book)
    await net.reorg(2)
    judge(book, net.bench.head(), "d1", open=False)
    await until(worker, is_(book, "sent"))
    await mined(net, worker, book, 2)
    assert row(book).order != first.order and row(book).mined_tx != first.mined_tx
    assert net.bench.pauses() == 1 and net.bench.nonce(0) == 1 and {t.nonce for t in pause(book).transactions} == {0}
    await worker.close()
