"""A person's transaction: outbid, sent to every endpoint, waited for. No service, no database.

The nonce is the account's next *mined* one, so that a second try replaces the first instead of doing the thing twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from monitor.guardian.contract import PauseImpossible
from monitor.guardian.keys import Signer
from monitor.guardian.node import Nodes, NoMajority, number
from monitor.guardian.settings import GuardianSettings
from monitor.model import Address, Hash

GWEI = 10**9
WAIT_SECONDS = 90.0
POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Fees:
    """The most that a unit of gas may cost, and what is offered above the base fee, in wei."""

    most: int = 500 * GWEI
    priority: int = 3 * GWEI

    @classmethod
    def of(cls, settings: GuardianSettings) -> Fees:
        most = int(settings.max_fee_gwei * GWEI)
        return cls(most, min(int(settings.priority_fee_gwei * GWEI), most))


@dataclass(frozen=True, slots=True)
class Mined:
    """A transaction that succeeded. Times are wall time."""

    tx: Hash
    block: int
    block_hash: Hash
    gas_used: int
    sent_at: float
    mined_at: float


@dataclass(frozen=True)
class Person:
    """Somebody with a key who calls contracts. ``wait_seconds``: how long one transaction is waited for."""

    nodes: Nodes
    signer: Signer
    chain_id: int
    fees: Fees
    wait_seconds: float = WAIT_SECONDS

    async def call(self, to: Address | None, data: bytes, gas: int, reverted: Callable[[], Awaitable[None]]) -> Mined:
        """Send the call and wait until it is mined. ``reverted`` is asked for the reason when it failed on chain: it raises it if it can.
        ``to`` is None for the creation of a contract.

        Raises PauseImpossible with the reason and the remedy, NoMajority when the endpoints do not answer.
        """
        hash, raw = self.signer.sign(await self._transaction(to, data, gas))
        taken, said = await self.nodes.send(raw, benign=lambda message: False)
        if not taken:
            raise PauseImpossible(f"no endpoint took the transaction: {said}")
        sent = time.time()
        block_hash, block, went_well, used = await self._receipt(hash)
        if not went_well:
            await reverted()
            raise PauseImpossible(f"{hash} was mined in block {block} and reverted; it would go through now: try again")
        return Mined(hash, block, block_hash, used, sent, time.time())

    async def _transaction(self, to: Address | None, data: bytes, gas: int) -> dict[str, Any]:
        base = await self.nodes.middle("base fee", lambda b: number(b["baseFeePerGas"]), "eth_getBlockByNumber", "latest", False)
        # A person in a hurry outbids: twice the base fee survives six full blocks.
        fee = min(self.fees.most, 2 * base + self.fees.priority)
        if fee < base:
            raise PauseImpossible(
                f"the base fee is {base / GWEI:.1f} gwei, guardian.max_fee_gwei allows {self.fees.most / GWEI:g}: raise it"
            )
        balance = await self.nodes.middle("balance", number, "eth_getBalance", self.signer.address, "latest")
        if balance < gas * fee:
            raise PauseImpossible(
                f"{self.signer.address} has {balance / 1e18:.4f} ether, the transaction may need {gas * fee / 1e18:.4f}: fund it"
            )
        nonce = await self.nodes.middle("nonce", number, "eth_getTransactionCount", self.signer.address, "latest")
        return {
            "type": 2, "chainId": self.chain_id, "nonce": nonce, "to": to or "", "value": 0, "data": data,
            "gas": gas, "maxFeePerGas": fee, "maxPriorityFeePerGas": min(self.fees.priority, fee),
        }  # fmt: skip

    async def _receipt(self, hash: Hash) -> tuple[Hash, int, bool, int]:
        deadline = time.monotonic() + self.wait_seconds
        while time.monotonic() < deadline:
            try:
                found = await self.nodes.agreed("receipt", _receipt, "eth_getTransactionReceipt", hash)
            except NoMajority:
                found = None
            if found is not None:
                return found
            await asyncio.sleep(POLL_SECONDS)
        raise PauseImpossible(
            f"{hash} was sent and is not mined after {self.wait_seconds:.0f} s; it may still be. Run the command again with a higher "
            "guardian.priority_fee_gwei: it takes the same nonce, so it is done once at most"
        )


def _receipt(answer: Any) -> tuple[Hash, int, bool, int] | None:
    if answer is None:
        return None
    return Hash(answer["blockHash"]), number(answer["blockNumber"]), number(answer["status"]) == 1, number(answer["gasUsed"])
