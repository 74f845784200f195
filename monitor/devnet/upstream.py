"""What an endpoint stands before: a node as it is (``Plain``), or one behind the gateway that gives it geth's manners (``gateway.Peer``)."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

import aiohttp
import orjson

Call = dict[str, Any]
TIMEOUT = 30.0


class Fails(Exception):
    """The call fails with this JSON-RPC error."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.error = error


def failure(code: int, message: str) -> Fails:
    """A JSON-RPC error without data."""
    return Fails({"code": code, "message": message})


class Upstream(Protocol):
    """A node: JSON-RPC in, JSON-RPC out."""

    async def start(self) -> None:
        """Begin, in a running loop."""

    async def close(self) -> None:
        """Let go of all connections."""

    async def post(self, body: bytes) -> bytes:
        """The answer to a request or a batch."""

    async def ask(self, method: str, params: Sequence[Any]) -> Any:
        """The result of one call. Raises :class:`Fails`."""

    async def subscribe(self, params: Sequence[Any]) -> AsyncIterator[Any]:
        """What a subscription brings, from now on; close the iterator to end it. Raises :class:`Fails`."""


class Plain:
    """A node as it is; its WebSocket is taken to be on the same port, as with anvil."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(trust_env=False, timeout=aiohttp.ClientTimeout(total=TIMEOUT))

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def post(self, body: bytes) -> bytes:
        async with self._open().post(self.url, data=body, headers={"Content-Type": "application/json"}) as response:
            return await response.read()

    async def ask(self, method: str, params: Sequence[Any]) -> Any:
        answer = orjson.loads(await self.post(orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})))
        if "error" in answer:
            raise Fails(answer["error"])
        return answer["result"]

    async def subscribe(self, params: Sequence[Any]) -> AsyncIterator[Any]:
        socket = await self._open().ws_connect(self.url, max_msg_size=0)
        await socket.send_str(orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": list(params)}).decode())
        answer = orjson.loads((await socket.receive()).data)
        if "error" in answer:
            await socket.close()
            raise Fails(answer["error"])
        return self._notices(socket)

    async def _notices(self, socket: aiohttp.ClientWebSocketResponse) -> AsyncIterator[Any]:
        try:
            async for message in socket:
                if message.type == aiohttp.WSMsgType.TEXT:
                    yield orjson.loads(message.data)["params"]["result"]
        finally:
            with contextlib.suppress(ConnectionError, aiohttp.ClientError):
                await socket.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the upstream is not started")
        return self._session
