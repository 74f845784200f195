"""One node's knowledge of the simulated chain: what it finds under an identifier, given how it lags and lies. No HTTP here."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

import numpy as np

from monitor.devnet.beacon import ssz
from monitor.devnet.beacon.chain import Block, Chain, Pruned
from monitor.devnet.beacon.faults import NodeFaults, StateLie
from monitor.devnet.beacon.operations import AttesterSlashing, ProposerSlashing
from monitor.devnet.beacon.roots import header_root, sha
from monitor.devnet.beacon.state import State

KEPT_FAKES = 64


class Missing(LookupError):
    """HTTP 404."""


class Invalid(ValueError):
    """HTTP 400."""


class Node:
    """One face of a chain. ``faults`` may change at any time."""

    def __init__(self, name: str, chain: Chain) -> None:
        self.name, self.chain = name, chain
        self.faults = NodeFaults()
        self._fakes: OrderedDict[bytes, Block] = OrderedDict()

    # ------------------------------------------------------------ blocks

    @property
    def head_slot(self) -> int:
        return max(self.chain.first_slot, self.chain.head_slot - self.faults.lag)

    def head(self) -> Block:
        """Its newest block. Raises Missing."""
        try:
            block = self.chain.newest(self.head_slot)
        except Pruned as error:
            raise Missing(str(error)) from None
        return self.fake(block) if self.faults.fake_head else block

    def fake(self, block: Block) -> Block:
        """Another block in the place of this one, always the same."""
        header = replace(block.header, body_root=sha(b"fake", block.header.body_root))
        made = replace(block, header=header, root=header_root(header))
        self._fakes[made.root] = made
        while len(self._fakes) > KEPT_FAKES:
            self._fakes.popitem(last=False)
        return made

    def block(self, wanted: str) -> Block:
        """The block of an identifier: head, genesis, finalized, a slot, or a root. Raises Missing, Invalid."""
        if wanted == "head":
            return self.head()
        if wanted.startswith("0x"):
            return self._by_root(_root(wanted))
        if wanted == "finalized":
            return self._by_root(self.chain.state.finalized.root)
        slot = 0 if wanted == "genesis" else _number(wanted, "block")
        if slot > self.head_slot or (block := self.chain.blocks.get(slot)) is None:
            raise Missing(f"no block at slot {slot}")
        head = self.head()
        return head if head.slot == slot else block

    def _by_root(self, root: bytes) -> Block:
        chain = self.chain
        block = chain.by_root.get(root) or chain.orphans.get(root) or (self._fakes.get(root) if self.faults.fake_head else None)
        if block is None or block.slot > self.head_slot:
            raise Missing(f"no block 0x{root.hex()}")
        return block

    def canonical(self, block: Block) -> bool:
        """Whether a block is on this node's chain."""
        return block.root in self.chain.by_root or (self.faults.fake_head and self.head().root == block.root)

    def told(self, block: Block) -> Block:
        """The block with the slashings that this node shows."""
        operations = block.operations
        if self.faults.hide_slashings:
            operations = tuple(one for one in operations if not isinstance(one, ProposerSlashing | AttesterSlashing))
        if self.faults.invent_slashings and block.slot == self.head().slot:
            epoch = block.slot // self.chain.spec.slots_per_epoch
            operations = (AttesterSlashing(self.faults.invent_slashings, epoch), *operations)
        return block if operations is block.operations else replace(block, operations=operations)

    # ------------------------------------------------------------ states

    def slot_of(self, wanted: str) -> int:
        """The slot of a state's identifier: head, genesis, finalized, justified, a slot, or a state root. Raises Missing, Invalid."""
        per_epoch, state = self.chain.spec.slots_per_epoch, self.chain.state
        if wanted.startswith("0x"):
            return self._slot_of_root(_root(wanted))
        named = {"head": self.head_slot, "genesis": 0, "finalized": state.finalized.epoch * per_epoch,
                 "justified": state.current_justified.epoch * per_epoch}  # fmt: skip
        slot = named[wanted] if wanted in named else _number(wanted, "state")
        if slot > self.head_slot:
            raise Missing(f"state {wanted} is not known")
        if self.faults.pruned and wanted != "head":
            raise Missing(f"state {wanted} is pruned")
        return slot

    def _slot_of_root(self, root: bytes) -> int:
        states = self.chain.rings.states
        for slot in range(self.head_slot, self.chain.oldest_state() - 1, -1):
            if states[slot] == root:
                return slot
        raise Missing(f"no state 0x{root.hex()}")

    def state(self, wanted: str) -> State:
        """The state of an identifier. Raises Missing, Invalid."""
        slot = self.slot_of(wanted) + self.faults.state_offset
        kept = slot >= self.chain.oldest_state() or wanted in ("finalized", "justified")
        if not kept:
            raise Missing(f"state {wanted} is pruned")
        try:
            state = self.chain.state_at(min(slot, self.chain.head_slot))
        except Pruned as error:
            raise Missing(str(error)) from None
        for lie in self.faults.state_lies:
            self._lie(state, lie)
        return state

    def _lie(self, state: State, lie: StateLie) -> None:
        chosen = np.zeros(len(state), bool)
        chosen[[index for index in lie.validators if index < len(state)]] = True
        if lie.operator in self.chain.registry.operators:
            group = self.chain.group[: len(state)]
            chosen[: len(group)] |= group == self.chain.registry.operators.index(lie.operator)
        if lie.zero_participation:
            state.previous_flags[chosen] = state.current_flags[chosen] = 0
        if lie.slashed is not None:
            state.slashed[chosen] = lie.slashed

    def state_root(self, slot: int) -> bytes:
        return self.chain.rings.states[slot]

    def encode(self, state: State) -> bytes:
        """The state's SSZ bytes."""
        return ssz.encode(state, self.chain.genesis_time, self.chain.validators_root, self.chain.rings)

    def finalized(self, slot: int) -> bool:
        """Whether a slot is final by this node's view."""
        return slot <= self.chain.state.finalized.epoch * self.chain.spec.slots_per_epoch


def _root(text: str) -> bytes:
    try:
        root = bytes.fromhex(text[2:])
    except ValueError:
        raise Invalid(f"{text[:80]} is not hex") from None
    if len(root) != 32:
        raise Invalid(f"{text[:80]} has not 32 bytes")
    return root


def _number(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 20 or int(text) >= 2**64:
        raise Invalid(f"{text[:80]!r} is not the id of a {what}")
    return int(text)
