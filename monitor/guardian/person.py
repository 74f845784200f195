"""A person's transaction: outbid, sent to every endpoint, waited for. No service, no database.

The nonce is the account's next *mined* one, so that a second try replaces the first instead of doing the thing twice. What waits at that nonce
already is looked for, and outbid.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from monitor.guardian.contract import PauseImpossible
from monitor.guardian.envelope import Transaction, sign_transaction
from monitor.guardian.keys import Signer
from monitor.guardian.node import Nodes, NoMajority, Refused, number, unhex
from monitor.guardian.settings import GuardianSettings
from monitor.model import Address, Hash, address

GWEI = 10**9
WAIT_SECONDS = 90.0
POLL_SECONDS = 0.5
GAS_ROOM = 60_000
MOST_GAS = 15_000_000
_TAKEN_ALREADY = ("already known", "known transaction", "already imported", "already in mempool", "already exists")
_PLACE_TAKEN = ("underpriced", "replacement", "fee too low to replace")
_TOO_LATE = "nonce too low"
_OVERTAKEN_LOOKS = 6
"""So often the nonce must be seen as used, without a receipt of ours, before it counts as used by another transaction: endpoints lag."""
_BIDS = 16
_DEAR = 4


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


@dataclass(frozen=True, slots=True)
class Waiting:
    """A transaction that some endpoint holds back at the account's next nonce. Fees in wei for a unit of gas."""

    tx: Hash
    to: Address | None
    data: bytes
    fee: int
    tip: int

    def is_call(self, to: Address | None, data: bytes) -> bool:
        """Whether it does the same."""
        return (self.to, self.data) == (to, data)


@dataclass(frozen=True, slots=True)
class Offer:
    """What a transaction would be sent with. ``fee``, ``tip``, ``base_fee``: wei for a unit of gas; ``balance``: wei.

    ``waits``: transactions of the account that are sent and not mined; ``waiting``: the one whose place this takes, where an endpoint tells.
    """

    nonce: int
    gas: int
    fee: int
    tip: int
    base_fee: int
    balance: int
    waits: int = 0
    waiting: Waiting | None = None

    @property
    def most(self) -> int:
        """Wei that it can cost at most."""
        return self.gas * self.fee


class Overtaken(PauseImpossible):
    """Another transaction of the account used the nonce: what it did must be looked at."""


def _silent(words: str) -> None:
    pass


