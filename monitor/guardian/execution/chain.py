"""What the machine asks the chain. Every answer is a majority's of all configured endpoints, read at one agreed block; NoMajority else."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from monitor.guardian import contract as guardian
from monitor.guardian.contract import Meaning, Registered
from monitor.guardian.node import HEADS_APART, Nodes, Refused, number, unhex
from monitor.guardian.order import Order
from monitor.model import Address, Hash, address

T = TypeVar("T")
READ_GAS = 3_000_000
KEPT_ANSWERS = 64
Receipt: TypeAlias = tuple[str, int, bool]
"""Block hash, block number, success."""


class WrongContract(Exception):
    """The contract at the configured address does not answer as a guardian does."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest block that a majority knows. ``base_fee``: wei a unit of gas."""

    number: int
    hash: Hash
    timestamp: int
    base_fee: int


@dataclass(frozen=True, slots=True)
class Powers:
    """Who may sign, how many must, and for how many blocks an order lives; as the contract has it at the head."""

    sentinels: Mapping[Address, int]
    threshold: int
    order_age: int


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of an order, from the contract's own event. ``kind``: executed, shadowed or cancelled."""

    kind: str
    decision: bytes
    block: Hash
    number: int
    tx: Hash
    who: Address


_KINDS = {guardian.ORDER_EXECUTED.topic: "executed", guardian.ORDER_SHADOWED.topic: "shadowed", guardian.ORDER_CANCELLED.topic: "cancelled"}


