"""Block roots out of a state: that of the newest block, those of the last slots, and which slots were missed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from monitor.chain.beacon.columns import StateColumns
from monitor.model import Hash

ZERO_ROOT = bytes(32)


class NotInState(Exception):
    """A state does not reach so far: which slot was asked for, and which ones it remembers. Ask a state nearer to that slot."""


def header_root(header: Mapping[str, Any]) -> Hash:
    """hash_tree_root of a BeaconBlockHeader, which is the block's root: SHA-256 over eight leaves in pairs (consensus-specs, ssz/merkleization)."""
    numbers = (int(header[name]).to_bytes(32, "little") for name in ("slot", "proposer_index"))
    level = [*numbers, header["parent_root"], header["state_root"], header["body_root"], *[ZERO_ROOT] * 3]
    while len(level) > 1:
        level = [hashlib.sha256(left + right).digest() for left, right in zip(level[::2], level[1::2], strict=True)]
    return Hash("0x" + level[0].hex())


def latest_block_root(state: Mapping[str, Any], state_root: Hash) -> Hash:
    """The root of a state's newest block. ``state_root`` is that of the state right after the block: its header at a node has it.

    The state holds that block's header without a state root until the next slot is processed. When the slots after the block were
    empty it is filled in already, and ``state_root`` is not looked at: the state's own root is then another one.
    """
    header = state["latest_block_header"]
    filled = header["state_root"] if header["state_root"] != ZERO_ROOT else bytes.fromhex(state_root.removeprefix("0x"))
    return header_root({**header, "state_root": filled})


def block_root(columns: StateColumns, slot: int) -> Hash:
    """The root of the newest block at or before a slot before the state's own. Raises NotInState."""
    return Hash("0x" + _root(columns, slot).hex())


def missed_slots(columns: StateColumns, epoch: int) -> tuple[int, ...]:
    """The slots of an epoch that have no block, rising. Raises NotInState unless the state remembers all of the epoch.

    A slot without a block has the root of the slot before it (consensus-specs, process_slot). The state's own slot has no root yet, but
    the newest block's header is then of an earlier slot. Slot 0 is genesis and cannot be missed.
    """
    first = epoch * columns.spec.slots_per_epoch
    return tuple(slot for slot in range(first, columns.spec.last_slot(epoch) + 1) if _missed(columns, slot))


def _missed(columns: StateColumns, slot: int) -> bool:
    if slot == 0:
        return False
    if slot == columns.slot:
        return columns.latest_block_slot != slot
    return _root(columns, slot) == _root(columns, slot - 1)


def _root(columns: StateColumns, slot: int) -> bytes:
    length = len(columns.block_roots)
    oldest = max(0, columns.slot - length)
    if not oldest <= slot < columns.slot:
        raise NotInState(f"block root of slot {slot}: the state of slot {columns.slot} remembers slots {oldest} to {columns.slot - 1}")
    root: bytes = columns.block_roots[slot % length].tobytes()
    return root
