"""Following anvil: which execution blocks came, and after which common ancestor. Polls, since what it must not miss are reorgs and warps."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog

from monitor.devnet.beacon.state import Payload

log = structlog.get_logger()

POLL_SECONDS = 0.04
SHORTER_SECONDS = 0.5
"""So long a chain that got shorter is not believed: anvil shows the common parent for a moment while it reorganises."""
KEPT = 4096
BATCH = 256


class OutOfStep(Exception):
    """The chain changed between two of our questions: ask again."""


@dataclass(frozen=True, slots=True)
class News:
    """The blocks after ``ancestor`` on the chain as it is now, rising. None when the chain only got shorter."""

    ancestor: int
    blocks: tuple[Payload, ...]


def payload(block: dict[str, Any]) -> Payload:
    """What we keep of a block of eth_getBlockByNumber."""

    def raw(name: str, size: int = 32) -> bytes:
        return bytes.fromhex(block.get(name, "0x" + "00" * size)[2:])

    def whole(name: str) -> int:
        return int(block.get(name, "0x0"), 16)

    return Payload(
        number=whole("number"), hash=raw("hash"), parent=raw("parentHash"), timestamp=whole("timestamp"), fee_recipient=raw("miner", 20),
        state_root=raw("stateRoot"), receipts_root=raw("receiptsRoot"), transactions_root=raw("transactionsRoot"), prev_randao=raw("mixHash"),
        gas_limit=whole("gasLimit"), gas_used=whole("gasUsed"), base_fee=whole("baseFeePerGas"),
    )  # fmt: skip


class Follower:
    """Knows the newest ``KEPT`` blocks of a node. Use it in one running loop."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = aiohttp.ClientSession(trust_env=False, timeout=aiohttp.ClientTimeout(total=10))
        self._known: dict[int, Payload] = {}
        self._newest = -1
        self._shorter_since: float | None = None

    async def close(self) -> None:
        await self._session.close()

    def known(self, number: int) -> Payload | None:
        return self._known.get(number)

    async def begin(self) -> tuple[Payload, ...]:
        """The newest blocks that there are, rising; from here on ``news`` tells the rest."""
        latest = await self._latest()
        blocks = await self._range(max(0, latest.number - KEPT // 2), latest.number - 1)
        found = self._linked([*blocks, latest])
        self._take(found)
        return found

    async def follow(self, tell: Callable[[News], Awaitable[None]]) -> None:
        """Call ``tell`` with all that happens, until cancelled. A node that does not answer is asked again."""
        silent = False
        while True:
            try:
                if (news := await self.news()) is not None:
                    await tell(news)
                silent = False
            except OutOfStep:
                continue
            except (aiohttp.ClientError, TimeoutError, ValueError, KeyError) as error:
                if not silent:
                    log.warning("beacon_sim.execution_silent", reason=type(error).__name__)
                silent = True
            await asyncio.sleep(POLL_SECONDS)

    async def news(self) -> News | None:
        """What changed since the last call. Raises OutOfStep, aiohttp.ClientError."""
        latest = await self._latest()
        if (same := self._known.get(latest.number)) is not None and same.hash == latest.hash:
            return self._shortened(latest.number)
        self._shorter_since = None
        blocks = [latest]
        if latest.number - self._newest > KEPT:
            raise OutOfStep("more blocks came at once than are kept")
        if latest.number > self._newest + 1:
            blocks = self._list(await self._range(self._newest + 1, latest.number - 1), latest)
        while (parent := self._known.get(blocks[0].number - 1)) is None or parent.hash != blocks[0].parent:
            if blocks[0].number == 0 or len(blocks) > 2 * KEPT:
                break
            blocks = self._list(await self._range(blocks[0].number - 1, blocks[0].number - 1), *blocks)
        self._take(blocks)
        return News(blocks[0].number - 1, tuple(blocks))

    def _shortened(self, newest: int) -> News | None:
        if newest == self._newest:
            self._shorter_since = None
            return None
        now = time.monotonic()
        self._shorter_since = self._shorter_since or now
        if now - self._shorter_since < SHORTER_SECONDS:
            return None
        self._shorter_since = None
        self._known = {number: block for number, block in self._known.items() if number <= newest}
        self._newest = newest
        return News(newest, ())

    def _list(self, before: list[Payload], *after: Payload) -> list[Payload]:
        return list(self._linked([*before, *after]))

    def _linked(self, blocks: list[Payload]) -> tuple[Payload, ...]:
        for older, newer in itertools.pairwise(blocks):
            if newer.parent != older.hash:
                raise OutOfStep(f"block {newer.number} is not the child of {older.number}")
        return tuple(blocks)

    def _take(self, blocks: list[Payload] | tuple[Payload, ...]) -> None:
        newest = blocks[-1].number
        self._known = {number: block for number, block in self._known.items() if newest - KEPT < number < blocks[0].number}
        self._known |= {block.number: block for block in blocks}
        self._newest = newest

    async def _latest(self) -> Payload:
        found = await self._ask([("eth_getBlockByNumber", ["latest", False])])
        return payload(found[0])

    async def _range(self, first: int, last: int) -> list[Payload]:
        found: list[Payload] = []
        for start in range(first, last + 1, BATCH):
            end = min(last, start + BATCH - 1)
            answers = await self._ask([("eth_getBlockByNumber", [hex(n), False]) for n in range(start, end + 1)])
            if any(answer is None for answer in answers):
                raise OutOfStep("a block is gone")
            found += [payload(answer) for answer in answers]
        return found

    async def _ask(self, calls: list[tuple[str, list[Any]]]) -> list[Any]:
        body = [{"jsonrpc": "2.0", "id": i, "method": method, "params": params} for i, (method, params) in enumerate(calls)]
        async with self._session.post(self._url, json=body) as response:
            answers = await response.json(content_type=None)
        by_id = {answer["id"]: answer["result"] for answer in answers}
        return [by_id[i] for i in range(len(calls))]