class Chain:
    """The guardian contract of one network, through its endpoints."""

    def __init__(self, nodes: Nodes, where: Address) -> None:
        self.nodes, self.where = nodes, where
        self._asked: OrderedDict[tuple[bytes, Hash], bytes] = OrderedDict()
        """Answers at a block's hash: they never change, and each step asks some of them again."""

    # ------------------------------------------------------------ blocks

    async def head(self) -> Head:
        """The newest block that a majority knows."""
        height = await self.nodes.middle("head", number, "eth_blockNumber", apart=HEADS_APART)
        return await self.nodes.agreed("newest block", _head, "eth_getBlockByNumber", hex(height), False)

    async def hash_at(self, height: int) -> Hash | None:
        """The hash of the block at that height; None when a majority does not have one yet."""
        return await self.nodes.agreed("block", _hash, "eth_getBlockByNumber", hex(height), False)

    # ------------------------------------------------------------ the contract

    async def registered(self, target: Address, block: Hash) -> Registered:
        """What the contract has for the target at that block: equal for all who ask. Raises WrongContract."""
        return await self._ask("registered target", guardian.TARGET.call(target).data, block, guardian.read_target)

    async def powers(self, block: Hash) -> Powers:
        """Sentinels, threshold and age of orders at that block. Raises WrongContract."""
        who, need, bounds = await asyncio.gather(
            self._ask("sentinels", guardian.SENTINELS.call().data, block, guardian.read_sentinels),
            self._ask("threshold", guardian.THRESHOLD.call().data, block, guardian.THRESHOLD.decode),
            self._ask("ceilings", guardian.CEILINGS.call().data, block, guardian.CEILINGS.decode),
        )
        return Powers(who, need, bounds[5])

    async def gas(self, target: Address, block: Hash) -> int:
        """Gas for a transaction that carries out an order for the target: what the contract says, never an estimate."""
        found: int = await self._ask("gas", guardian.GAS_NEEDED.call((target,)).data, block, guardian.GAS_NEEDED.decode)
        return found

    async def holds(self, role: bytes, account: Address) -> bool:
        """Whether the account holds the role now. Raises WrongContract."""
        found: bool = await self._ask("role of a key", guardian.HAS_ROLE.call(role, account).data, None, guardian.HAS_ROLE.decode)
        return found

    async def check(self, order: Order, signatures: bytes, head: Head) -> tuple[Meaning, str]:
        """What the contract says of the order at the head. The observed block's hash is the caller's to compare. Raises WrongContract."""
        data = guardian.CHECK_ORDER.call(order.struct, signatures).data
        return guardian.meaning(await self._ask("check of an order", data, head.hash, guardian.CHECK_ORDER.decode))

    async def pull(self, target: Address, registered: Registered, head: Head) -> str | None:
        """Why the lever itself would fail if the guardian pulled it at the head, with the gas that it will have; None if it would not."""
        to, data = guardian.lever_call(target, registered)
        answer = await self.nodes.call(
            "simulation", to, data, sender=self.where, gas=registered.gas_limit + 21_000 + 16 * len(data), block={"blockHash": head.hash}
        )
        if not isinstance(answer, Refused):
            return None
        return (
            f"the target's pause call would revert (0x{(answer.data or b'')[:4].hex()}): does the guardian hold the right to pause there?"
        )

    async def fates(self, target: Address, decisions: Iterable[bytes], since: int, head: Head) -> list[Fate]:
        """What became of orders for these decisions up to the head, in the order of the chain."""
        wanted = {
            "address": self.where, "fromBlock": hex(since), "toBlock": hex(head.number), "topics": guardian.order_topics(target, decisions),
        }  # fmt: skip
        return list(await self.nodes.agreed("what became of the order", _fates, "eth_getLogs", wanted))

    async def resumes(self, target: Address, block: Hash, tx: Hash) -> int | None:
        """The resume time that the guardian's event of that transaction tells; None without the event."""
        topics = ["0x" + guardian.TARGET_PAUSED.topic.hex(), "0x" + bytes(12).hex() + target[2:].lower()]
        wanted = {"address": self.where, "blockHash": block, "topics": topics}
        found = dict(await self.nodes.agreed("the pause's event", _resumes, "eth_getLogs", wanted))
        return found.get(tx)

    # ------------------------------------------------------------ the target, accounts, transactions

    async def is_paused(self, target: Address, block: Any) -> bool:
        """Whether the target says that it is paused; what is no clean answer is no."""
        answer = await self.nodes.call("paused state", target, guardian.IS_PAUSED.call().data, block=block)
        return isinstance(answer, bytes) and len(answer) == 32 and int.from_bytes(answer, "big") == 1

    async def nonce(self, account: Address) -> int:
        return await self.nodes.middle("nonce", number, "eth_getTransactionCount", account, "latest")

    async def balance(self, account: Address) -> int:
        return await self.nodes.middle("balance", number, "eth_getBalance", account, "latest")

    async def receipt(self, hash: Hash) -> Receipt | None:
        """The receipt, or None when a majority says that there is none."""
        return await self.nodes.agreed("receipt", _receipt, "eth_getTransactionReceipt", hash)

    async def why(self, data: bytes, sender: Address) -> tuple[Meaning, str]:
        """Why a transaction that was mined and reverted would fail now too; fine when it would not."""
        answer = await self.nodes.call("why it reverted", self.where, data, sender=sender, gas=READ_GAS)
        if not isinstance(answer, Refused):
            return "fine", "it would go through now"
        return guardian.refusal(answer.data or b"") or ("obstacle", guardian.explain(answer.data or b""))

    async def _ask(self, what: str, data: bytes, block: Hash | None, read: Callable[[bytes], T]) -> T:
        answer = None if block is None else self._asked.get((data, block))
        if answer is None:
            answer = await self._call(what, data, block)
        try:
            found = read(answer)
        except ValueError as wrong:
            raise self._wrong(what, str(wrong)) from None
        if block is not None:
            self._asked[data, block] = answer
            while len(self._asked) > KEPT_ANSWERS:
                self._asked.popitem(last=False)
        return found

    async def _call(self, what: str, data: bytes, block: Hash | None) -> bytes:
        answer = await self.nodes.call(what, self.where, data, block="latest" if block is None else {"blockHash": block})
        if isinstance(answer, Refused):
            raise self._wrong(what, "it reverted")
        return answer

    def _wrong(self, what: str, why: str) -> WrongContract:
        return WrongContract(f"the contract at guardian.contract {self.where} does not answer ({what}: {why}): correct the address")


def _head(block: Any) -> Head:
    return Head(number(block["number"]), Hash(block["hash"]), number(block["timestamp"]), number(block["baseFeePerGas"]))


def _hash(block: Any) -> Hash | None:
    return None if block is None else Hash(block["hash"])


def _receipt(answer: Any) -> Receipt | None:
    return None if answer is None else (answer["blockHash"], number(answer["blockNumber"]), number(answer["status"]) == 1)


def _fates(answer: Any) -> tuple[Fate, ...]:
    return tuple(_fate(entry) for entry in _kept(answer))


def _fate(entry: Any) -> Fate:
    event, _, decision, who = (unhex(topic) for topic in entry["topics"])
    place = Hash(entry["blockHash"]), number(entry["blockNumber"]), Hash(entry["transactionHash"])
    return Fate(_KINDS[event], decision, *place, address("0x" + who[12:].hex()))


def _resumes(answer: Any) -> tuple[tuple[str, int], ...]:
    return tuple((entry["transactionHash"], int.from_bytes(unhex(entry["data"])[32:64], "big")) for entry in _kept(answer))


def _kept(answer: Any) -> Sequence[Any]:
    """Logs that still stand: some nodes tell what a reorganisation took back as removed."""
    if not isinstance(answer, list):
        raise ValueError("no list of logs")
    return [entry for entry in answer if not entry.get("removed", False)]
