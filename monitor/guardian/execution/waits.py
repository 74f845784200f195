"""Transactions of the senders that are sent and not mined: a transaction that waits stands before every later one of its account.

What nodes hold back is no state of a block, so no judged block can show it: it is asked of all endpoints beside the blocks, and told as what the
service knows about itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from monitor.guardian.node import Nodes, NoMajority, number
from monitor.model import Address


async def nonces(nodes: Nodes, account: Address) -> tuple[int, int] | None:
    """The account's next nonce at the head, and the one after all that is sent; the medians of a majority. None without a majority."""
    try:
        mined = await nodes.middle("nonce", number, "eth_getTransactionCount", account, "latest")
        sent = await nodes.middle("pending nonce", number, "eth_getTransactionCount", account, "pending")
    except NoMajority:
        return None
    return mined, max(mined, sent)


@dataclass
class Waits:
    """For how long each account's first waiting transaction has been waiting. ``clock``: wall time."""

    nodes: Nodes
    accounts: Sequence[Address]
    clock: Callable[[], float] = time.time
    _since: dict[Address, tuple[int, float]] = field(default_factory=dict)

    async def look(self) -> dict[str, float | None]:
        """Seconds since the account's next nonce was first seen to wait: 0 when nothing waits, None where that cannot be told."""
        return {account: await self._look(account) for account in self.accounts}

    async def _look(self, account: Address) -> float | None:
        found = await nonces(self.nodes, account)
        if found is None:
            return None
        mined, sent = found
        if sent == mined:
            self._since.pop(account, None)
            return 0.0
        before = self._since.get(account)
        if before is None or before[0] != mined:
            before = self._since[account] = mined, self.clock()
        return self.clock() - before[1]
