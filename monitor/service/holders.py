"""Reading who holds which role, once, for the commands and for a fresh devnet's baseline."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from monitor.chain import Execution
from monitor.collectors.baseline import Holdings
from monitor.collectors.roles import holdings
from monitor.model import BlockStamp, Read, Snapshot
from monitor.protocols.signals import ProtocolSources


async def read_holdings(execution: Execution, sources: ProtocolSources) -> tuple[Holdings, list[str], BlockStamp]:
    """All holders and proxy pointers at the newest agreed block, the contracts that could not be read, and the block.

    Closes ``execution``. Raises NoAgreement when there is no agreed block.
    """
    try:
        stamp = await execution.stamp("latest")
        loop = asyncio.get_running_loop()

        def ask(reads: Sequence[Read]) -> Snapshot:
            wanted = execution.read(stamp, tuple(dict.fromkeys(reads)), frozenset(), stamp.number - 1)
            return asyncio.run_coroutine_threadsafe(wanted, loop).result()

        found, failed = await asyncio.to_thread(holdings, sources, {}, ask)
        return found, failed, stamp
    finally:
        await execution.close()
