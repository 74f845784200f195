"""A real anvil behind faulty proxies, and a service's view of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import pytest

from monitor.chain import Block, EndpointHealth, Execution, HeadEvent, NetworkSettings, Quiet
from monitor.chain.settings import MULTICALL3
from monitor.devnet.anvil import CHAIN_ID, Anvil
from monitor.devnet.build import Artifacts
from monitor.devnet.proxies import EndpointProxy
from monitor.model import Address, BlockStamp, Hash, Slot, address

NAMES = ("one", "two", "three", "four", "five")


def account(number: int) -> Address:
    return address(f"0x{number:040x}")


COUNTER, REVERTER, CALLER, SILENT, BURNER, GREEDY, LOGGER = map(account, range(0xC001, 0xC008))
CODE = {
    COUNTER: "435f5260205ff3",  # returns block.number
    REVERTER: "60aa5f5260205ffd",  # reverts with one word
    CALLER: "335f5260205ff3",  # returns msg.sender
    SILENT: "5f5ffd",  # reverts without data
    BURNER: "fe",  # burns all the gas that it gets
    GREEDY: "63009896805a10601157" + "60075f5260205ff3" + "5b5f5ffd",  # returns 7, or reverts with less than 10 million gas
    LOGGER: "5f3560205fa1" * 2 + "00",  # logs twice, the topic is the first word of the data
}
"""Small contracts as code, by address."""


class Node:
    """anvil with the contracts above, mining by hand."""

    def __init__(self, anvil: Anvil, multicall: bytes) -> None:
        self.anvil = anvil
        for place, code in CODE.items():
            anvil.rpc.call("anvil_setCode", place, "0x" + code)
        anvil.rpc.call("anvil_setCode", MULTICALL3, "0x" + multicall.hex())
        self.sender = anvil.rpc.call("eth_accounts")[0]
        anvil.mine(3)

    def log(self, topic: int) -> None:
        """Two logs in one transaction of the next block."""
        self.anvil.rpc.call("eth_sendTransaction", {"from": self.sender, "to": LOGGER, "data": f"0x{topic:064x}", "gas": "0x30d40"})

    def stamp(self, number: int | None = None) -> BlockStamp:
        """The block as the node itself has it."""
        block = self.anvil.rpc.call("eth_getBlockByNumber", "latest" if number is None else hex(number), False)
        time = int(block["timestamp"], 16)
        root = Hash(block["parentBeaconBlockRoot"])
        slot = Slot((time - 1606824023) // 12)
        return BlockStamp(int(block["number"], 16), Hash(block["hash"]), Hash(block["parentHash"]), time, slot, root)


@pytest.fixture(scope="module")
def module_node(compiled: Artifacts) -> Iterator[Node]:
    with Anvil.start() as anvil:
        yield Node(anvil, compiled["Multicall3"].deployed)


@pytest.fixture
def node(module_node: Node) -> Iterator[Node]:
    """The module's node, put back to its third block afterwards."""
    snapshot = module_node.anvil.snapshot()
    yield module_node
    module_node.anvil.revert(snapshot)


class Watcher:
    """An Execution over proxies, and all events that it gave."""

    def __init__(self, proxies: Sequence[EndpointProxy], settings: NetworkSettings) -> None:
        self.proxies, self.settings = proxies, settings
        self.execution = Execution(settings)
        self.events: list[HeadEvent] = []
        self._task: asyncio.Task[None] | None = None

    async def follow(self, recent: Sequence[BlockStamp] = ()) -> None:
        """Start and follow in the background."""
        await self.execution.start()
        self._task = asyncio.create_task(self._follow(recent))

    async def _follow(self, recent: Sequence[BlockStamp]) -> None:
        async for event in self.execution.follow(recent):
            self.events.append(event)

    @property
    def blocks(self) -> list[BlockStamp]:
        return [e.stamp for e in self.events if isinstance(e, Block)]

    @property
    def told(self) -> list[HeadEvent]:
        """All but silence."""
        return [e for e in self.events if not isinstance(e, Quiet)]

    async def until(self, condition: Callable[[], object], seconds: float = 8.0) -> None:
        """Wait until it holds; fail with what was seen."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():  # noqa: ASYNC110 (conditions are of many kinds)
                    await asyncio.sleep(0.01)
        except TimeoutError:
            pytest.fail(f"not within {seconds} s; seen: {self.events}; health: {self.execution.health()}")

    async def at(self, stamp: BlockStamp, seconds: float = 8.0) -> None:
        """Wait until this block is the agreed one."""
        await self.until(lambda: self.blocks and self.blocks[-1] == stamp, seconds)

    def health(self, name: str) -> EndpointHealth:
        return next(h for h in self.execution.health() if h.name == name)

    async def subscribed(self) -> None:
        await self.until(lambda: all(h.subscribed for h in self.execution.health()))

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self.execution.close()


Watch = Callable[..., Awaitable[Watcher]]


@pytest.fixture
async def watch(node: Node) -> AsyncIterator[Watch]:
    """``await watch(n, sockets=True, **network)``: n proxies before the node, and a Watcher that is not started yet."""
    made: list[Watcher] = []
    served: list[EndpointProxy] = []

    async def make(n: int = 3, sockets: bool = True, proxies: Sequence[EndpointProxy] | None = None, **network: Any) -> Watcher:
        if proxies is None:
            proxies = [EndpointProxy(node.anvil.http_url, name) for name in NAMES[:n]]
            for proxy in proxies:
                await proxy.start()
                served.append(proxy)
        made.append(Watcher(proxies, settings(proxies, sockets, **network)))
        return made[-1]

    yield make
    for watcher in made:
        await watcher.stop()
    for proxy in served:
        await proxy.close()


def settings(proxies: Sequence[EndpointProxy], sockets: bool = True, **network: Any) -> NetworkSettings:
    execution = [{"name": p.name, "url": p.url, **({"ws_url": p.ws_url} if sockets else {})} for p in proxies]
    quick = {"chain_id": CHAIN_ID, "block_seconds": 0.5, "request_seconds": 0.6, "block_deadline_seconds": 0.9, "wall_clock": False}
    return NetworkSettings.model_validate({**quick, "execution": execution, **network})
