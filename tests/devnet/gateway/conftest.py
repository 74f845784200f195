"""Two chains: one of anvil alone, and one behind the gateway with three endpoints before it. Both make blocks by hand."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import httpx
import pytest
from eth_account import Account

from monitor.devnet.accounts import key_of
from monitor.devnet.anvil import CHAIN_ID, Anvil
from monitor.devnet.gateway import Gateway
from monitor.devnet.proxies import EndpointProxy

NAMES = ("alpha", "bravo", "charlie")
GWEI = 10**9
SINK = "0x" + "11" * 20
LOGGER = "0x" + "12" * 20
"""Whatever calls it leaves an empty log."""


def signed(role: str = "staker_0", nonce: int = 0, fee: float = 3, tip: float = 1, **more: Any) -> tuple[str, str]:
    """A raw transaction and its hash; fees in gwei."""
    fields = {
        "chainId": CHAIN_ID, "nonce": nonce, "gas": 50_000, "maxFeePerGas": round(fee * GWEI), "maxPriorityFeePerGas": round(tip * GWEI),
        "to": SINK, "value": 1, "type": 2, "data": b"", **more,
    }  # fmt: skip
    made = Account.sign_transaction(fields, key_of(role))
    return "0x" + bytes(made.raw_transaction).hex(), "0x" + bytes(made.hash).hex()


async def told(url: str, method: str, *params: Any) -> dict[str, Any]:
    """The whole answer."""
    async with httpx.AsyncClient(trust_env=False, verify=False) as client:
        answer = await client.post(url, json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    return dict(answer.json())


class Chain:
    """An anvil, and how one asks it."""

    def __init__(self, anvil: Anvil) -> None:
        self.anvil = anvil
        anvil.set_code(LOGGER, bytes.fromhex("5f5fa0"))

    async def ask(self, method: str, *params: Any) -> Any:
        answer = await told(self.anvil.http_url, method, *params)
        assert "error" not in answer, answer
        return answer["result"]

    async def refused(self, method: str, *params: Any) -> tuple[int, str]:
        error = (await told(self.anvil.http_url, method, *params))["error"]
        return error["code"], error["message"]

    async def head(self) -> dict[str, Any]:
        return dict(await self.ask("eth_getBlockByNumber", "latest", True))


class Net(Chain):
    """A chain behind the gateway: asks go to an endpoint (the first unless named), blocks are mined on anvil."""

    def __init__(self, anvil: Anvil, gateway: Gateway, endpoints: dict[str, EndpointProxy]) -> None:
        super().__init__(anvil)
        self.gateway, self.endpoints = gateway, endpoints

    async def ask(self, method: str, *params: Any, at: str = "alpha") -> Any:
        answer = await told(self.endpoints[at].url, method, *params)
        assert "error" not in answer, answer
        return answer["result"]

    async def refused(self, method: str, *params: Any, at: str = "alpha") -> tuple[int, str]:
        error = (await told(self.endpoints[at].url, method, *params))["error"]
        return error["code"], error["message"]

    async def mine(self, blocks: int = 1) -> None:
        """Blocks one by one, each taken in by the gateway, as with a clock."""
        for _ in range(blocks):
            self.anvil.mine()
            await self.settled()

    async def reorg(self, depth: int) -> None:
        self.anvil.reorg(depth)
        await self.settled()

    async def settled(self) -> None:
        await self.gateway.settled()


class Socket:
    """A subscription over an endpoint's WebSocket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._notices: list[dict[str, Any]] = []

    async def call(self, method: str, *params: Any) -> dict[str, Any]:
        await self._socket.send_str(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
        while "id" not in (answer := json.loads((await self._socket.receive(5)).data)):
            self._notices.append(answer)
        return dict(answer)

    async def brought(self) -> Any:
        """The next notice's content."""
        notice = self._notices.pop(0) if self._notices else json.loads((await self._socket.receive(5)).data)
        return notice["params"]["result"]


@pytest.fixture(scope="module")
def nodes() -> Iterator[tuple[Anvil, Anvil]]:
    with Anvil.start() as one, Anvil.start() as other:
        yield one, other


@contextlib.contextmanager
def put_back(anvil: Anvil) -> Iterator[Anvil]:
    snapshot = anvil.snapshot()
    yield anvil
    anvil.rpc.call("anvil_dropAllTransactions")
    anvil.revert(snapshot)
    # A revert leaves the next base fee as it was.
    anvil.rpc.call("anvil_setNextBlockBaseFeePerGas", hex(GWEI))


@pytest.fixture
def alone(nodes: tuple[Anvil, Anvil]) -> Iterator[Chain]:
    with put_back(nodes[0]) as anvil:
        yield Chain(anvil)


@pytest.fixture
async def net(nodes: tuple[Anvil, Anvil]) -> AsyncIterator[Net]:
    with put_back(nodes[1]) as anvil:
        gateway = Gateway(anvil.http_url, NAMES)
        await gateway.start()
        endpoints = {name: EndpointProxy(gateway.peer(name), name) for name in NAMES}
        for endpoint in endpoints.values():
            await endpoint.start()
        yield Net(anvil, gateway, endpoints)
        for endpoint in endpoints.values():
            await endpoint.close()
        await gateway.close()


@pytest.fixture
async def socket(net: Net) -> AsyncIterator[Socket]:
    async with aiohttp.ClientSession(trust_env=False) as session, session.ws_connect(net.endpoints["alpha"].ws_url) as opened:
        yield Socket(opened)
