"""An endpoint may answer anything at all: every answer ends as a vote, or as an error of a known kind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection, serve

from monitor.chain import Execution, NetworkSettings
from monitor.chain.errors import KINDS, EndpointError, Fault, Malformed, fault_kind
from monitor.chain.multicall import decode
from monitor.chain.rpc import brief
from monitor.chain.wire import header, logs, quantity
from monitor.model import Balance, BlockStamp, Call, Code, Disputed, Failed, Hash, Read, Reverted, Slot, Storage, Value
from tests.chain.conftest import COUNTER, LOGGER, account

STAMP = BlockStamp(7, Hash("0x" + "11" * 32), Hash("0x" + "22" * 32), 1000, Slot(1))
READS = (
    Read(COUNTER, Call(b"\1")),
    Read(COUNTER, Call(b""), caller=account(5)),
    Read(COUNTER, Balance()),
    Read(COUNTER, Storage(1)),
    Read(COUNTER, Code()),
)
NETWORK = NetworkSettings.model_validate({"execution": [{"name": "x", "url": "http://127.0.0.1:1"}]})

json_values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from(["0x", "0x0", "0xzz", "0x" + "ab" * 32])
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=6), inner, max_size=4)),
    max_leaves=8,
)
NASTY: list[Any] = [
    None,
    True,
    -1,
    1.5,
    2**70,
    "",
    "0x",
    "0x0",
    "0x-1",
    "0x1_0",
    "0x 1",
    "0xzz",
    "x" * 300,
    "0x" + "ff" * 40,
    "0x" + "00" * 31,
    [],
    [[]],
    {},
    {"error": 3},
]


class Server:
    """Answers a batch by whatever ``answer`` makes of it: bytes are the body, else it is JSON."""

    def __init__(self) -> None:
        self.answer: Callable[[Any], Any] = lambda calls: calls
        self.headers: dict[str, str] = {}
        self.status = 200
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        answer = self.answer(await request.json())
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        return web.Response(body=body, status=self.status, headers=self.headers)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://user:hunter2@127.0.0.1:{runner.addresses[0][1]}/v3/secretkey"
    yield made
    await runner.cleanup()


async def execution(server: Server, **more: Any) -> Execution:
    endpoints = [{"name": "x", "url": server.url}]
    values = {"chain_id": 1, "execution": endpoints, "request_seconds": 0.5, "block_deadline_seconds": 0.3, "block_seconds": 0.5, **more}
    return Execution(NetworkSettings.model_validate(values))


def right(call: dict[str, Any]) -> Any:
    """A proper result for each call."""
    return {"eth_chainId": "0x1", "eth_getLogs": [], "eth_getBalance": "0x5", "eth_getStorageAt": "0x" + "00" * 32}.get(
        call["method"], "0x"
    )


def answers(calls: Any, result: Callable[[dict[str, Any]], Any]) -> Any:
    made = [{"jsonrpc": "2.0", "id": call["id"], "result": result(call)} for call in (calls if isinstance(calls, list) else [calls])]
    return made if isinstance(calls, list) else made[0]


async def check(chain: Execution) -> None:
    """Read, and see that all that came is one of ours."""
    snapshot = await chain.read(STAMP, READS, frozenset({LOGGER}), STAMP.number - 1)
    assert set(snapshot.answers) == set(READS)
    assert all(isinstance(a, (Value, Reverted, Failed, Disputed)) for a in snapshot.answers.values())
    (health,) = chain.health()
    assert set(health.errors) <= set(KINDS)
    told = repr((snapshot, health))
    assert "hunter2" not in told and "secretkey" not in told


@pytest.mark.parametrize("method", ["eth_chainId", "eth_call", "eth_getBalance", "eth_getStorageAt", "eth_getCode", "eth_getLogs"])
async def test_any_result_of_any_method(server: Server, method: str) -> None:
    chain = await execution(server)
    for nasty in NASTY:
        server.answer = lambda calls, nasty=nasty: answers(calls, lambda c: nasty if c["method"] == method else right(c))
        await check(chain)
    await chain.close()


async def test_any_mangled_body(server: Server) -> None:
    chain = await execution(server, max_body_bytes=100_000)
    rng = random.Random(7)

    def mangled(calls: Any) -> bytes:
        body = bytearray(json.dumps(answers(calls, right)).encode())
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(body))
            body[at : at + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 3))
        return bytes(body)

    server.answer = mangled
    for _ in range(60):
        await check(chain)
    bodies: list[bytes] = [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"[" * 5000,
        b"[1]",
        b"\xff\xfe",
        b"x" * 200_000,
        b'"a"',
        b'{"jsonrpc":"2.0","id":null,"error":null}',
        b"[[]]",
    ]
    for body in bodies:
        server.answer = lambda calls, body=body: body
        await check(chain)
        assert all(isinstance(a, Failed) for a in (await chain.read(STAMP, READS, frozenset(), 6)).answers.values())
    assert chain.health()[0].errors["malformed"] > len(bodies)
    await chain.close()


async def test_lies_about_the_encoding(server: Server) -> None:
    chain = await execution(server)
    server.headers = {"Content-Encoding": "gzip"}
    await check(chain)
    assert chain.health()[0].errors == {"malformed": 1}
    await chain.close()


AFTER = [None, "0", "soon", "-5", "nan", "inf", "Wed, 21 Oct 2015 07:28:00 GMT", "99999999999999999999"]


@pytest.mark.parametrize(
    ("status", "after"), [*((s, None) for s in (201, 301, 400, 401, 404, 500)), *((s, a) for s in (429, 503) for a in AFTER)]
)
async def test_any_status_and_any_retry_after(server: Server, status: int, after: str | None) -> None:
    server.status, server.headers = status, {} if after is None else {"Retry-After": after}
    server.headers["Location"] = "http://127.0.0.1:1/"
    chain = await execution(server)
    await check(chain)
    assert chain.health()[0].errors == {("rate_limited" if status == 429 else "http"): 1}
    await chain.close()


async def test_heads_of_any_shape_never_end_the_feed(server: Server) -> None:
    chain = await execution(server)
    server.answer = lambda calls: answers(calls, lambda c: NASTY[c["id"] % len(NASTY)] if c["method"] != "eth_chainId" else "0x1")
    await chain.start()
    await asyncio.sleep(0.6)
    good = {"number": "0x7", "hash": STAMP.hash, "parentHash": STAMP.parent, "timestamp": "0x3e8"}
    server.answer = lambda calls: answers(calls, lambda c: good if c["method"] != "eth_chainId" else "0x1")
    for _ in range(100):
        if chain.health()[0].head == 7:
            break
        await asyncio.sleep(0.02)
    assert chain.health()[0].head == 7
    await chain.close()


@given(json_values)
def test_no_header_or_log_or_quantity_is_read_by_accident(value: Any) -> None:
    for parse in (lambda: header(value, NETWORK), lambda: logs(value, {}), lambda: quantity(value, "it")):
        with contextlib.suppress(Malformed):
            parse()


@given(st.binary(max_size=400), st.integers(0, 5))
def test_no_bytes_break_the_decoder(body: bytes, count: int) -> None:
    with contextlib.suppress(Malformed):
        assert len(decode(body, count)) == count


@given(st.integers(), st.text())
def test_every_error_has_a_kind(code: int, message: str) -> None:
    assert fault_kind(Fault(code, message)) in ("reverted", "unknown_block", "pruned", "rate_limited", "range", "batch", "rpc")
    assert "\n" not in brief(message) and len(brief(message)) <= 160


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (3, "execution reverted: nope", "reverted"),
        (-32000, "execution reverted", "reverted"),
        (-32015, "VM execution error.", "reverted"),
        (-32603, "EVM error InvalidFEOpcode", "reverted"),
        (-32000, "out of gas", "rpc"),
        (-32003, "EVM error OutOfGas", "rpc"),
        (-32000, "missing trie node ab (path ) state 0xcd is not available", "pruned"),
        (-32000, "header not found", "unknown_block"),
        (-32001, "Resource not found", "unknown_block"),
        (-32000, "unknown block", "unknown_block"),
        (-32000, "header for hash not found", "unknown_block"),
        (-32000, "hash is not currently canonical", "unknown_block"),
        (-32005, "query returned more than 10000 results", "range"),
        (-32005, "daily request count exceeded, request rate limited", "rate_limited"),
        (-32005, "limit exceeded", "rate_limited"),
        (429, "Your app has exceeded its compute units per second capacity", "rate_limited"),
        (-32602, "Log response size exceeded.", "range"),
        (-32000, "batch too large", "batch"),
        (-32601, "the method does not exist", "rpc"),
    ],
)
def test_errors_of_the_various_clients_are_told_apart(code: int, message: str, kind: str) -> None:
    assert fault_kind(Fault(code, message)) == kind


def test_an_endpoints_words_are_harmless_in_a_log() -> None:
    assert brief("see https://x.io/v3/secretkey\n\x1b[31mfor more") == "see <url> ?[31mfor more"
    assert str(EndpointError("x", "http", "HTTP 500")) == "x: HTTP 500"


async def test_sockets_may_say_anything(server: Server) -> None:
    """After each piece of nonsense the feed polls, connects again, and takes the next good head."""
    noise = [*NASTY, {"method": "eth_subscription", "params": 3}, b"\xff\x00", "not json", "[" * 3000, {"id": 1, "result": {}}]
    enough = len(noise) - 4
    numbers = iter(range(100, 10_000))

    def head(number: int) -> dict[str, Any]:
        return {"number": hex(number), "hash": f"0x{number:064x}", "parentHash": f"0x{number - 1:064x}", "timestamp": "0x3e8"}

    async def talk(socket: ServerConnection) -> None:
        said = noise.pop(0) if noise else None
        for result in ("0x1", "0xfeed"):
            call = json.loads(await socket.recv())
            await socket.send(json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": result}))
        for result in (head(next(numbers)), said, head(next(numbers))):
            notice = {"jsonrpc": "2.0", "method": "eth_subscription", "params": {"subscription": "0xfeed", "result": result}}
            await socket.send(json.dumps(notice))
        await socket.send(said if isinstance(said, (bytes, str)) else json.dumps(said))
        await socket.wait_closed()

    server.answer = lambda calls: answers(calls, lambda c: "0x1" if c["method"] == "eth_chainId" else None)
    async with serve(talk, "127.0.0.1", 0) as sockets:
        port = next(iter(sockets.sockets)).getsockname()[1]
        endpoints = [{"name": "x", "url": server.url, "ws_url": f"ws://user:hunter2@127.0.0.1:{port}/secretkey"}]
        chain = await execution(server, execution=endpoints, block_seconds=0.02)
        await chain.start()
        for _ in range(400):
            if len(noise) <= enough:
                break
            await asyncio.sleep(0.02)
        (health,) = chain.health()
        assert len(noise) <= enough and health.head is not None and health.head > 100
        assert health.errors["malformed"] >= 2 and set(health.errors) <= set(KINDS)
        await chain.close()
