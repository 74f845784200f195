"""Who fills anvil's blocks: hands over from the network's pool only what belongs into the next block, and jams it on demand.

Anvil takes what could be mined only in an order or at a fee that it could not have yet, and throws away what the base fee has overtaken.
Therefore it never holds more than the next block: the pool is ours.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

import structlog

from monitor.devnet.gateway.branch import Branch
from monitor.devnet.gateway.pool import Pool, best_paying, next_base_fee
from monitor.devnet.gateway.signed import BASE
from monitor.devnet.upstream import Fails, failure

log = structlog.get_logger()

GWEI = 10**9
CROWD = "0x" + "00" * 17 + "6a616d"
"""Who pays for a jam."""
BURNER = "0x" + "00" * 16 + "6275726e"
"""Code of one invalid instruction: it burns whatever gas it is given, at no cost to this machine."""
_RICHES, _ANY_PRICE = hex(10**40), hex(10**18)


@dataclass(frozen=True)
class Jam:
    """Others fill every block. ``fill``: the part of the block's gas that they take. ``tip``: wei per gas that they pay; whoever pays as much
    or more is still put in, before them."""

    tip: int = 2 * GWEI
    fill: float = 1.0


class Maker:
    """The block maker of one branch."""

    def __init__(self, branch: Branch) -> None:
        self.pool = Pool()
        self.jam: Jam | None = None
        self.held: dict[str, int | None] = {}
        """Transactions that it leaves out, by hash, until it makes this block; None: until it is told otherwise."""
        self._branch = branch
        self._crowd: tuple[str, str, int] | None = None
        self._lock = asyncio.Lock()

    async def fill(self) -> None:
        """Bring anvil's pool to what the next block should hold."""
        head = self._branch.head
        if head is None:
            return
        async with self._lock:
            self.held = {hash: until for hash, until in self.held.items() if until is None or until > head.number + 1}
            base_fee = next_base_fee(head.base_fee, head.gas_used, head.gas_limit)
            least = 0 if self.jam is None else self.jam.tip
            chosen = best_paying(self.pool, base_fee, head.gas_limit, least, self.held)
            await self._crowd_in(head.hash, head.gas_limit, sum(tx.gas for tx in chosen))
            for tx in chosen:
                with contextlib.suppress(Fails):  # it has it already, or the base fee was set by hand: it stays in our pool
                    await self._branch.node.ask("eth_sendRawTransaction", ["0x" + tx.raw.hex()])

    async def withdraw(self, hash: str) -> None:
        """Take a transaction out of the next block."""
        await self._branch.node.ask("anvil_dropTransaction", [hash])

    async def begin(self, jam: Jam, base_fee: int | None) -> None:
        """Fill every block from the next on, which has this base fee in wei if one is given. Raises ``Fails`` where blocks come by transactions."""
        ask = self._branch.node.ask
        if await ask("anvil_getAutomine", []):
            raise failure(-32000, "blocks come with each transaction here: only a chain with a clock can be jammed")
        await ask("anvil_setCode", [BURNER, "0xfe"])
        await ask("anvil_setBalance", [CROWD, _RICHES])
        await ask("anvil_impersonateAccount", [CROWD])
        if base_fee is not None:
            await ask("anvil_setNextBlockBaseFeePerGas", [hex(base_fee)])
        self.jam = jam
        log.info("gateway.jam", tip=jam.tip, fill=jam.fill)
        await self.fill()

    async def end(self) -> None:
        """The crowd goes home; the base fee falls by itself."""
        self.jam = None
        await self.fill()

    async def _crowd_in(self, head: str, limit: int, taken: int) -> None:
        """The crowd's one transaction takes what the others leave of the block; it is changed when they change."""
        gas = 0 if self.jam is None else int(limit * self.jam.fill) - taken
        if self._crowd is not None and self._crowd[1:] == (head, gas):
            return
        if self._crowd is not None:
            await self.withdraw(self._crowd[0])
            self._crowd = None
        if self.jam is None or gas < BASE:
            return
        fees = {"maxFeePerGas": _ANY_PRICE, "maxPriorityFeePerGas": hex(self.jam.tip)}
        hash = await self._branch.node.ask("eth_sendTransaction", [{"from": CROWD, "to": BURNER, "gas": hex(gas), **fees}])
        self._crowd = (hash, head, gas)
