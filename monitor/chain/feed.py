"""The heads of one endpoint: ``newHeads`` over WebSocket, polled over HTTP while the socket is down, absent or silent."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import orjson
import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from monitor.chain.endpoint import LATEST, Endpoint
from monitor.chain.errors import EndpointError, ErrorKind, Malformed
from monitor.chain.wire import header, quantity

log = structlog.get_logger()

_FIRST_RETRY = 0.25
_MAX_MESSAGE = 4 * 1024 * 1024


class _Trouble(Exception):
    """The subscription cannot go on: kind and reason."""

    def __init__(self, kind: ErrorKind, reason: str) -> None:
        super().__init__(reason)
        self.kind, self.reason = kind, reason


class HeadFeed:
    """Runs until cancelled; every head it learns goes to ``endpoint.announce``."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._block = endpoint.network.block_seconds
        self._patience = 2 * self._block + min(1.0, self._block)
        self._longest = min(30.0, max(1.0, 2.5 * self._block))
        self._socket: ClientConnection | None = None
        self._spoke_at = 0.0
        self._said: str | None = None

    async def run(self) -> None:
        """Poll and listen, side by side."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._poll())
            if self._endpoint.settings.ws is not None:
                tasks.create_task(self._listen())

    # ---- polling

    async def _poll(self) -> None:
        """Two polls a block leave one message a block for the reads."""
        while True:
            if not self._live():
                await self._poll_once()
            await asyncio.sleep(max(self._block / 2, 0.25))

    def _live(self) -> bool:
        return self._endpoint.subscribed and time.monotonic() - self._spoke_at < self._patience

    async def _poll_once(self) -> None:
        try:
            (stamp,) = await self._endpoint.blocks((LATEST,))
        except EndpointError as error:
            self._complain("endpoint.poll_failed", error.reason)
            return
        if stamp is None:
            return
        self._said = None
        news = self._endpoint.head is None or stamp.hash != self._endpoint.head.hash
        if news and self._endpoint.subscribed and self._socket is not None and not self._live():
            log.warning("endpoint.socket_silent", endpoint=self._endpoint.name, silent_seconds=round(time.monotonic() - self._spoke_at, 1))
            self._socket.transport.abort()
        self._endpoint.announce(stamp)

    # ---- listening

    async def _listen(self) -> None:
        wait = _FIRST_RETRY
        while True:
            started = time.monotonic()
            try:
                await self._subscription()
            except _Trouble as trouble:
                self._endpoint.rpc.error(trouble.kind, trouble.reason)
                self._complain("endpoint.socket_failed", trouble.reason)
            except TimeoutError:
                self._endpoint.rpc.error("timeout", "socket")
                self._complain("endpoint.socket_failed", "no answer in time")
            except (OSError, WebSocketException, EOFError) as error:
                self._endpoint.rpc.error("connection", "socket")
                self._complain("endpoint.socket_failed", type(error).__name__)
            finally:
                self._endpoint.subscribed, self._socket = False, None
            wait = _FIRST_RETRY if time.monotonic() - started > self._longest else min(wait * 2, self._longest)
            await asyncio.sleep(wait)

    async def _subscription(self) -> None:
        url = self._endpoint.settings.ws
        assert url is not None
        headers = {k: v.get_secret_value() for k, v in self._endpoint.settings.headers.items()}
        seconds = self._endpoint.network.request_seconds
        pings = max(5.0, self._block)
        async with connect(
            url,
            additional_headers=headers,
            proxy=None,
            open_timeout=seconds,
            ping_interval=pings,
            ping_timeout=pings,
            close_timeout=1,
            max_size=_MAX_MESSAGE,
        ) as socket:
            self._socket = socket
            await self._verify(await self._ask(socket, 1, "eth_chainId", []))
            identity = await self._ask(socket, 2, "eth_subscribe", ["newHeads"])
            if not isinstance(identity, str):
                raise _Trouble("malformed", "eth_subscribe gave no subscription id")
            self._endpoint.subscribed, self._spoke_at = True, time.monotonic()
            log.info("endpoint.subscribed", endpoint=self._endpoint.name)
            await self._poll_once()  # heads between the last socket and this one
            async for message in socket:
                self._take(self._parse(message), identity)
        raise _Trouble("connection", "the socket was closed")

    async def _ask(self, socket: ClientConnection, number: int, method: str, params: list[str]) -> object:
        counters = self._endpoint.counters
        counters.messages += 1
        counters.calls += 1
        async with asyncio.timeout(self._endpoint.network.request_seconds):
            await socket.send(orjson.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).decode())
            while True:
                message = self._parse(await socket.recv())
                if message.get("id") == number:
                    break
        if message.get("error") is not None or "result" not in message:
            raise _Trouble("rpc", f"{method} over WebSocket was answered by an error")
        return message["result"]

    async def _verify(self, result: object) -> None:
        try:
            chain = quantity(result, "eth_chainId")
        except Malformed as error:
            raise _Trouble("malformed", str(error)) from None
        if chain != self._endpoint.network.chain_id:
            reason = f"its WebSocket serves chain {chain}, but network.chain_id is {self._endpoint.network.chain_id}: correct its ws_url"
            raise _Trouble("rpc", reason)

    def _parse(self, message: str | bytes) -> dict[str, Any]:
        self._endpoint.counters.bytes += len(message)
        try:
            parsed = orjson.loads(message)
        except ValueError:
            raise _Trouble("malformed", "a WebSocket message is not JSON") from None
        if not isinstance(parsed, dict):
            raise _Trouble("malformed", "a WebSocket message is not an object")
        return parsed

    def _take(self, message: dict[str, Any], identity: str) -> None:
        params = message.get("params")
        if message.get("method") != "eth_subscription" or not isinstance(params, dict) or params.get("subscription") != identity:
            return
        try:
            stamp = header(params.get("result"), self._endpoint.network)
        except Malformed as error:
            raise _Trouble("malformed", str(error)) from None
        self._spoke_at = time.monotonic()
        self._endpoint.announce(stamp)

    def _complain(self, event: str, reason: str) -> None:
        if reason != self._said:  # once, not at every attempt
            log.warning(event, endpoint=self._endpoint.name, reason=reason)
        self._said = reason
