"""Several calls in one transaction of a Safe: ``multiSend`` of MultiSendCallOnly, which the Safe runs by delegatecall, all or nothing.

A delegatecall can do anything to a Safe, so only contracts whose address *and* code are known are taken (safe-global/safe-deployments, v1.3.0 and
v1.4.1, ``multi_send_call_only.json``), and every call inside is shown and judged like one that stands alone. MultiSend itself, which lets a part be a
delegatecall, is not taken.

The parts are packed one after the other (``MultiSendCallOnly.sol``): operation (1 byte), to (20), value (32), length (32), data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from eth_hash.auto import keccak

from monitor.guardian.safe.transaction import CALL, DELEGATECALL, NO_ADDRESS, SafeTransaction
from monitor.model import Address, address
from monitor.protocols.abi import Function, decode

MULTI_SEND = Function.parse("function multiSend(bytes transactions)")
MOST_PARTS = 16

Batchers = Mapping[Address, bytes]
"""Contracts that may run by delegatecall: the keccak of the code of each."""

_CODE_1_3_0 = bytes.fromhex("a9865ac2d9c7a1591619b188c4d88167b50df6cc0c5327fcbd1c8c75f7c066ad")
_CODE_1_4_1 = bytes.fromhex("ecd5bd14a08c5d2122379900b2f272bdf107a7e92423c10dd5fe3254386c9939")
CANONICAL: Batchers = {
    Address("0x9641d764fc13c8B624c04430C7356C1C7C8102e2"): _CODE_1_4_1,
    Address("0x40A2aCCbd92BCA938b02010E17A5b8929b49130D"): _CODE_1_3_0,
    Address("0xA1dabEF33b3B82c7814B6D82A79e50F4AC44102B"): _CODE_1_3_0,
}
"""MultiSendCallOnly 1.4.1 and 1.3.0 (which has two addresses), at the same places on all chains that have them."""
_HEAD = 1 + 20 + 32 + 32


class BadBatch(ValueError):
    """The bytes are not a batch of plain calls: why."""


@dataclass(frozen=True, slots=True)
class Part:
    """One call of a batch."""

    to: Address
    data: bytes


def is_batch(t: SafeTransaction, batchers: Batchers) -> bool:
    """Whether it is a delegatecall to a contract that is known to make calls only. Its code is for the chain to tell: :func:`same_code`."""
    return t.operation == DELEGATECALL and t.to in batchers


def packed(calls: Sequence[Part]) -> bytes:
    """Call data that makes these calls in their order."""
    body = b"".join(
        b"\0" + bytes.fromhex(c.to[2:]) + bytes(32) + len(c.data).to_bytes(32, "big") + c.data for c in calls
    )  # operation CALL, value 0
    return MULTI_SEND.call(body).data


def parts(data: bytes) -> tuple[Part, ...]:
    """The calls of a batch. Raises BadBatch for anything but plain calls without ether, packed in the one way that reads the same to all."""
    if data[:4] != MULTI_SEND.selector:
        raise BadBatch(f"it does not call multiSend but 0x{data[:4].hex()}")
    try:
        (body,) = decode(MULTI_SEND.inputs, data[4:])
    except ValueError:
        raise BadBatch("the arguments are not what multiSend takes: the bytes can be read in more than one way") from None
    found: list[Part] = []
    at = 0
    while at < len(body):
        number = len(found) + 1
        if number > MOST_PARTS:
            raise BadBatch(f"it makes more than {MOST_PARTS} calls: nobody reads so many")
        head = body[at : at + _HEAD]
        size = int.from_bytes(head[53:], "big")
        if len(head) < _HEAD or len(body) - at - _HEAD < size:
            raise BadBatch(f"call {number} goes beyond the end of the bytes")
        if head[0]:
            raise BadBatch(f"call {number} has operation {head[0]}: only a plain CALL (0) is taken")
        if any(head[21:53]):
            raise BadBatch(f"call {number} sends {int.from_bytes(head[21:53], 'big')} wei; a pause needs none")
        to = address("0x" + head[1:21].hex())
        if to == NO_ADDRESS:
            raise BadBatch(f"call {number} is to the zero address, which some versions take for the Safe itself")
        found.append(Part(to, bytes(body[at + _HEAD : at + _HEAD + size])))
        at += _HEAD + size
    if not found:
        raise BadBatch("it makes no call at all")
    return tuple(found)


def calls_of(t: SafeTransaction) -> tuple[SafeTransaction, ...]:
    """The calls that a transaction makes as the Safe, each as if it stood alone: those of a batch, else the transaction itself."""
    if t.operation != DELEGATECALL:
        return (t,)
    try:
        return tuple(replace(t, to=part.to, data=part.data, operation=CALL) for part in parts(t.data))
    except BadBatch:
        return (t,)


def same_code(where: Address, code: bytes, batchers: Batchers) -> str | None:
    """Why the code at a batcher's address is not the one that is known; None when it is."""
    if not code:
        return f"there is no contract at {where} on this chain: a delegatecall to it does nothing and succeeds"
    found = keccak(code)
    return (
        None
        if found == batchers[where]
        else f"the code at {where} (hash 0x{found.hex()}) is not MultiSendCallOnly's (0x{batchers[where].hex()}): it could do anything to the Safe"
    )
