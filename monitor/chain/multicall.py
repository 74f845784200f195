"""The ABI coding of Multicall3's ``aggregate3``, by hand because it is the hot path of every block.

``aggregate3((address target,bool allowFailure,bytes callData)[]) -> (bool success,bytes returnData)[]``.
All offsets count from the start of the array or tuple that they belong to (Solidity ABI specification, dynamic types).
"""

from __future__ import annotations

from collections.abc import Sequence

from monitor.chain.errors import Malformed
from monitor.model import Address

SELECTOR = bytes.fromhex("82ad56cb")
_TRUE = (1).to_bytes(32, "big")
_AT_96 = (96).to_bytes(32, "big")
_AT_32 = (32).to_bytes(32, "big")
_PAD = bytes(32)


def encode(calls: Sequence[tuple[Address, bytes]]) -> bytes:
    """Call data of ``aggregate3`` with ``allowFailure`` set for every call."""
    offsets: list[bytes] = []
    tuples: list[bytes] = []
    at = 32 * len(calls)
    for target, call in calls:
        pad = _PAD[: -len(call) % 32]
        body = bytes(12) + bytes.fromhex(target[2:]) + _TRUE + _AT_96 + len(call).to_bytes(32, "big") + call + pad
        offsets.append(at.to_bytes(32, "big"))
        tuples.append(body)
        at += len(body)
    return b"".join((SELECTOR, _AT_32, len(calls).to_bytes(32, "big"), *offsets, *tuples))


def decode(answer: bytes, count: int) -> list[tuple[bool, bytes]]:
    """(success, return data) of each of ``count`` calls. Raises Malformed for anything that is not that."""
    array = _word(answer, 0, len(answer))
    if _word(answer, array, len(answer)) != count:
        raise Malformed(f"aggregate3 answered another number of calls than {count}")
    base = array + 32
    found: list[tuple[bool, bytes]] = []
    for i in range(count):
        at = base + _word(answer, base + 32 * i, len(answer))
        success = _word(answer, at, 2)
        start = at + _word(answer, at + 32, len(answer))
        size = _word(answer, start, len(answer))
        if start + 32 + size > len(answer):
            raise Malformed("aggregate3's answer is cut off")
        found.append((success == 1, answer[start + 32 : start + 32 + size]))
    return found


def _word(answer: bytes, at: int, below: int) -> int:
    word = answer[at : at + 32]
    number = int.from_bytes(word, "big")
    if len(word) != 32 or number >= below:
        raise Malformed("aggregate3's answer is not ABI-coded")
    return number
