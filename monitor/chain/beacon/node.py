"""One beacon node over HTTP: requests bounded in time and size, answers checked strictly, errors counted by kind.

Every request asks for identity encoding, and an answer that is compressed all the same is refused: so no answer can grow in our hands, and
the node does not spend seconds to save little.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import httpx
import orjson
import structlog

from monitor.chain.beacon import answers, blocks
from monitor.chain.beacon.answers import Chain, Header, Stated, Syncing
from monitor.chain.beacon.errors import NodeError, NodeErrorKind
from monitor.chain.errors import Malformed
from monitor.chain.rpc import brief, retry_after
from monitor.chain.settings import BeaconNodeSettings, NetworkSettings
from monitor.chain.tls import authorities
from monitor.model import Hash
from monitor.model.beacon import BeaconBlock, Checkpoint

log = structlog.get_logger()
T = TypeVar("T")

SMALL = 256 * 1024
"""Bytes of any answer but a block or a state: the largest, the configuration, has about ten thousand."""
BLOCK = 8 * 1024 * 1024
"""Bytes of a block: the greatest attester slashing has under three million, payloads of later forks are not in it."""
_INLINE = 512 * 1024
_NO_SUCH_BLINDED = (400, 404, 405, 410, 501)


@dataclass(frozen=True, slots=True)
class NodeHealth:
    """How a beacon node does. Totals count since the start.

    ``up``: it answered lately, is not syncing and not refused. ``head``: slot of its head; ``lag``: slots behind the newest head of any node.
    ``syncing`` / ``optimistic`` / ``el_offline``: as it says itself; False while it says nothing. ``dissent``: its newest block, block body or
    state differed from the majority's. ``subscribed``: its event stream is open. ``refused``: why it has no vote for good.
    ``note``: what is wrong, for people; empty when nothing is.
    """

    name: str
    operator: str
    up: bool
    head: int | None
    lag: int | None
    syncing: bool
    optimistic: bool
    el_offline: bool
    dissent: bool
    errors: Mapping[str, int]
    subscribed: bool
    refused: str | None
    note: str


class BeaconNode:
    """The client of one node, and what we know of it. ``workers`` parses what is too large for the event loop."""

    def __init__(self, settings: BeaconNodeSettings, network: NetworkSettings, workers: Executor) -> None:
        self.settings, self.network, self.name = settings, network, settings.name
        self.errors: Counter[NodeErrorKind] = Counter()
        self.refused: str | None = None
        self.chain: Chain | None = None
        self.unverified = True
        self.syncing: Syncing | None = None
        self.head: Stated | None = None
        self.finality: tuple[Checkpoint, Checkpoint] | None = None
        self.heard_at = -float("inf")
        self.subscribed = False
        self.dissents: dict[str, bool] = {}
        self.trouble: dict[str, str] = {}
        self._workers = workers
        self._whole_blocks = False
        self._silent_until = -float("inf")
        self._base = urlsplit(settings.http)
        headers = {"accept-encoding": "identity", **{k: v.get_secret_value() for k, v in settings.headers.items()}}
        self._client = httpx.AsyncClient(
            headers=headers,
            trust_env=False,
            verify=authorities(),
            timeout=network.beacon_request_seconds,
            limits=httpx.Limits(max_keepalive_connections=4),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    # ---- what it has to say

    async def identify(self) -> Chain:
        """Which chain it serves. Raises NodeError."""
        time_, root = await self._get("/eth/v1/beacon/genesis", answers.genesis)
        spec = await self._get("/eth/v1/config/spec", answers.constants)
        return Chain(time_, root, spec, await self._get("/eth/v1/config/fork_schedule", answers.forks))

    async def sync_status(self) -> Syncing:
        """Whether it is with its chain. Raises NodeError."""
        return await self._get("/eth/v1/node/syncing", answers.syncing)

    async def header(self, block: str) -> Stated:
        """The header of a root, or of ``head``. Raises NodeError, ``not_found`` for a block that it does not have."""
        found = await self._get(f"/eth/v1/beacon/headers/{block}", answers.stated)
        if block.startswith("0x") and found.header.root != block:
            raise self.error("malformed", "gave another header than the one asked for")
        return found

    async def checkpoints(self) -> tuple[Checkpoint, Checkpoint]:
        """What its head shows as justified and finalized. Raises NodeError."""
        return await self._get("/eth/v1/beacon/states/head/finality_checkpoints", answers.checkpoints)

    async def block(self, root: Hash) -> BeaconBlock:
        """The facts of a block's body: blinded where it offers that (until Fulu), else whole. Raises NodeError."""
        if not self._whole_blocks:
            try:
                return await self._get(f"/eth/v1/beacon/blinded_blocks/{root}", lambda a: blocks.block(a, root), BLOCK)
            except NodeError as error:
                if error.status not in _NO_SUCH_BLINDED:
                    raise
        found = await self._get(f"/eth/v2/beacon/blocks/{root}", lambda a: blocks.block(a, root), BLOCK)
        self._whole_blocks = True  # after Gloas no block is blinded any more
        return found

    # ---- HTTP

    def error(self, kind: NodeErrorKind, reason: str, status: int | None = None) -> NodeError:
        """A counted error of this node, to be raised."""
        self.errors[kind] += 1
        if kind == "connection":
            self.unverified = True
        return NodeError(self.name, kind, reason, status)

    async def _get(self, path: str, read: Callable[[Any], T], most: int = SMALL) -> T:
        seconds = self.network.beacon_request_seconds
        with self.told(seconds):
            async with asyncio.timeout(seconds), self.stream(path, "application/json") as response:
                body = await self._body(response, most)
        self.heard_at = time.monotonic()
        try:
            if len(body) <= _INLINE:
                return _parsed(body, read)
            return await asyncio.get_running_loop().run_in_executor(self._workers, _parsed, body, read)
        except Malformed as error:
            kind = brief(response.headers.get("content-type", "no content type"), 40)
            raise self.error("malformed", f"{_place(path)}: {error} ({kind})") from None

    @contextmanager
    def told(self, seconds: float) -> Iterator[None]:
        """Whatever breaks in a request becomes a counted NodeError."""
        try:
            yield
        except (TimeoutError, httpx.TimeoutException):
            raise self.error("timeout", f"no answer within {seconds:g} s") from None
        except httpx.DecodingError:
            raise self.error("malformed", "the body could not be decoded") from None
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError) as error:
            raise self.error("connection", f"connection failed ({type(error).__name__})") from None

    @asynccontextmanager
    async def stream(self, path: str, accept: str, query: str = "", patience: float | None = None) -> AsyncIterator[httpx.Response]:
        """A successful answer whose body is still to be read. Raises NodeError, and what ``told`` translates.

        ``patience``: the longest silence in the body, infinite for an event stream.
        """
        if (wait := self._silent_until - time.monotonic()) > 0:
            raise NodeError(self.name, "http", f"backing off for {wait:.1f} s more, as it asked")
        timeout = httpx.Timeout(self.network.beacon_request_seconds, read=patience)
        async with self._client.stream("GET", self._url(path, query), headers={"accept": accept}, timeout=timeout) as response:
            if response.status_code != 200:
                raise await self._refusal(response, path)
            if (encoding := response.headers.get("content-encoding", "identity")) != "identity":
                raise self.error("malformed", f"{_place(path)}: compressed ({brief(encoding, 20)}) although identity was asked for")
            yield response

    def _url(self, path: str, query: str) -> str:
        base = self._base
        joined = "&".join(part for part in (base.query, query) if part)
        return urlunsplit((base.scheme, base.netloc, base.path.rstrip("/") + path, joined, ""))

    async def _body(self, response: httpx.Response, most: int) -> bytes:
        most = min(most, self.network.max_body_bytes)
        found = bytearray()
        async for chunk in response.aiter_raw():
            found += chunk
            if len(found) > most:
                raise self.error("too_large", f"{_place(response.url.path)}: the body is larger than {most} bytes")
        return bytes(found)

    async def _refusal(self, response: httpx.Response, path: str) -> NodeError:
        status = response.status_code
        self.heard_at = time.monotonic()
        if status == 404:
            return self.error("not_found", f"{_place(path)}: HTTP 404", status)
        if status == 206:
            return self.error("syncing", f"{_place(path)}: HTTP 206, it is syncing", status)
        after = retry_after(response.headers.get("retry-after"))
        if status == 429 or (status == 503 and after is not None):
            self._silent_until = time.monotonic() + (5.0 if after is None else after)
        said = await self._said(response)
        if status == 503 and "sync" in said.lower():
            return self.error("syncing", f"{_place(path)}: HTTP 503: {said}", status)
        remedy = (
            ": check its key" if status in (401, 403) else ": redirects are not followed, correct its URL" if 300 <= status < 400 else ""
        )
        return self.error("http", f"{_place(path)}: HTTP {status}{remedy}{': ' + said if said else ''}", status)

    async def _said(self, response: httpx.Response) -> str:
        """The message of an error's body, if it is one as the specification has it."""
        found = bytearray()
        async for chunk in response.aiter_raw():
            found += chunk
            if len(found) > 4096:
                return ""
        try:
            message = orjson.loads(found).get("message")
        except (ValueError, AttributeError):
            return ""
        return brief(message, 100) if isinstance(message, str) else ""

    # ---- how it does

    def complain(self, about: str, reason: str) -> None:
        """Log what is wrong once, not at every attempt, and keep it for people; an empty reason ends it."""
        if reason and self.trouble.get(about) != reason:
            log.warning("beacon_node.trouble", node=self.name, about=about, reason=reason)
        if reason:
            self.trouble[about] = reason
        elif self.trouble.pop(about, None) is not None:
            log.info("beacon_node.recovered", node=self.name, about=about)

    @property
    def lately(self) -> bool:
        """It answered something within the last four slots."""
        return time.monotonic() - self.heard_at < 4 * max(self.network.block_seconds, self.network.beacon_request_seconds)

    @property
    def votes(self) -> bool:
        """Of our chain, with it, and not silent. A streak of empty slots gives every node a distance, so that alone takes no vote."""
        ready = self.refused is None and self.chain is not None and self.lately
        return ready and self.syncing is not None and not self.syncing.is_syncing

    @property
    def optimistic(self) -> bool:
        """Its head is not judged by its execution client, or cannot be."""
        by_status = self.syncing is not None and (self.syncing.is_optimistic or self.syncing.el_offline)
        return by_status or (self.head is not None and self.head.optimistic)

    @property
    def head_header(self) -> Header | None:
        return None if self.head is None else self.head.header

    def health(self, newest: int | None, opposes: bool) -> NodeHealth:
        """``newest``: slot of the newest head of any node. ``opposes``: its head is on another branch than the agreed one."""
        head = None if self.head is None else int(self.head.header.slot)
        status = self.syncing
        return NodeHealth(
            name=self.name,
            operator=self.settings.run_by,
            up=self.votes,
            head=head,
            lag=None if head is None or newest is None else max(0, newest - head),
            syncing=status is not None and status.is_syncing,
            optimistic=self.optimistic,
            el_offline=status is not None and status.el_offline,
            dissent=self.refused is None and (opposes or any(self.dissents.values())),
            errors={str(kind): count for kind, count in self.errors.items()},
            subscribed=self.subscribed,
            refused=self.refused,
            note=self.refused or self._note(opposes),
        )

    def _note(self, opposes: bool) -> str:
        notes = [f"{about}: {reason}" for about, reason in self.trouble.items()]
        notes += [f"its {what} differs from the majority's" for what, differs in self.dissents.items() if differs]
        if opposes:
            notes.append("its head is on another branch than the agreed one")
        if self.syncing is not None and self.syncing.is_syncing:
            notes.append(f"it is syncing, {self.syncing.distance} slots behind")
        if self.syncing is not None and self.syncing.el_offline:
            notes.append("its execution client is offline")
        return "; ".join(notes)


def _parsed(body: bytes, read: Callable[[Any], T]) -> T:
    try:
        answer = orjson.loads(body)
    except ValueError:
        raise Malformed("the body is not JSON") from None
    return read(answer)


def _place(path: str) -> str:
    """The end of a path, short enough for a note."""
    return "/".join(part if len(part) < 40 else part[:10] + "…" for part in path.split("/")[-2:])
