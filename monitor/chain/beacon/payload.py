"""The newest execution payload, as a beacon state tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitor.chain.beacon.spec import Fork, Spec
from monitor.model import BlockStamp, Hash, Slot

UNKNOWN_NUMBER = 0
"""Stands for the block number in a stamp made of a Gloas state, which has none. No payload of a proof-of-stake chain has it."""
UNKNOWN_HASH = Hash("0x" + "00" * 32)


@dataclass(frozen=True, slots=True)
class Payload:
    """A delivered execution payload. ``number`` and ``parent`` are None where the state does not have them.

    ``slot``: of the beacon block that it belongs to; ``beacon_root``: the root of that block's parent, None when it is older than the state remembers.
    """

    hash: Hash
    parent: Hash | None
    number: int | None
    timestamp: int
    slot: Slot
    beacon_root: Hash | None

    def stamp(self) -> BlockStamp:
        """As a block stamp. Where the state has no number it is ``UNKNOWN_NUMBER``, and no parent ``UNKNOWN_HASH``.

        Hash, timestamp and slot are always the payload's: ask an execution endpoint for the hash to have the rest.
        """
        number = UNKNOWN_NUMBER if self.number is None else self.number
        return BlockStamp(number, self.hash, self.parent or UNKNOWN_HASH, self.timestamp, self.slot, self.beacon_root)


def payload_of(state: Mapping[str, Any], fork: Fork, spec: Spec) -> Payload:
    """The newest payload of a state.

    Electra and Fulu keep its whole header. Gloas keeps its hash alone (``latest_block_hash``) and the newest block's bid, whose own
    payload is not known to be delivered before the next block. So the number is not known; the slot is that of the newest
    block whose bit in ``execution_payload_availability`` is set, and the timestamp is that slot's time, as the chain demands it.
    Where the bid is for this very payload, as in a state right after its delivery, the bid gives slot and parents.
    """
    if fork != "gloas":
        return _from_header(state)

    def time_of(slot: int) -> int:
        return int(state["genesis_time"]) + slot * spec.slot_duration_ms // 1000

    bid = state["latest_execution_payload_bid"]
    newest = state["latest_block_hash"]
    if bid["block_hash"] == newest and bid["slot"]:
        slot = bid["slot"]
        return Payload(_hash(newest), _hash(bid["parent_block_hash"]), None, time_of(slot), Slot(slot), _hash(bid["parent_block_root"]))
    slot = _newest_delivery(state)
    return Payload(_hash(newest), None, None, time_of(slot), Slot(slot), _root_before(state, slot))


def _from_header(state: Mapping[str, Any]) -> Payload:
    header, block = state["latest_execution_payload_header"], state["latest_block_header"]
    return Payload(
        hash=_hash(header["block_hash"]),
        parent=_hash(header["parent_hash"]),
        number=header["block_number"],
        timestamp=header["timestamp"],
        slot=Slot(block["slot"]),
        beacon_root=_hash(block["parent_root"]),
    )


def _newest_delivery(state: Mapping[str, Any]) -> int:
    """The newest slot with a block whose payload was delivered; the oldest slot that the state remembers when there is none.

    At the fork all bits are set, those of missed slots too: so the newest set bit only counts from the newest block on, and
    in slots that have a block.
    """
    bits, roots = state["execution_payload_availability"], state["block_roots"]
    length = len(bits)
    newest = int(state["latest_block_header"]["slot"])
    oldest = min(newest, max(0, int(state["slot"]) - length))
    for slot in range(newest, oldest, -1):
        place = slot % length
        if bits[place] and (slot == newest or roots[place].tobytes() != roots[place - 1].tobytes()):
            return slot
    return oldest


def _root_before(state: Mapping[str, Any], slot: int) -> Hash | None:
    """Root of the newest block before a slot, if the state remembers it."""
    roots = state["block_roots"]
    if not max(0, state["slot"] - len(roots)) <= slot - 1 < state["slot"]:
        return None
    return _hash(roots[(slot - 1) % len(roots)].tobytes())


def _hash(found: bytes) -> Hash:
    return Hash("0x" + found.hex())
