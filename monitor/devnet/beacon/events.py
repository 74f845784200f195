"""A node's event stream: what it tells when blocks come, in the words of the Beacon API, and to whom."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from aiohttp import web

from monitor.devnet.beacon.bodies import attester_slashing, hexed
from monitor.devnet.beacon.chain import Block
from monitor.devnet.beacon.node import Missing, Node
from monitor.devnet.beacon.operations import AttesterSlashing

TOPICS = frozenset(
    {
        "head", "block", "block_gossip", "attestation", "single_attestation", "voluntary_exit", "bls_to_execution_change", "proposer_slashing",
        "attester_slashing", "finalized_checkpoint", "chain_reorg", "contribution_and_proof", "payload_attributes",
    }
)  # fmt: skip
"""What may be subscribed to; another name fails the whole request, as with real nodes."""
SLASHINGS = frozenset({"proposer_slashing", "attester_slashing"})
QUEUE = 1000
"""Events that wait for a slow reader; then it is dropped, as with real nodes."""
NEWEST = 64
"""Blocks that are told one by one after a jump in time."""
KEEP_ALIVE = 2.0


class Streams:
    """All who listen to one node."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._queues: dict[asyncio.Queue[bytes | None], frozenset[str]] = {}
        self._head: bytes | None = None

    async def feed(self, response: web.StreamResponse, topics: set[str]) -> None:
        """Write events until the reader goes, is too slow, or ``close`` is called."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE)
        self._queues[queue] = frozenset(topics)
        try:
            await response.write(b":ok\n\n")
            while True:
                try:
                    async with asyncio.timeout(KEEP_ALIVE):
                        text = await queue.get()
                except TimeoutError:
                    text = b":\n\n"
                if text is None:
                    return
                if not self.node.faults.hang:
                    await response.write(text)
        finally:
            self._queues.pop(queue, None)

    def close(self) -> None:
        """End all streams."""
        for queue in tuple(self._queues):
            self._end(queue)

    def _end(self, queue: asyncio.Queue[bytes | None]) -> None:
        self._queues.pop(queue, None)
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(None)

    def publish(self, topic: str, data: dict[str, Any]) -> None:
        """One event, unless this node keeps silent about it."""
        faults = self.node.faults
        if faults.mute_events or (topic in SLASHINGS and (faults.mute_slashings or faults.hide_slashings)):
            return
        text = b"event: " + topic.encode() + b"\ndata: " + orjson.dumps(data) + b"\n\n"
        for queue, topics in tuple(self._queues.items()):
            if topic in topics:
                try:
                    queue.put_nowait(text)
                except asyncio.QueueFull:
                    self._end(queue)

    def lie(self) -> None:
        """Tell what the node has begun to invent."""
        self.arrived([], [], finalized=False)
        if invented := self.node.faults.invent_slashings:
            spec = self.node.chain.spec
            epoch = self.node.head_slot // spec.slots_per_epoch
            self.publish("attester_slashing", attester_slashing(AttesterSlashing(invented, epoch), spec.slots_per_epoch))

    def arrived(self, blocks: list[Block], orphaned: list[Block], finalized: bool) -> None:
        """Events for what came: of the newest blocks one by one, and one head."""
        try:
            head = self.node.head()
        except Missing:
            return
        seen = [block for block in blocks[-NEWEST:] if block.slot <= head.slot]
        for block in seen:
            self.publish("block", {"slot": str(block.slot), "block": hexed(block.root), "execution_optimistic": self._optimistic})
        if head.root == self._head:
            return
        if orphaned and self.node.faults.lag == 0:
            self._reorg(orphaned, head)
        self._tell_head(head)
        self._head = head.root
        if finalized:
            self._tell_finalized()

    @property
    def _optimistic(self) -> bool:
        return self.node.faults.is_optimistic

    def _tell_head(self, head: Block) -> None:
        chain, per_epoch = self.node.chain, self.node.chain.spec.slots_per_epoch
        epoch = head.slot // per_epoch
        previous, current = (hexed(chain.rings.blocks[(epoch - behind) * per_epoch - 1]) for behind in (1, 0))
        parent = chain.by_root.get(head.header.parent)
        self.publish("head", {
            "slot": str(head.slot), "block": hexed(head.root), "state": hexed(head.header.state_root),
            "epoch_transition": parent is None or parent.slot // per_epoch != epoch, "previous_duty_dependent_root": previous,
            "current_duty_dependent_root": current, "execution_optimistic": self._optimistic,
        })  # fmt: skip

    def _reorg(self, orphaned: list[Block], head: Block) -> None:
        old, first = orphaned[-1], orphaned[0]
        parent = self.node.chain.by_root.get(first.header.parent)
        depth = max(1, old.slot - (first.slot - 1 if parent is None else parent.slot))
        self.publish("chain_reorg", {
            "slot": str(head.slot), "depth": str(depth), "old_head_block": hexed(old.root), "new_head_block": hexed(head.root),
            "old_head_state": hexed(old.header.state_root), "new_head_state": hexed(head.header.state_root),
            "epoch": str(head.slot // self.node.chain.spec.slots_per_epoch), "execution_optimistic": self._optimistic,
        })  # fmt: skip

    def _tell_finalized(self) -> None:
        chain = self.node.chain
        point = chain.state.finalized
        slot = point.epoch * chain.spec.slots_per_epoch
        self.publish("finalized_checkpoint", {
            "block": hexed(point.root), "state": hexed(chain.rings.states[slot]), "epoch": str(point.epoch),
            "execution_optimistic": self._optimistic,
        })  # fmt: skip
