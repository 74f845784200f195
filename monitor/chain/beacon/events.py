"""The heads of one beacon node: server-sent events, and polling, which also keeps its status and fills in for a stream that is down.

The stream gives hints alone: nothing is believed that is not asked for afterwards, ``chain_reorg.depth`` least of all. There are no ids and
no replay, so every new stream begins with a poll.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import orjson
import structlog

from monitor.chain.beacon.answers import Stated, decimal
from monitor.chain.beacon.errors import NodeError
from monitor.chain.beacon.node import BeaconNode
from monitor.chain.errors import Malformed
from monitor.chain.wire import hash32, mapping
from monitor.model import Hash

log = structlog.get_logger()

TOPICS = ("head,chain_reorg,finalized_checkpoint", "head", "head_v2")
"""What is subscribed to; the next where a node does not know a topic, since one unknown topic fails the whole request."""
LONGEST_LINE = 256 * 1024
_FIRST_RETRY = 0.25


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One server-sent event: its topic, and its data lines joined."""

    topic: str
    data: str


class EventParser:
    """Bytes in, events out (WHATWG HTML, 9.2.6). Raises Malformed for a line, or an event, beyond ``LONGEST_LINE`` bytes."""

    def __init__(self) -> None:
        self._rest = b""
        self._topic = ""
        self._data: list[str] = []
        self._size = 0
        self._begun = False

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """The events that this chunk completes."""
        text = self._rest + chunk
        if not self._begun and len(text) >= 3:
            text, self._begun = text.removeprefix(b"\xef\xbb\xbf"), True
        held_back = text.endswith(b"\r")  # its line feed may be in the next chunk
        lines = (text[:-1] if held_back else text).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = lines.pop() + (b"\r" if held_back else b"")
        if len(self._rest) > LONGEST_LINE:
            raise Malformed(f"a line of the event stream is longer than {LONGEST_LINE} bytes")
        return [event for line in lines if (event := self._line(line.decode("utf-8", "replace"))) is not None]

    def _line(self, line: str) -> ServerEvent | None:
        if not line:
            event = ServerEvent(self._topic or "message", "\n".join(self._data)) if self._data else None
            self._topic, self._data, self._size = "", [], 0
            return event
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._topic = value
        elif name == "data":
            self._size += len(value)
            if self._size > LONGEST_LINE:
                raise Malformed(f"an event of the stream is longer than {LONGEST_LINE} bytes")
            self._data.append(value)
        return None


def named_head(event: ServerEvent) -> Hash | None:
    """The root of the head that an event tells of; None for an event that tells of none. Raises Malformed."""
    if event.topic not in ("head", "head_v2", "chain_reorg"):
        return None
    try:
        found = mapping(orjson.loads(event.data), event.topic)
    except ValueError as error:
        raise error if isinstance(error, Malformed) else Malformed(f"the data of a {event.topic} event is not JSON") from None
    if event.topic == "head_v2":
        found = mapping(found.get("data"), "head_v2.data")
    decimal(found.get("slot"), f"{event.topic}.slot")
    return hash32(found.get("new_head_block" if event.topic == "chain_reorg" else "block"), f"{event.topic}.block")


