"""A BeaconState out of its SSZ bytes: checked once, then read in place, and the columns that are computed with.

    columns = decode(body, spec, fork="fulu", slot=asked).columns()

A million validators are 142 MB of bytes. They are neither copied nor turned into objects: a ``StateView`` is a table of positions. Only
``columns()`` copies, since the bytes are unaligned and should go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from mmap import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.chain.beacon.columns import StateColumns
from monitor.chain.beacon.layout import FIRST_OFFSET, LAYOUTS, REGISTRY
from monitor.chain.beacon.payload import Payload, payload_of
from monitor.chain.beacon.spec import FORKS, Fork, Spec
from monitor.chain.beacon.ssz import OFFSET, STATE, BadState, Part, head_size, parts, places, value
from monitor.model import BlockStamp, Hash
from monitor.model.beacon import Checkpoint, Epoch

__all__ = ["BadState", "StateView", "decode"]

Buffer = bytes | bytearray | memoryview | mmap
CHUNK = 16_384
"""Validators that are copied at a time: 2 MB of records, so that they are fetched once for all columns and not once for each."""


def decode(buffer: Buffer, spec: Spec, *, fork: Fork | None = None, slot: int | None = None, version: str | None = None) -> StateView:
    """The state in ``buffer``, of the chain with these lengths. Nothing is copied: keep the buffer as it is while the view lives.

    The bytes tell the fork by themselves (the size of the fixed part); ``fork`` is what the answer's header says, ``slot`` the slot
    asked for, ``version`` the 0x hex of the fork's version in the node's fork schedule: what is given must agree. Raises BadState, and
    nothing else whatever the bytes are, unless all of this holds: every offset rises and lies within the buffer, every list has whole
    items, all lists of the registry are as long, booleans and bits are clean, the newest block is not after the slot.
    """
    held = memoryview(buffer).toreadonly().cast("B")
    found = _fork(held, spec)
    if fork is not None and fork != found:
        raise BadState("fork", f"the layout of {found}", f"{fork}, as the answer's header says")
    view = StateView(held, spec, found, parts(held, Part(STATE, LAYOUTS[found], 0, len(held)), spec))
    if slot is not None and view.slot != slot:
        raise BadState("slot", str(view.slot), f"{slot}, the slot asked for")
    current = "0x" + view["fork"]["current_version"].hex()
    if version is not None and current != version.lower():
        raise BadState("fork.current_version", current, f"{version}, as the fork schedule says")
    _check_registry(view)
    newest = view["latest_block_header"]["slot"]
    if newest > view.slot:
        raise BadState("latest_block_header.slot", str(newest), f"at most {view.slot}, the state's slot")
    return view


class StateView(Mapping[str, Any]):
    """Fields of one checked state by their names in the specification, read when asked for.

    Numbers are int, byte strings bytes, small containers mappings of these, bit vectors arrays of bool. Vectors and lists are read-only
    arrays over the buffer, unaligned: items of containers are records (``view["validators"]["effective_balance"]``). Integers in arrays
    are uint64: numpy turns them into floats when mixed with signed arrays, and FAR_FUTURE_EPOCH fits nothing smaller.
    While the view or such an array lives, an mmap underneath cannot be closed.
    """

    def __init__(self, buffer: memoryview, spec: Spec, fork: Fork, parts: Mapping[str, Part]) -> None:
        self.spec, self.fork = spec, fork
        self._buffer, self._parts = buffer, parts

    def __getitem__(self, name: str) -> Any:
        return value(self._buffer, self._parts[name], self.spec)

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    @property
    def slot(self) -> int:
        """The slot that the state is of."""
        return int(self["slot"])

    @property
    def epoch(self) -> int:
        """E, the epoch of the state."""
        return self.spec.epoch_of(self.slot)

    @property
    def payload(self) -> Payload:
        """What the state says of the newest execution payload that it knows to be delivered."""
        return payload_of(self, self.fork, self.spec)

    def columns(self, block: BlockStamp | None = None) -> StateColumns:
        """Aligned copies of what is computed with: about 140 bytes a validator, after which the buffer may go.

        ``block`` is the stamp of the newest payload; by default it is made of the state (``Payload.stamp`` says how, and that Gloas
        states have no block number).
        """
        return StateColumns(
            spec=self.spec,
            fork=self.fork,
            slot=self.slot,
            latest_block_slot=self["latest_block_header"]["slot"],
            block=block or self.payload.stamp(),
            **_registry(self["validators"]),
            **{name: self[name].copy() for name in _COPIED},
            **{name: self[name] for name in _NUMBERS},
            justification_bits=int(np.packbits(self["justification_bits"], bitorder="little")[0]),
            previous_justified=_checkpoint(self["previous_justified_checkpoint"]),
            current_justified=_checkpoint(self["current_justified_checkpoint"]),
            finalized=_checkpoint(self["finalized_checkpoint"]),
            proposer_lookahead=self["proposer_lookahead"].copy() if "proposer_lookahead" in self else None,
        )


_COPIED = (
    "balances", "previous_epoch_participation", "current_epoch_participation", "inactivity_scores", "slashings", "block_roots",
    "pending_deposits", "pending_partial_withdrawals", "pending_consolidations",
)  # fmt: skip
_NUMBERS = (
    "deposit_balance_to_consume", "exit_balance_to_consume", "earliest_exit_epoch", "consolidation_balance_to_consume",
    "earliest_consolidation_epoch",
)  # fmt: skip
_RENAMED = {"pubkey": "pubkeys"}


def _fork(held: memoryview, spec: Spec) -> Fork:
    """The fork whose fixed part is as long as the first offset says. Each fork's is longer than the one before."""
    at = places(LAYOUTS[FORKS[0]], spec)[FIRST_OFFSET].position
    if len(held) < at + OFFSET:
        raise BadState(STATE, f"{len(held)} bytes", f"more than the {at} before its first offset")
    offset = int.from_bytes(held[at : at + OFFSET], "little")
    sizes = {head_size(LAYOUTS[fork], spec): fork for fork in FORKS}
    if offset not in sizes:
        known = ", ".join(f"{size} ({fork})" for size, fork in sizes.items())
        raise BadState(FIRST_OFFSET, f"offset {offset}", f"the size of a fixed part: {known}")
    return sizes[offset]


def _check_registry(view: StateView) -> None:
    counts = {name: len(view[name]) for name in REGISTRY}
    validators = counts[REGISTRY[0]]
    for name, count in counts.items():
        if count != validators:
            raise BadState(name, f"{count} items", f"{validators}, one a validator")
    slashed = view["validators"]["slashed"]
    if validators and slashed.max() > 1:
        index = int(np.argmax(slashed > 1))
        raise BadState(f"validators[{index}].slashed", str(int(slashed[index])), "0 or 1")


def _registry(records: NDArray[Any]) -> dict[str, Any]:
    """Columns of the registry, by their names in StateColumns."""
    names = records.dtype.names or ()
    copies = {name: np.empty(len(records), records.dtype[name]) for name in names}
    for start in range(0, len(records), CHUNK):
        chunk = records[start : start + CHUNK]
        for name, copy in copies.items():
            copy[start : start + CHUNK] = chunk[name]
    copies["slashed"] = copies["slashed"].view(np.bool_)
    return {_RENAMED.get(name, name): copy for name, copy in copies.items()}


def _checkpoint(found: Mapping[str, Any]) -> Checkpoint:
    return Checkpoint(Epoch(found["epoch"]), Hash("0x" + found["root"].hex()))
