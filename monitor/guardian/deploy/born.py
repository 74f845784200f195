"""How a contract came to be: the transaction that created it.

Equal code is not enough. Whoever writes the creation code can put anything into storage that no view shows, such as a sentinel
that is on no list. So the whole creation code is compared, which only the transaction tells.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Literal

from monitor.guardian import compiled
from monitor.guardian.compiled import Compiled
from monitor.guardian.deploy.items import Item
from monitor.guardian.levers.reader import Reader, Unknown
from monitor.guardian.node import Nodes, NoMajority, number, unhex
from monitor.model import Address, Hash, address
from monitor.protocols.abi import decode


@dataclass(frozen=True, slots=True)
class Birth:
    """What is known of the creation. ``transaction``: None where it was not found."""

    state: Literal["ok", "wrong", "unknown"]
    text: str
    remedy: str = ""
    transaction: Hash | None = None


@dataclass(frozen=True, slots=True)
class _Sent:
    """A transaction and what became of it."""

    data: bytes
    to: str | None
    created: Address | None
    succeeded: bool
    block: int


async def contract(
    what: str, which: compiled.Shipped, nodes: Nodes, reader: Reader, at: Address, creation: Hash | None, head: int
) -> list[Item]:
    """Whether what is there is the committed contract: its code, and how it came to be. ``what`` begins the items' keys."""
    ours = compiled.load(which)
    code, born = await asyncio.gather(reader.code(at), birth(nodes, at, ours, creation, head))
    if isinstance(code, Unknown):
        return [Item(f"{what} code", "unknown", str(code), "ask again with other endpoints"), _item(what, born)]
    difference = ours.difference(code)
    if difference is not None:
        remedy = f"{at} is not the contract of this version: do not give it any right. An older version has its own `check`"
        return [Item(f"{what} code", "wrong", difference, remedy), _item(what, born)]
    return [Item(f"{what} code", "ok", f"{len(code)} bytes at {at} equal the committed {ours.name}, immutables apart"), _item(what, born)]


def _item(what: str, born: Birth) -> Item:
    return Item(f"{what} creation", born.state, born.text, born.remedy)


async def birth(nodes: Nodes, at: Address, ours: Compiled, creation: Hash | None, head: int) -> Birth:
    """Whether the contract was created by the committed code. Without the transaction's hash it is looked for in the chain's history."""
    try:
        found = creation or await _search(nodes, at, head)
        if found is None:
            text = "no transaction of the block in which it appeared created it: a contract did"
            return Birth("wrong", text, "its creation code cannot be compared: deploy by `--send`, without a factory")
        sent = await _sent(nodes, found)
    except NoMajority as missing:
        remedy = "name the transaction with --creation, or ask endpoints that keep history"
        return Birth("unknown", f"the transaction that created it was not found: {missing}", remedy)
    return _judge(at, ours, found, sent)


def _judge(at: Address, ours: Compiled, hash: Hash, sent: _Sent | None) -> Birth:
    if sent is None:
        return Birth("unknown", f"nobody knows the transaction {hash}", "name the right one with --creation", hash)
    if sent.to is not None or not sent.succeeded or sent.created != at:
        return Birth("wrong", f"{hash} did not create {at}", "name the right one with --creation", hash)
    arguments = sent.data[len(ours.creation) :]
    if not sent.data.startswith(ours.creation):
        remedy = "its storage may hold what no view shows: do not give it any right"
        return Birth("wrong", f"{hash} created it by other code than the committed one", remedy, hash)
    try:
        decode(ours.types, arguments)
    except ValueError:
        return Birth("wrong", f"{hash} has something else than arguments behind the code", "do not give it any right", hash)
    return Birth("ok", f"by the committed code, in block {sent.block}, transaction {hash}", "", hash)


async def _sent(nodes: Nodes, hash: Hash) -> _Sent | None:
    def read(found: Any) -> tuple[bytes, str | None] | None:
        return None if found is None else (unhex(found["input"]), found.get("to"))

    def outcome(found: Any) -> tuple[Address | None, bool, int] | None:
        if found is None:
            return None
        made = found.get("contractAddress")
        return (None if made is None else address(made)), number(found["status"]) == 1, number(found["blockNumber"])

    transaction = await nodes.agreed("transaction", read, "eth_getTransactionByHash", hash)
    receipt = await nodes.agreed("receipt", outcome, "eth_getTransactionReceipt", hash)
    return None if transaction is None or receipt is None else _Sent(transaction[0], transaction[1], *receipt)


async def _search(nodes: Nodes, at: Address, head: int) -> Hash | None:
    """The transaction that created it: the first block that has its code, by halving, and in it whose receipt names it. Raises NoMajority."""
    low, high = 0, head
    while low < high:
        middle = (low + high) // 2
        there = await nodes.agreed("code", lambda a: bool(unhex(a)), "eth_getCode", at, hex(middle))
        low, high = (low, middle) if there else (middle + 1, high)

    def creating(block: Any) -> tuple[str, ...]:
        return tuple(str(t["hash"]) for t in block["transactions"] if t.get("to") is None)

    for hash in await nodes.agreed("block", creating, "eth_getBlockByNumber", hex(low), True):
        sent = await _sent(nodes, Hash(hash))
        if sent is not None and sent.created == at:
            return Hash(hash)
    return None
