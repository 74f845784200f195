"""The guardian's endpoints as who answers a :class:`~monitor.guardian.levers.reader.Reader`."""

from __future__ import annotations

from monitor.guardian.node import Nodes
from monitor.guardian.status import take_snapshot
from monitor.model import BlockStamp, Read, Snapshot


class NodesSource:
    """One message a question: for the few that a laptop asks."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    async def read_aside(self, stamp: BlockStamp, reads: list[Read]) -> Snapshot:
        return await take_snapshot(self._nodes, stamp, reads)