@dataclass(frozen=True)
class Person:
    """Somebody with a key who calls contracts. ``wait_seconds``: how long one transaction is waited for; ``said`` is told of each step."""

    nodes: Nodes
    signer: Signer
    chain_id: int
    fees: Fees
    wait_seconds: float = WAIT_SECONDS
    said: Callable[[str], None] = _silent
    poll_seconds: float = POLL_SECONDS

    async def call(
        self, to: Address | None, data: bytes, gas: int, reverted: Callable[[], Awaitable[None]], offer: Offer | None = None
    ) -> Mined:
        """Send the call and wait until it is mined. ``reverted`` is asked for the reason when it failed on chain: it raises it if it can.
        ``to`` is None for the creation of a contract. ``offer``: as :meth:`offer` made it, to save asking again.

        Raises PauseImpossible with the reason and the remedy, Overtaken, NoMajority when the endpoints do not answer.
        """
        offer = await self.offer(gas) if offer is None else offer
        hashes = await self._send(to, data, offer)
        sent = time.time()
        hash, block_hash, block, went_well, used = await self._receipt(hashes, offer.nonce)
        if not went_well:
            await reverted()
            raise PauseImpossible(f"{hash} was mined in block {block} and reverted; it would go through now: try again")
        return Mined(hash, block, block_hash, used, sent, time.time())

    async def offer(self, gas: int) -> Offer:
        """What would be offered now. Raises PauseImpossible when the account or the fees' bound does not allow it, and NoMajority."""
        who = self.signer.address
        base, balance, nonce, pending = await asyncio.gather(
            self.nodes.middle("base fee", lambda b: number(b["baseFeePerGas"]), "eth_getBlockByNumber", "latest", False),
            self.nodes.middle("balance", number, "eth_getBalance", who, "latest"),
            self.nodes.middle("nonce", number, "eth_getTransactionCount", who, "latest"),
            self.nodes.middle("pending nonce", number, "eth_getTransactionCount", who, "pending"),
        )
        if base > self.fees.most:
            raise PauseImpossible(
                f"the base fee is {base / GWEI:.1f} gwei, {self.fees.most / GWEI:g} are allowed: allow more (guardian.max_fee_gwei, or --max-fee)"
            )
        # A person in a hurry outbids: twice the base fee survives six full blocks.
        fee = min(self.fees.most, 2 * base + self.fees.priority)
        offer = Offer(nonce, gas, fee, min(self.fees.priority, fee), base, balance, max(0, pending - nonce))
        if offer.waits:
            waiting = await self._waiting(nonce)
            offer = replace(offer, waiting=waiting)
            # What one endpoint says must not cost a fortune: what really stands higher is outbid when it is refused.
            if waiting is not None and max(waiting.fee, waiting.tip) * 9 // 8 < min(_DEAR * offer.fee, self.fees.most):
                offer = self._outbid(offer, waiting.fee, waiting.tip)
        return self._payable(offer)

    def _payable(self, offer: Offer, least: int = 0) -> Offer:
        """The offer, or the most that the account can pay if that is still enough for the next block, and not below ``least``."""
        if offer.balance >= offer.most:
            return offer
        fee = offer.balance // offer.gas
        least = max(least, offer.base_fee * 9 // 8 + min(offer.tip, GWEI))
        if fee < least:
            raise PauseImpossible(
                f"{self.signer.address} has {offer.balance / 1e18:.4f} ether, the transaction may need {offer.most / 1e18:.4f} "
                f"({least * offer.gas / 1e18:.4f} at the least): fund it, anybody can send it ether"
            )
        return replace(offer, fee=fee, tip=min(offer.tip, fee))

    def _outbid(self, offer: Offer, fee: int, tip: int) -> Offer:
        """At least an eighth above these fees, which every client takes for a replacement. Raises PauseImpossible beyond the bound."""
        new = replace(offer, fee=max(offer.fee, fee * 9 // 8 + 1), tip=max(offer.tip, tip * 9 // 8 + 1))
        if new.fee > self.fees.most:
            raise PauseImpossible(
                f"a transaction of {self.signer.address} waits at nonce {offer.nonce}; to take its place needs {new.fee / GWEI:.1f} gwei, "
                f"{self.fees.most / GWEI:g} are allowed: allow more (guardian.max_fee_gwei, or --max-fee)"
            )
        return replace(new, tip=min(new.tip, new.fee))

    async def _waiting(self, nonce: int) -> Waiting | None:
        """The transaction at that nonce, as any one endpoint tells it: a hint, on which nothing is withheld."""
        who = self.signer.address
        by_nonce, pool = await asyncio.gather(
            self.nodes.anyone(_waiting, "eth_getTransactionBySenderAndNonce", who, hex(nonce)),
            self.nodes.anyone(lambda a: _waiting(a["pending"][str(nonce)]), "txpool_contentFrom", who),
        )
        return by_nonce or pool

    async def _send(self, to: Address | None, data: bytes, offer: Offer) -> list[Hash]:
        """Give it to every endpoint, with higher fees for as long as another one holds its place. All hashes that may be mined, ours last."""
        hashes = [offer.waiting.tx] if offer.waiting is not None and offer.waiting.is_call(to, data) else []
        if hashes:
            self.said(
                f"the same was sent before and waits ({hashes[0]}): this takes its place with a higher fee, so it is done once at most"
            )
        elif offer.waits:
            what = "a transaction" if offer.waiting is None else f"transaction {offer.waiting.tx}"
            self.said(f"{what} of {self.signer.address} waits at nonce {offer.nonce} and was not mined: this takes its place")
        for _ in range(_BIDS):
            hash, raw = await sign_transaction(
                Transaction(self.chain_id, offer.nonce, to, data, offer.gas, offer.fee, offer.tip), self.signer
            )
            self.said(f"sending {hash} (nonce {offer.nonce}, at most {offer.most / 1e18:.4f} ether)")
            taken, said = await self.nodes.send(raw, benign=lambda message: any(k in message for k in _TAKEN_ALREADY))
            if taken or _TOO_LATE in said.lower():
                return [*hashes, hash]
            if not any(k in said.lower() for k in _PLACE_TAKEN):
                if await self.nodes.anyone(_hash_of, "eth_getTransactionByHash", hash) == hash:
                    return [*hashes, hash]
                raise PauseImpossible(
                    f"no endpoint took the transaction: {said}. If one took {hash} without saying so, it may still be mined; run the command "
                    "again, with another endpoint (--rpc): it takes the same nonce, so it is done once at most"
                )
            outbid = self._outbid(offer, offer.fee, offer.tip)
            offer = self._payable(outbid, outbid.fee)
            self.said(f"another transaction waits at nonce {offer.nonce}: offering more for its place")
        raise PauseImpossible(f"no endpoint lets a transaction take the place of the one that waits at nonce {offer.nonce}: {said}")

    async def _receipt(self, hashes: list[Hash], nonce: int) -> tuple[Hash, Hash, int, bool, int]:
        """Of the first that is mined."""
        deadline = time.monotonic() + self.wait_seconds
        used = 0
        while time.monotonic() < deadline:
            for hash in hashes:
                found = await self._asked(self.nodes.agreed("receipt", _receipt, "eth_getTransactionReceipt", hash))
                if found is not None:
                    return hash, *found
            mined = await self._asked(self.nodes.middle("nonce", number, "eth_getTransactionCount", self.signer.address, "latest"))
            used = used + 1 if mined is not None and mined > nonce else 0
            if used >= _OVERTAKEN_LOOKS:
                raise Overtaken(
                    f"another transaction of {self.signer.address} used nonce {nonce}, so {hashes[-1]} will never be mined: "
                    "look at what it did, then run the command again"
                )
            await asyncio.sleep(self.poll_seconds)
        raise PauseImpossible(
            f"{hashes[-1]} was sent and is not mined after {self.wait_seconds:.0f} s; it may still be. Run the command again: it takes the "
            "same nonce with a higher fee, so it is done once at most"
        )

    async def _asked(self, question: Awaitable[Any]) -> Any:
        """None where no majority answers now: it is asked again."""
        try:
            return await question
        except NoMajority:
            return None


async def gas_with_room(nodes: Nodes, sender: Address, to: Address, data: bytes) -> int:
    """Half as much again as the call needs now, and some: what is not used is only lent. Raises NoMajority."""
    wanted = {"from": sender, "to": to, "data": "0x" + data.hex()}
    needed = await nodes.middle("gas", number, "eth_estimateGas", wanted)
    return min(needed * 3 // 2 + GAS_ROOM, MOST_GAS)


def _receipt(answer: Any) -> tuple[Hash, int, bool, int] | None:
    if answer is None:
        return None
    return Hash(answer["blockHash"]), number(answer["blockNumber"]), number(answer["status"]) == 1, number(answer["gasUsed"])


def _hash_of(answer: Any) -> Hash:
    if isinstance(answer, Refused):
        raise ValueError(answer.message)
    return Hash(answer["hash"])


def _waiting(answer: Any) -> Waiting:
    """Raises for what is no transaction, and for one that is mined."""
    if answer["blockHash"] is not None:
        raise ValueError("it is mined")
    fee = number(answer["maxFeePerGas"] if answer.get("maxFeePerGas") else answer["gasPrice"])
    tip = number(answer["maxPriorityFeePerGas"]) if answer.get("maxPriorityFeePerGas") else fee
    to = None if answer["to"] is None else address(answer["to"])
    return Waiting(Hash(answer["hash"]), to, unhex(answer["input"]), fee, tip)