class NodeFeed:
    """Runs until cancelled. ``hinted`` gets each root that the stream names, ``polled`` each header of a poll; neither may wait.

    ``verify`` is awaited before a poll whenever it is not sure (any more) which chain the node serves.
    """

    def __init__(
        self,
        node: BeaconNode,
        verify: Callable[[BeaconNode], Awaitable[None]],
        hinted: Callable[[Hash], None],
        polled: Callable[[Stated], None],
    ) -> None:
        self._node, self._verify, self._hinted, self._polled = node, verify, hinted, polled
        # Where several execution blocks fall into a slot, as on the embedded chain, the slot is what a node has news of.
        self._pace = max(node.network.block_seconds, node.network.slot_seconds / 4)
        self._patience = 2 * max(node.network.block_seconds, node.network.slot_seconds) + min(1.0, self._pace)
        self._longest = min(30.0, max(1.0, 2.5 * self._pace))
        self._spoke_at = 0.0
        self._hint: Hash | None = None
        self._first: Hash | None = None
        self._unsaid: tuple[Hash, float] | None = None
        self._again = asyncio.Event()
        self._stream: asyncio.Task[None] | None = None
        self._topics = 0

    async def run(self) -> None:
        """Poll and listen, side by side."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._poll())
            tasks.create_task(self._listen())

    # ---- polling

    async def _poll(self) -> None:
        while True:
            self._again.clear()
            await self.poll_once()
            live = self._node.subscribed and time.monotonic() - self._spoke_at < self._patience
            try:
                async with asyncio.timeout(max(self._pace if live else self._pace / 2, 0.25)):
                    await self._again.wait()
            except TimeoutError:
                continue

    async def poll_once(self) -> None:
        """Ask for status and head; what fails is a complaint, no error of ours."""
        node = self._node
        try:
            if node.unverified:
                await self._verify(node)
            hint = self._hint
            node.syncing = await node.sync_status()
            if node.syncing.is_syncing:
                node.errors["syncing"] += 1
            found = await node.header("head")
        except NodeError as error:
            node.complain("polling", error.reason)
            return
        node.complain("polling", "")
        if self._hint == hint:  # else the stream was faster, and this may be the head before
            self._polled(found)
            self._compare(found.header.root)

    def _compare(self, root: Hash) -> None:
        """A stream that keeps silent about a head for long is begun anew."""
        now = time.monotonic()
        if self._first is None:
            self._first = root  # the head as the stream began: it tells of later ones alone
        if root in (self._hint, self._first) or not self._node.subscribed:
            self._unsaid = None
        elif self._unsaid is None or self._spoke_at > self._unsaid[1]:
            self._unsaid = (root, now)
        elif now - self._unsaid[1] > self._patience and self._stream is not None:
            self._node.complain("events", f"the stream has been silent for {now - self._spoke_at:.0f} s while the head moved")
            self._unsaid = None
            self._stream.cancel()

    # ---- listening

    async def _listen(self) -> None:
        wait = _FIRST_RETRY
        while True:
            started = time.monotonic()
            self._stream = asyncio.create_task(self._subscription())
            try:
                await asyncio.wait((self._stream,))
            finally:
                self._stream.cancel()
                await asyncio.gather(self._stream, return_exceptions=True)
                self._node.subscribed = False
            wait = self._ended(self._stream, time.monotonic() - started, wait)
            await asyncio.sleep(wait)

    def _ended(self, stream: asyncio.Task[None], lasted: float, wait: float) -> float:
        """Why the stream ended, and how long to wait before the next."""
        error = None if stream.cancelled() else stream.exception()
        if isinstance(error, NodeError):
            self._node.complain("events", error.reason)
            if error.status in (400, 404) and self._topics + 1 < len(TOPICS):
                self._topics += 1
                return _FIRST_RETRY
            if error.status is not None:
                self._topics = 0
                return self._longest  # it will not know them sooner; polling does the work
        elif error is not None:
            log.error("beacon_node.stream_died", node=self._node.name, exc_info=error)
        return _FIRST_RETRY if lasted > self._longest else min(wait * 2, self._longest)

    async def _subscription(self) -> None:
        node = self._node
        topics = TOPICS[self._topics]
        query = "&".join(f"topics={topic}" for topic in topics.split(","))
        parser = EventParser()
        opening = node.network.beacon_request_seconds + self._patience  # some send no header before the first event
        with node.told(opening):
            async with asyncio.timeout(opening) as limit, node.stream("/eth/v1/events", "text/event-stream", query) as response:
                limit.reschedule(None)
                if not response.headers.get("content-type", "").startswith("text/event-stream"):
                    raise node.error("malformed", "events: the answer is no event stream")
                node.subscribed, self._spoke_at, self._first = True, time.monotonic(), None
                self._again.set()  # heads between the last stream and this one
                async for chunk in response.aiter_raw():
                    self._take(parser, chunk)
        raise node.error("connection", "the event stream ended")

    def _take(self, parser: EventParser, chunk: bytes) -> None:
        try:
            roots = [root for event in parser.feed(chunk) if (root := named_head(event)) is not None]
        except Malformed as error:
            raise self._node.error("malformed", f"events: {error}") from None
        if roots:
            self._spoke_at = self._node.heard_at = time.monotonic()
            self._node.complain("events", "")
            self._hint = roots[-1]
            self._hinted(roots[-1])
