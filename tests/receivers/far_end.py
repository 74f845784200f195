"""An HTTP server of a few lines that misbehaves on demand: the far end of receivers that post."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from dataclasses import dataclass, field
from types import TracebackType


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class FarEnd:
    """Answers each request by the next of ``script``: a status, a status with headers, or the name of a misdeed; 200 when it is empty.

    ``drop``: no answer, connection closed, after the request was taken. ``reset``: closed before it was read. ``hang``: never answers. ``trickle``: an
    answer that never ends. ``garbage``: not HTTP. ``flood``: an endless body after an error status.
    """

    script: deque[object] = field(default_factory=deque)
    requests: list[Request] = field(default_factory=list)
    answer: bytes = b""
    tls: ssl.SSLContext | None = None
    port: int = 0

    async def __aenter__(self) -> FarEnd:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.close()

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            how = self.script.popleft() if self.script else 200
            if how != "reset":
                self.requests.append(await _read(reader))
                await self._misbehave(how, writer)
        writer.close()

    async def _misbehave(self, how: object, writer: asyncio.StreamWriter) -> None:
        match how:
            case "drop":
                return
            case "hang":
                await asyncio.sleep(30)
            case "garbage":
                writer.write(b"220 mail.example ESMTP\r\n\r\n")
            case "trickle" | "flood":
                writer.write(b"HTTP/1.1 400 Bad\r\nContent-Length: 100000000\r\n\r\n")
                while True:
                    writer.write(b"x" * (1 if how == "trickle" else 65536))
                    await writer.drain()
                    await asyncio.sleep(0.05 if how == "trickle" else 0)
            case (status, headers):
                writer.write(f"HTTP/1.1 {status} Said\r\n{headers}\r\nContent-Length: 0\r\n\r\n".encode())
            case status:
                writer.write(f"HTTP/1.1 {status} Said\r\nContent-Length: {len(self.answer)}\r\n\r\n".encode() + self.answer)
        await writer.drain()


async def _read(reader: asyncio.StreamReader) -> Request:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Request(method, path, headers, await reader.readexactly(int(headers.get("content-length", 0))))
