"""The guardian's endpoints as who answers a :class:`~monitor.guardian.levers.reader.Reader`."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from monitor.guardian.node import Nodes
from monitor.guardian.snapshot import take_snapshot
from monitor.model import BlockStamp, Read, Snapshot

_AT_ONCE = 16


class NodesSource:
    """One message a question: for the few that a laptop asks. A provider that counts messages a second is not asked all at once."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._turn = asyncio.Lock()

    async def read_aside(self, stamp: BlockStamp, reads: list[Read]) -> Snapshot:
        taken = [await self._some(stamp, reads[i : i + _AT_ONCE]) for i in range(0, len(reads), _AT_ONCE)]
        return replace(taken[0], answers={read: answer for each in taken for read, answer in each.answers.items()})

    async def _some(self, stamp: BlockStamp, reads: list[Read]) -> Snapshot:
        async with self._turn:
            return await take_snapshot(self._nodes, stamp, reads)
