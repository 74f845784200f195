"""The faulty endpoints' control path. What each mode does to answers is tried in tests/chain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from monitor.devnet.anvil import CHAIN_ID, Anvil
from monitor.devnet.faults import Lie, bend_call, fake_hash
from monitor.devnet.proxies import EndpointProxy


@pytest.fixture
async def proxy() -> AsyncIterator[EndpointProxy]:
    with Anvil.start() as anvil:
        made = EndpointProxy(anvil.http_url, "one")
        await made.start()
        yield made
        await made.close()


async def control(proxy: EndpointProxy, body: Any) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(proxy.control_url, json=body)


async def ask(proxy: EndpointProxy, method: str, *params: Any) -> Any:
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.post(proxy.url, json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params})).json()


async def test_modes_add_up_until_it_is_healthy(proxy: EndpointProxy) -> None:
    await control(proxy, {"mode": "wrong_chain_id", "value": 5})
    told = await control(proxy, {"mode": "slow_ms", "value": 1})
    assert told.json()["faults"] == {"wrong_chain_id": 5, "slow_ms": 1}
    assert (await ask(proxy, "eth_chainId"))["result"] == "0x5"
    await control(proxy, {"mode": "healthy"})
    assert (await ask(proxy, "eth_chainId"))["result"] == "0x7a69"


async def test_a_mode_can_be_lifted_alone(proxy: EndpointProxy) -> None:
    proxy.set(error=True, lag=1)
    told = await control(proxy, {"mode": "error", "value": False})
    assert told.json()["faults"] == {"lag": 1}


@pytest.mark.parametrize(
    "body",
    [{}, [], {"mode": 3}, {"mode": "hung"}, {"mode": "lag", "value": "x"}, {"mode": "lag", "value": -1}, {"mode": "hang", "extra": 1}],
)
async def test_a_wrong_order_changes_nothing_and_says_why(proxy: EndpointProxy, body: Any) -> None:
    answer = await control(proxy, body)
    assert answer.status_code == 422 and answer.json()["error"]
    assert proxy.faults.model_dump(exclude_defaults=True) == {}


async def test_the_control_path_works_in_every_mode(proxy: EndpointProxy) -> None:
    for mode in ("hang", "refuse", "unavailable"):
        assert (await control(proxy, {"mode": mode})).status_code == 200
    assert (await control(proxy, {"mode": "healthy"})).json()["faults"] == {}


async def test_a_pruned_endpoint_fails_as_geth_does_and_keeps_what_is_new(proxy: EndpointProxy) -> None:
    await ask(proxy, "anvil_mine", "0x5")
    proxy.set(prune=2)
    account = "0x" + "11" * 20
    assert "missing trie node" in (await ask(proxy, "eth_getBalance", account, "0x2"))["error"]["message"]
    assert (await ask(proxy, "eth_getBalance", account, "0x3"))["result"] == "0x0"


async def test_a_lagging_endpoint_has_nothing_of_the_newest_blocks(proxy: EndpointProxy) -> None:
    await ask(proxy, "anvil_mine", "0x5")
    newest = (await ask(proxy, "eth_getBlockByNumber", "latest", False))["result"]
    proxy.set(lag=2)
    assert (await ask(proxy, "eth_blockNumber"))["result"] == "0x3"
    assert (await ask(proxy, "eth_getBlockByNumber", "latest", False))["result"]["number"] == "0x3"
    assert (await ask(proxy, "eth_getBlockByHash", newest["hash"], False))["result"] is None
    at = {"blockHash": newest["hash"]}
    assert (await ask(proxy, "eth_getBalance", "0x" + "11" * 20, at))["error"]["message"] == "header not found"
    assert (await ask(proxy, "eth_getLogs", at))["error"]["message"] == "unknown block"


def test_lies_are_consistent() -> None:
    lie = Lie(target="0x" + "11" * 20, selector="0x01020304", word=1, add=-1)
    data = bytes(32) + (5).to_bytes(32, "big")
    assert bend_call((lie,), "0x" + "11" * 20, b"\1\2\3\4", data) == bytes(32) + (4).to_bytes(32, "big")
    assert bend_call((lie,), "0x" + "12" * 20, b"\1\2\3\4", data) == data
    assert bend_call((lie,), "0x" + "11" * 20, b"\1\2\3\5", data) == data
    assert Lie(target="0x" + "11" * 20, flip=True).bend(bytes(32))[-1] == 1
    assert fake_hash("0x" + "11" * 32) == fake_hash("0x" + "11" * 32) != "0x" + "11" * 32


@pytest.mark.parametrize(("head", "told", "asked"), [(6, "0x01", 2), (5, "0x02", 1)], ids=["overtaken", "still the newest"])
@pytest.mark.parametrize("faulty", [False, True], ids=["healthy", "faulty"])
async def test_a_newest_block_that_was_overtaken_meanwhile_is_asked_again(faulty: bool, head: int, told: str, asked: int) -> None:
    """anvil answers with the state of the block that it is just mining, also when another was asked for by hash."""
    calls = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal calls
        call = await request.json()
        calls += call["method"] == "eth_call"
        overtaken = calls > 0 and head == 6
        result: Any = {
            "eth_blockNumber": "0x6" if overtaken else "0x5",
            "eth_getBlockByHash": {"number": "0x5"},
            "eth_call": f"0x0{3 - calls}",
        }
        return web.json_response({"jsonrpc": "2.0", "id": call["id"], "result": result[call["method"]]})

    app = web.Application()
    app.router.add_post("/", answer)
    async with TestServer(app) as upstream:
        proxy = EndpointProxy(str(upstream.make_url("/")))
        await proxy.start()
        try:
            if faulty:
                proxy.set(slow_ms=1)
            said = await ask(proxy, "eth_call", {"to": "0x" + "11" * 20, "data": "0x"}, {"blockHash": "0x" + "22" * 32})
            assert said["result"] == told
        finally:
            await proxy.close()
    assert calls == asked


async def test_who_goes_away_in_the_middle_of_a_question_is_no_error(proxy: EndpointProxy, caplog: pytest.LogCaptureFixture) -> None:
    """A client that has a majority's answer leaves the slower endpoints standing: that is no fault of theirs."""
    where = urlsplit(proxy.url)
    _, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(b"POST / HTTP/1.1\r\nHost: one\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()
    await asyncio.sleep(0.1)
    writer.transport.abort()
    await asyncio.sleep(0.1)
    assert (await ask(proxy, "eth_chainId"))["result"] == hex(CHAIN_ID)
    assert [r for r in caplog.records if r.levelname == "ERROR"] == []
