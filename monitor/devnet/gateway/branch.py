"""One branch of the chain as clients have it: followed block by block on one anvil, with all that was ever on it.

Anvil forgets a block that a reorganisation takes out; clients keep it, know it by its hash and tell its logs as removed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
import structlog

from monitor.devnet.upstream import Fails, Plain

log = structlog.get_logger()

KEPT = 1024
"""Blocks kept, newest last: more than any client keeps the state of."""
DEEPEST = 256
"""A branch point further back than this is taken for another chain, of which nothing is told."""
RETRY_SECONDS = 0.2
UNREACHABLE = (OSError, TimeoutError, ValueError, aiohttp.ClientError, Fails)
"""How a node that is going, or an answer cut short, shows."""
_NOT_HEADER = ("transactions", "uncles", "size", "withdrawals", "totalDifficulty")


@dataclass(frozen=True)
class Block:
    """A block with everything in it, as JSON-RPC tells it (transactions in full)."""

    body: Mapping[str, Any]
    receipts: tuple[Mapping[str, Any], ...]

    @property
    def hash(self) -> str:
        return str(self.body["hash"])

    @property
    def parent(self) -> str:
        return str(self.body["parentHash"])

    @property
    def number(self) -> int:
        return int(self.body["number"], 16)

    @property
    def timestamp(self) -> int:
        return int(self.body["timestamp"], 16)

    @property
    def base_fee(self) -> int:
        return int(self.body["baseFeePerGas"], 16)

    @property
    def gas_used(self) -> int:
        return int(self.body["gasUsed"], 16)

    @property
    def gas_limit(self) -> int:
        return int(self.body["gasLimit"], 16)

    @property
    def transactions(self) -> tuple[str, ...]:
        """Hashes, in order."""
        return tuple(tx["hash"] for tx in self.body["transactions"])

    def header(self) -> dict[str, Any]:
        """As ``newHeads`` tells it."""
        return {key: value for key, value in self.body.items() if key not in _NOT_HEADER}

    def told(self, full: bool) -> dict[str, Any]:
        """As ``eth_getBlockByHash`` tells it, with its transactions or their hashes."""
        return {**self.body, "transactions": list(self.body["transactions"] if full else self.transactions)}

    def logs(self) -> list[dict[str, Any]]:
        """Its logs, in order."""
        return [dict(entry) for receipt in self.receipts for entry in receipt["logs"]]


@dataclass(frozen=True)
class Change:
    """The head moved: ``removed`` blocks are no longer on the branch (newest first), ``added`` ones are now (oldest first)."""

    removed: tuple[Block, ...]
    added: tuple[Block, ...]


class Branch:
    """Follows one anvil. ``on_change`` is called after each step, with the branch in its new form."""

    def __init__(self, node: Plain, on_change: Callable[[Change], None]) -> None:
        self.node = node
        self.seen: dict[str, Block] = {}
        self.chain: dict[int, str] = {}
        """Hashes of the branch's newest blocks by number."""
        self.head: Block | None = None
        self._on_change = on_change
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Know the head, and follow it from now on."""
        heads = await self.node.subscribe(["newHeads"])
        newest = await self.node.ask("eth_getBlockByNumber", ["latest", False])
        await self._step(newest["hash"])
        self._task = asyncio.create_task(self._follow(heads), name="branch")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def at(self, number: int) -> Block | None:
        """The branch's block of this number, if it was seen."""
        return self.seen.get(self.chain.get(number, ""))

    def newest(self) -> Iterator[Block]:
        """The branch's blocks from the head down, as far as they were seen."""
        number = self.head.number if self.head is not None else -1
        while (block := self.at(number)) is not None:
            yield block
            number -= 1

    def has(self, block: Block) -> bool:
        """Whether the block is on the branch now."""
        return self.chain.get(block.number) == block.hash

    async def caught_up(self, seconds: float = 5.0) -> Block:
        """The node's head, once all up to it has been taken in. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while True:
                newest = await self.node.ask("eth_getBlockByNumber", ["latest", False])
                if self.head is not None and self.head.hash == newest["hash"]:
                    return self.head
                self._moved.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._moved.wait(), 0.05)

    async def _follow(self, heads: AsyncIterator[Any]) -> None:
        while True:
            async for header in heads:
                await self._try(header["hash"])
            log.warning("gateway.feed_lost")
            heads = await self._again()

    async def _again(self) -> AsyncIterator[Any]:
        """Another subscription after one that ended, and what came between."""
        while True:
            await asyncio.sleep(RETRY_SECONDS)
            with contextlib.suppress(*UNREACHABLE):
                heads = await self.node.subscribe(["newHeads"])
                newest = await self.node.ask("eth_getBlockByNumber", ["latest", False])
                await self._try(newest["hash"])
                return heads

    async def _try(self, hash: str) -> None:
        try:
            await self._step(hash)
        except UNREACHABLE as error:
            log.warning("gateway.block_lost", block=hash, error=str(error) or type(error).__name__)

    async def _step(self, hash: str) -> None:
        new = await self._block(hash)
        if new is None or (self.head is not None and new.hash == self.head.hash):
            return  # replaced before it could be read: the next notice tells more
        added = await self._since_known(new)
        removed = self._overtaken(added)
        for block in removed:
            del self.chain[block.number]
        for block in added:
            self.seen[block.hash] = block
            self.chain[block.number] = block.hash
        self.head = new
        for old in list(self.seen)[: max(0, len(self.seen) - KEPT)]:
            gone = self.seen.pop(old)
            if self.has(gone):
                del self.chain[gone.number]
        self._moved.set()
        self._on_change(Change(removed, added))

    async def _since_known(self, new: Block) -> tuple[Block, ...]:
        """The new head and what lies between it and the branch as it was, oldest first."""
        added = [new]
        while self.head is not None and len(added) <= DEEPEST and self.chain.get(added[0].number - 1) != added[0].parent:
            before = await self._block(added[0].parent)
            if before is None:
                return (new,)
            added.insert(0, before)
        return tuple(added) if len(added) <= DEEPEST else (new,)

    def _overtaken(self, added: tuple[Block, ...]) -> tuple[Block, ...]:
        """The branch's blocks from the first new one's number on, newest first."""
        numbers = sorted((number for number in self.chain if number >= added[0].number), reverse=True)
        return tuple(self.seen[self.chain[number]] for number in numbers)

    async def _block(self, hash: str) -> Block | None:
        if hash in self.seen:
            return self.seen[hash]
        calls = [("eth_getBlockByHash", [hash, True]), ("eth_getBlockReceipts", [{"blockHash": hash}])]
        bodies = [{"jsonrpc": "2.0", "id": i, "method": method, "params": params} for i, (method, params) in enumerate(calls)]
        answers = {answer["id"]: answer.get("result") for answer in orjson.loads(await self.node.post(orjson.dumps(bodies)))}
        if answers[0] is None:
            return None
        return Block(answers[0], tuple(answers[1] or ()) if answers[0]["transactions"] else ())
