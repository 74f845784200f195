"""One endpoint and what we know of it: its client, its head, how it did in the last block."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from monitor.chain.errors import EndpointError, Fault, Malformed, UnknownBlock, fault_kind
from monitor.chain.rpc import Ask, Counters, Rpc, brief
from monitor.chain.settings import EndpointSettings, NetworkSettings
from monitor.chain.span import Span
from monitor.chain.wire import header
from monitor.model import BlockStamp

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class EndpointHealth:
    """How an endpoint does. Totals count since the start; ``block_*`` since the last agreed head but one, till the last.

    ``up``: it answered the last block's reads in time. ``dissent``: an answer of its differed from the majority's in the
    last block. ``refused``: why it has no vote at all. ``calls`` are JSON-RPC calls, ``messages`` what carried them.
    """

    name: str
    operator: str
    up: bool
    head: int | None
    lag: int | None
    errors: Mapping[str, int]
    disputes: int
    dissent: bool
    messages: int
    calls: int
    bytes: int
    block_messages: int
    block_calls: int
    subscribed: bool
    refused: str | None


class Endpoint:
    """The state of one endpoint. ``heard`` is called with (name, head, wall time) for each head it announces."""

    def __init__(self, settings: EndpointSettings, network: NetworkSettings) -> None:
        self.settings, self.network = settings, network
        self.name = settings.name
        self.counters = Counters()
        self.rpc = Rpc(settings, network, self.counters)
        self.heard: Callable[[str, BlockStamp, float], None] = lambda *_: None
        self.head: BlockStamp | None = None
        self.heard_at = 0.0
        self.subscribed = False
        self.answered: bool | None = None
        self.dissent = False
        self.disputes = 0
        self.multicall_broken_until = 0.0
        self.span = Span(network.log_blocks)
        self.empty_reverts: dict[tuple[str, bytes], int] = {}
        self._changed = asyncio.Event()
        self._marks = ((0, 0), (0, 0))

    def announce(self, stamp: BlockStamp) -> None:
        """The endpoint's head is ``stamp``: it said so just now."""
        self.head, self.heard_at = stamp, time.monotonic()
        self._changed.set()
        self._changed = asyncio.Event()
        if self.rpc.refused is None:
            self.heard(self.name, stamp, time.time())

    async def reaches(self, number: int, seconds: float) -> bool:
        """Wait until its head is at ``number``, or for so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                while self.head is None or self.head.number < number:
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def new_block(self) -> None:
        """A new head is agreed: the counts of messages by block start anew."""
        self._marks = (self._marks[1], (self.counters.messages, self.counters.calls))

    def health(self, agreed: int | None) -> EndpointHealth:
        """``agreed``: number of the last agreed head."""
        head = None if self.head is None else self.head.number
        (m0, c0), (m1, c1) = self._marks
        return EndpointHealth(
            name=self.name,
            operator=self.settings.run_by,
            up=self.rpc.refused is None and (self.answered if self.answered is not None else head is not None),
            head=head,
            lag=None if head is None or agreed is None else max(0, agreed - head),
            errors={str(kind): count for kind, count in self.counters.errors.items()},
            disputes=self.disputes,
            dissent=self.dissent,
            messages=self.counters.messages,
            calls=self.counters.calls,
            bytes=self.counters.bytes,
            block_messages=m1 - m0,
            block_calls=c1 - c0,
            subscribed=self.subscribed,
            refused=self.rpc.refused,
        )

    # ---- headers

    async def blocks(self, asks: Sequence[Ask], seconds: float | None = None) -> list[BlockStamp | None]:
        """The headers of ``eth_getBlockBy*`` calls; None for a block that the endpoint does not know. Raises EndpointError."""
        return [self._header(result) for result in await self.rpc.batch(asks, seconds)]

    def _header(self, result: object) -> BlockStamp | None:
        if isinstance(result, Fault):
            error = self.failed(result)
            if isinstance(error, UnknownBlock):
                return None
            raise error
        if result is None:
            return None
        try:
            return header(result, self.network)
        except Malformed as error:
            raise self.rpc.error("malformed", str(error)) from None

    def failed(self, fault: Fault, number: int | None = None) -> EndpointError:
        """The error that a failed call means. ``number``: the block it was asked at, to tell *not yet known* from *pruned*."""
        kind = fault_kind(fault)
        text = f"error {fault.code}: {brief(fault.message)}"
        if kind == "unknown_block":
            behind = number is None or self.head is None or self.head.number < number + self.network.history_blocks
            return UnknownBlock(self.name, "pruned", "does not know the block yet") if behind else self.rpc.error("pruned", text)
        if kind == "pruned":
            return self.rpc.error("pruned", text)
        return self.rpc.error("rpc", text)


def by_number(number: int) -> Ask:
    return Ask("eth_getBlockByNumber", (hex(number), False))


def by_hash(block: str) -> Ask:
    return Ask("eth_getBlockByHash", (block, False))


LATEST = Ask("eth_getBlockByNumber", ("latest", False))
