"""Which transaction used a nonce of a Safe, found in the Safe's own events.

A Safe's nonce grows by one with each ``execTransaction``, and each that is mined leaves exactly one ExecutionSuccess or ExecutionFailure
(a module's executions leave other events and take no nonce). So the transaction of nonce n is the (now - n)th event from the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from monitor.guardian.node import Nodes, NoMajority, Refused, number, unhex
from monitor.guardian.safe.decode import Decoded, decode_call
from monitor.guardian.safe.state import SafeState
from monitor.guardian.safe.transaction import EXECUTE
from monitor.model import Address, Hash, address
from monitor.protocols.abi import EventType
from monitor.protocols.abi import decode as decode_values

SUCCESS = EventType.parse("event ExecutionSuccess(bytes32 txHash, uint256 payment)")
FAILURE = EventType.parse("event ExecutionFailure(bytes32 txHash, uint256 payment)")
_STEP = 10_000
_MOST_ASKED = 40
_MOST_NONCES = 500


@dataclass(frozen=True, slots=True)
class Use:
    """What used a nonce. ``to`` and ``call`` are told when the transaction called the Safe directly."""

    nonce: int
    safe_tx_hash: bytes
    succeeded: bool
    tx: Hash
    block: int
    to: Address | None
    call: Decoded | None
    data: bytes


async def who_used(nodes: Nodes, state: SafeState, nonce: int) -> Use | None:
    """The transaction that used the nonce; None when its event cannot be found: too far back, or no endpoint gives logs."""
    back = state.nonce - nonce
    if not 0 < back <= _MOST_NONCES:
        return None
    last, step = state.at.number, _STEP
    found: list[_Event] = []
    for _ in range(_MOST_ASKED):
        first = max(0, last - step + 1)
        try:
            found = [*await _events(nodes, state.safe, first, last), *found]
        except NoMajority:
            if step == 1:
                return None
            step = max(1, step // 10)  # endpoints differ in how many blocks they look through at once
            continue
        if len(found) >= back or first == 0:
            break
        last = first - 1
    if len(found) < back:
        return None
    event = found[-back]
    to, data = await _what(nodes, state.safe, event.tx)
    return Use(nonce, event.safe_tx_hash, event.succeeded, event.tx, event.block, to, decode_call(data), data)


@dataclass(frozen=True, slots=True)
class _Event:
    block: int
    seq: int
    tx: Hash
    safe_tx_hash: bytes
    succeeded: bool


async def _events(nodes: Nodes, safe: Address, first: int, last: int) -> list[_Event]:
    wanted = {
        "address": safe, "fromBlock": hex(first), "toBlock": hex(last),
        "topics": [["0x" + SUCCESS.topic.hex(), "0x" + FAILURE.topic.hex()]],
    }  # fmt: skip
    return list(await nodes.agreed("events of the Safe", _read_events, "eth_getLogs", wanted))


def _read_events(answer: Any) -> tuple[_Event, ...]:
    if isinstance(answer, Refused) or not isinstance(answer, list):
        raise ValueError("no logs")
    return tuple(sorted((_event(log) for log in answer), key=lambda e: (e.block, e.seq)))


def _event(log: Any) -> _Event:
    topics, data = [unhex(t) for t in log["topics"]], unhex(log["data"])
    # Safe 1.3.0 has the hash in the data, 1.4.1 as a topic; the first topic is the same.
    digest = topics[1] if len(topics) > 1 else data[:32]
    return _Event(number(log["blockNumber"]), number(log["logIndex"]), Hash(log["transactionHash"]), digest, topics[0] == SUCCESS.topic)


async def _what(nodes: Nodes, safe: Address, tx: Hash) -> tuple[Address | None, bytes]:
    try:
        to, data = await nodes.agreed("transaction", _sent, "eth_getTransactionByHash", tx)
    except NoMajority:
        return None, b""
    if to != safe or data[:4] != EXECUTE.selector:
        return None, b""
    try:
        values = decode_values(EXECUTE.inputs, data[4:])
    except ValueError:
        return None, b""
    return values[0], values[2]


def _sent(answer: Any) -> tuple[Address, bytes]:
    return address(answer["to"]), unhex(answer["input"])
