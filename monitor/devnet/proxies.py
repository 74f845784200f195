"""A JSON-RPC endpoint that misbehaves on demand: an HTTP and WebSocket proxy before one upstream node.

Modes are fields of ``Faults``. Set them in Python (``proxy.set(lag=3)``, ``proxy.healthy()``) or over HTTP: ``POST /_control
{"mode": "lag", "value": 3}`` adds one to those that are on, ``{"mode": "healthy"}`` ends all, ``GET /_control`` tells
what is on and what was asked. The control path works in every mode.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import structlog
from aiohttp import web

from monitor.devnet import faults as bent
from monitor.devnet.faults import LOG_LIMITS, Faults
from monitor.devnet.upstream import Call, Fails, Plain, Upstream, failure

log = structlog.get_logger()

_STATE = {"eth_call": 1, "eth_getBalance": 1, "eth_getCode": 1, "eth_getStorageAt": 2}
"""Methods that read state, and where their block parameter is."""
_UNKNOWN = {"code": -32000, "message": "header not found"}
_LAG_POLL = 0.05
_HTML = "<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>"


class EndpointProxy:
    """One faulty endpoint. ``start`` it in a running loop; ``url`` and ``ws_url`` are known then."""

    def __init__(self, upstream: str | Upstream, name: str = "endpoint") -> None:
        """``upstream``: what it stands before, or the HTTP URL of a node as it is."""
        self.name = name
        self.faults = Faults()
        self.messages = 0
        self.asked: Counter[str] = Counter()
        self._upstream: Upstream = Plain(upstream) if isinstance(upstream, str) else upstream
        self._changed = asyncio.Event()
        self._transports: set[asyncio.Transport] = set()
        self._numbers: dict[str, int] = {}
        self._newest = 0
        self._runner: web.AppRunner | None = None
        self._port = 0

    async def start(self, port: int = 0) -> None:
        """Serve on 127.0.0.1, on a free port by default."""
        await self._upstream.start()
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/_control", self._control)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Drop all connections and stop."""
        self.faults = Faults()
        self._changed.set()
        self._abort()
        if self._runner is not None:
            await self._runner.cleanup()
            await self._upstream.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self._port}"

    @property
    def control_url(self) -> str:
        return f"{self.url}/_control"

    # ---- modes

    def set(self, **modes: Any) -> None:
        """Turn modes on, in addition to those that are on. Raises ValueError for an unknown one or a wrong value."""
        faults = self.faults
        for mode, value in modes.items():
            faults = faults.with_mode(mode, value)
        self._become(faults)

    def healthy(self) -> None:
        """Turn every mode off."""
        self._become(Faults())

    def _become(self, faults: Faults) -> None:
        self.faults = faults
        self._changed.set()
        self._changed = asyncio.Event()
        if faults.refuse or faults.no_socket:
            self._abort()
        log.info("proxy.mode", endpoint=self.name, faults=faults.model_dump(exclude_defaults=True))

    def _abort(self) -> None:
        for transport in tuple(self._transports):
            transport.abort()

    async def _control(self, request: web.Request) -> web.Response:
        if request.method == "POST":
            try:
                body = await request.json()
                if not isinstance(body, dict) or not isinstance(body.get("mode"), str) or set(body) - {"mode", "value"}:
                    raise ValueError('give {"mode": NAME, "value": VALUE}')
                self._become(self.faults.with_mode(body["mode"], body.get("value", True)))
            except ValueError as error:
                return web.json_response({"error": str(error)}, status=422)
        told = {"name": self.name, "faults": self.faults.model_dump(exclude_defaults=True), "messages": self.messages, "asked": self.asked}
        return web.json_response(told)

    # ---- HTTP

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("upgrade", "").lower() == "websocket":
            return await self._socket(request)
        try:
            body = await request.read()
        except ConnectionResetError:  # who asked has its answer from others, and went away
            return _drop(request)
        self.messages += 1
        await self._delay()
        faults = self.faults
        if faults.refuse:
            return _drop(request)
        if faults.unavailable:
            return web.Response(status=503, text=_HTML, content_type="text/html")
        if faults.garbage:
            return web.Response(body=b'{"jsonrpc":"2.0","id":1,"result":"0x', content_type="application/json")
        if faults.rate_limit is not None and faults.rate_limit.style == "http":
            after = faults.rate_limit.retry_after
            return web.Response(status=429, text="slow down", headers={} if after is None else {"Retry-After": f"{after:g}"})
        text = await (self._relay(body) if faults == Faults() else self._bent(body))
        if faults.cut_body:
            return await _cut(request, text)
        return web.Response(body=text, content_type="application/json")

    async def _delay(self) -> None:
        await asyncio.sleep(self.faults.slow_ms / 1000)
        while self.faults.hang:
            await self._changed.wait()

    async def _relay(self, body: bytes) -> bytes:
        """A healthy endpoint adds nothing, and costs little."""
        given = json.loads(body)
        calls = given if isinstance(given, list) else [given]
        self.asked.update(call["method"] for call in calls)
        known = self._newest
        text = await self._upstream.post(body)
        hashes = {at["blockHash"] for call in calls if isinstance(at := _state_at(call), dict) and "blockHash" in at}
        for number in [await self._number({"blockHash": hash}, 0) for hash in hashes]:
            if number >= known and await self._overtaken(number):
                return await self._upstream.post(body)
        return text

    async def _overtaken(self, number: int) -> bool:
        """Whether a newer block is there now.

        If it came while this one was asked about, anvil may have answered with the state of the newer, also when it was asked by
        hash; nodes of the real chain do not. Of a block that is no longer the newest it answers right: so ask again.
        """
        self._newest = int(await self._upstream.ask("eth_blockNumber", []), 16)
        return number < self._newest

    async def _bent(self, body: bytes) -> bytes:
        return json.dumps(await self._reply(json.loads(body))).encode()

    async def _reply(self, body: Call | list[Call]) -> Any:
        calls = body if isinstance(body, list) else [body]
        self.asked.update(call["method"] for call in calls)
        if isinstance(body, list) and (self.faults.batch_error or len(body) > (self.faults.batch_limit or len(body))):
            message = "internal error" if self.faults.batch_error else f"batch too large: at most {self.faults.batch_limit} calls"
            return {"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": message}}
        head = await self._head()
        answers = list(await asyncio.gather(*(self._answer(call, head) for call in calls)))
        return bent.muddle(self.faults.ids, answers) if isinstance(body, list) else answers[0]

    # ---- one call

    async def _answer(self, call: Call, head: int) -> Call:
        answer: Call = {"jsonrpc": "2.0", "id": call["id"]}
        try:
            self._fail_early(call)
            return {**answer, "result": await self._result(call["method"], list(call.get("params", [])), head)}
        except Fails as failure:
            return {**answer, "error": failure.error}

    def _fail_early(self, call: Call) -> None:
        if self.faults.error or call["method"] in self.faults.error_methods:
            raise failure(-32603, "internal error")
        if self.faults.rate_limit is not None:
            raise failure(-32005, "daily request count exceeded, request rate limited")

    async def _result(self, method: str, params: list[Any], head: int) -> Any:
        if method == "eth_chainId" and self.faults.wrong_chain_id is not None:
            return hex(self.faults.wrong_chain_id)
        if method == "eth_blockNumber":
            return hex(head)
        if method in ("eth_getBlockByNumber", "eth_getBlockByHash"):
            return await self._block(method, params, head)
        if method == "eth_getLogs":
            return await self._logs(params[0], head)
        if method in _STATE:
            return await self._state(method, params, head)
        return await self._upstream.ask(method, params)

    async def _block(self, method: str, params: list[Any], head: int) -> Any:
        if params[0] in ("latest", "pending"):
            params = [hex(head), *params[1:]]
        block = await self._upstream.ask(method, params)
        if block is None or int(block["number"], 16) > head:
            return None
        return self._faked(block) if int(block["number"], 16) == head else block

    async def _state(self, method: str, params: list[Any], head: int) -> Any:
        at = _STATE[method]
        params = params if len(params) > at else [*params, "latest"]
        number = await self._number(params[at], head)
        if number > head:
            raise Fails(_UNKNOWN)
        if self.faults.prune is not None and number < head - self.faults.prune:
            raise failure(-32000, f"missing trie node {'ab' * 32} (path ) state 0x{'cd' * 32} is not available")
        if not isinstance(params[at], dict):
            params[at] = hex(number)
        result = await self._upstream.ask(method, params)
        if number >= head and await self._overtaken(number):
            result = await self._upstream.ask(method, params)
        return self._lied(method, params, result)

    def _lied(self, method: str, params: list[Any], result: Any) -> Any:
        if method == "eth_getBalance":
            return bent.bend_balance(self.faults.lies, params[0], result)
        if method != "eth_call":
            return result
        calldata = bytes.fromhex((params[0].get("data") or params[0].get("input") or "0x")[2:])
        if self.faults.no_multicall and calldata[:4] == bent.AGGREGATE3:
            return "0x"
        return "0x" + bent.bend_call(self.faults.lies, params[0].get("to", "0x"), calldata, bytes.fromhex(result[2:])).hex()

    async def _logs(self, query: Call, head: int) -> Any:
        limit = self.faults.log_limit
        if "blockHash" in query:
            if await self._number({"blockHash": query["blockHash"]}, head) > head:
                raise failure(-32000, "unknown block")
        else:
            first = await self._number(query.get("fromBlock", "latest"), head)
            last = await self._number(query.get("toBlock", "latest"), head)
            if limit is not None and limit.blocks is not None and last - first + 1 > limit.blocks:
                raise failure(*LOG_LIMITS[limit.words])
            query = {**query, "fromBlock": hex(first), "toBlock": hex(min(last, head))}
            if first > head:
                return []
        logs = await self._upstream.ask("eth_getLogs", [query])
        if limit is not None and limit.results is not None and len(logs) > limit.results:
            raise failure(*LOG_LIMITS[limit.words])
        return [] if self.faults.omit_logs else logs

    # ---- the chain as this endpoint has it

    async def _head(self) -> int:
        return max(0, int(await self._upstream.ask("eth_blockNumber", []), 16) - self.faults.lag)

    async def _number(self, block: Any, head: int) -> int:
        """The number of a block parameter; far beyond the head for an unknown hash."""
        if isinstance(block, dict):
            if "blockNumber" in block:
                return int(block["blockNumber"], 16)
            if block["blockHash"] not in self._numbers:
                found = await self._upstream.ask("eth_getBlockByHash", [block["blockHash"], False])
                if found is None:
                    return 2**62
                self._numbers[block["blockHash"]] = int(found["number"], 16)
            return self._numbers[block["blockHash"]]
        return head if block in ("latest", "pending", "safe", "finalized") else 0 if block == "earliest" else int(block, 16)

    def _faked(self, block: Call) -> Call:
        return {**block, "hash": bent.fake_hash(block["hash"])} if self.faults.fake_heads else block

    # ---- WebSocket

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        await self._delay()
        if self.faults.refuse or self.faults.no_socket:
            return _drop(request)
        socket = web.WebSocketResponse(autoping=False, max_msg_size=0)
        await socket.prepare(request)
        transport = request.transport
        assert transport is not None
        self._transports.add(transport)
        feeds: dict[str, asyncio.Task[None]] = {}
        try:
            async for message in socket:
                await self._delay()
                if message.type == aiohttp.WSMsgType.PING:
                    await socket.pong(message.data)
                elif message.type == aiohttp.WSMsgType.TEXT:
                    await self._take(socket, json.loads(message.data), feeds)
        except (ConnectionError, aiohttp.ClientError):
            pass  # the other side has gone, or refuse dropped it
        finally:
            self._transports.discard(transport)
            for feed in feeds.values():
                feed.cancel()
        return socket

    async def _take(self, socket: web.WebSocketResponse, call: Call, feeds: dict[str, asyncio.Task[None]]) -> None:
        self.messages += 1
        if call["method"] not in ("eth_subscribe", "eth_unsubscribe"):
            await socket.send_str(json.dumps(await self._reply(call)))
            return
        self.asked[call["method"]] += 1
        answer: Call = {"jsonrpc": "2.0", "id": call["id"]}
        if call["method"] == "eth_unsubscribe":
            ended = feeds.pop(call["params"][0], None)
            if ended is not None:
                ended.cancel()
            await socket.send_str(json.dumps({**answer, "result": ended is not None}))
            return
        try:
            notices = await self._upstream.subscribe(call["params"])
        except Fails as failed:
            await socket.send_str(json.dumps({**answer, "error": failed.error}))
            return
        identity = hex(self.asked["eth_subscribe"])
        await socket.send_str(json.dumps({**answer, "result": identity}))
        bring = self._heads if call["params"][0] == "newHeads" else self._others
        feeds[identity] = asyncio.create_task(bring(socket, notices, identity))

    async def _heads(self, socket: web.WebSocketResponse, notices: AsyncIterator[Any], identity: str) -> None:
        held: list[Call] = []
        async with _closing(notices):
            async for header in notices:
                held.append(header)
                await self._delay()
                while len(held) > self.faults.lag:
                    if not self.faults.mute_socket:
                        await socket.send_str(self._notice(self._faked(held[0]), identity))
                    held.pop(0)

    async def _others(self, socket: web.WebSocketResponse, notices: AsyncIterator[Any], identity: str) -> None:
        """Logs and hashes of transactions: a lagging endpoint brings a log when it has the log's block."""
        async with _closing(notices):
            async for told in notices:
                await self._delay()
                is_log = isinstance(told, dict) and "logIndex" in told
                while is_log and self.faults.lag and int(told["blockNumber"], 16) > await self._head():
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._changed.wait(), _LAG_POLL)
                if not self.faults.mute_socket and not (is_log and self.faults.omit_logs):
                    await socket.send_str(self._notice(told, identity))

    def _notice(self, result: Any, identity: str) -> str:
        if self.faults.garbage:
            return '{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscr'
        params = {"subscription": identity, "result": result}
        return json.dumps({"jsonrpc": "2.0", "method": "eth_subscription", "params": params})


@contextlib.asynccontextmanager
async def _closing(notices: AsyncIterator[Any]) -> AsyncIterator[None]:
    """Ends the subscription upstream, however it came to an end here."""
    try:
        yield
    except (ConnectionError, aiohttp.ClientError):
        pass  # the client has gone
    finally:
        close = getattr(notices, "aclose", None)
        if close is not None:
            await close()


def _state_at(call: Call) -> Any:
    """The block parameter of a call that reads state; None when it has none."""
    at, params = _STATE.get(call["method"]), call.get("params", [])
    return params[at] if at is not None and isinstance(params, list) and len(params) > at else None


def _drop(request: web.Request) -> web.Response:
    """Close the connection without a word."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


async def _cut(request: web.Request, text: bytes) -> web.StreamResponse:
    """Promise the whole body, send half of it."""
    response = web.StreamResponse(headers={"Content-Length": str(len(text)), "Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(text[: len(text) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
