"""One simulated beacon chain: pure and synchronous. It grows to a slot, goes back to one, and tells any state of its last epochs.

A state is never stored but at each epoch's start; others are replayed from there with the recorded blocks. Memory is therefore bounded
whatever the number of validators, and what is told of a slot is the same bytes whenever it is asked.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from monitor.chain.beacon.spec import Fork, Spec
from monitor.devnet.beacon import operations as ops
from monitor.devnet.beacon.duties import Behaviour, EpochStart, Votes, proposers, sync_committee
from monitor.devnet.beacon.operations import Operation
from monitor.devnet.beacon.registry import Registry
from monitor.devnet.beacon.roots import Rings, header_root, sha
from monitor.devnet.beacon.state import FAR, UNSET_REQUESTS, Header, Payload, Point, State
from monitor.devnet.beacon.transition import process_epoch
from monitor.devnet.beacon.withdrawals import Sweepers, Withdrawals, withdraw

KEPT_EPOCHS = 4
"""Epochs before the head's whose states are served; older ones are pruned, as on a default node."""
KEPT_SUMS = 2000
"""Epochs whose balance sums are remembered: nine days."""
KEPT_ORPHANS = 256


class Pruned(LookupError):
    """The chain no longer has, or never had, what was asked for."""


@dataclass(slots=True, eq=False)
class Block:
    """A block with all that is needed to process it again."""

    header: Header
    root: bytes
    payload: Payload
    cause: int
    """Number of the execution block that made it: that of ``payload``, or of a later one, if the slot was filled in."""
    operations: tuple[Operation, ...]
    withdrawals: Withdrawals

    @property
    def slot(self) -> int:
        return self.header.slot


@dataclass(frozen=True, slots=True)
class Sums:
    """At the last slot of an epoch: gwei by operator, and what was withdrawn from each up to then."""

    slot: int
    balances: NDArray[np.int64]
    withdrawn: NDArray[np.int64]


@dataclass(eq=False)
class Chain:
    """The canonical chain. ``begin`` makes one; ``grow`` and ``rewind`` move its head."""

    spec: Spec
    fork: Fork
    genesis_time: int
    registry: Registry
    seed: bytes
    state: State
    rings: Rings
    behaviours: list[tuple[int, Behaviour]]
    unswept: NDArray[np.bool_]
    first_slot: int
    pool: list[Operation] = field(default_factory=list)
    missing: set[int] = field(default_factory=set)
    """Slots that are to have no block."""
    blocks: dict[int, Block] = field(default_factory=dict)
    by_root: dict[bytes, Block] = field(default_factory=dict)
    orphans: OrderedDict[bytes, Block] = field(default_factory=OrderedDict)
    starts: dict[int, EpochStart] = field(default_factory=dict)
    sums: dict[int, Sums] = field(default_factory=dict)
    group: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    owner_of: dict[bytes, int] = field(default_factory=dict)
    """Operator of validators that were not there at the start, by public key."""
    _sweepers: Sweepers | None = None
    _votes: dict[tuple[int, int], Votes] = field(default_factory=dict)

    @classmethod
    def begin(
        cls, spec: Spec, fork: Fork, genesis_time: int, registry: Registry, slot: int, payload: Payload, *,
        seed: bytes = b"devnet", miss_rate: float = 0.0, swept: bool = False,
    ) -> Chain:  # fmt: skip
        """A healthy chain whose newest block is at the last slot before the epoch of ``slot``. ``swept``: watched validators pay out too."""
        epoch = slot // spec.slots_per_epoch
        if epoch < spec.shard_committee_period + 4:
            raise ValueError(f"the chain begins at epoch {epoch}: too early for validators that may exit; begin after epoch 260")
        rings, first = Rings(spec, seed), epoch * spec.slots_per_epoch
        rings.fill(first)
        state = _fresh_state(spec, fork, first, registry, payload, rings)
        unswept = np.zeros(len(registry), bool) if swept else registry.group < registry.watched
        count = len(registry)
        good = Behaviour(0, np.zeros(count, np.uint8), np.zeros(count, bool), miss_rate)
        made = cls(spec, fork, genesis_time, registry, seed, state, rings, [(0, good)], np.asarray(unswept), first)
        made.group = registry.group.copy()
        made.starts[epoch] = EpochStart.of(state)
        # The state stands before its slot's block: the head is the invented block of the slot before.
        made.state.slot = first - 1
        return made

    # ------------------------------------------------------------ what it says

    @property
    def head_slot(self) -> int:
        """The newest slot that was processed."""
        return self.state.slot

    @property
    def validators_root(self) -> bytes:
        return sha(self.seed, b"validators")

    def newest(self, slot: int | None = None) -> Block:
        """The newest canonical block at or before a slot. Raises Pruned."""
        at = self.head_slot if slot is None else min(slot, self.head_slot)
        while at >= self.first_slot:
            if (found := self.blocks.get(at)) is not None:
                return found
            at -= 1
        raise Pruned(f"no block at or before slot {slot}")

    def behaviour(self, slot: int) -> Behaviour:
        """How validators behave in a slot."""
        newest_from, newest = self.behaviours[-1]
        if newest_from <= slot:
            return newest
        return next(behaviour for start, behaviour in reversed(self.behaviours) if start <= slot)

    def oldest_state(self) -> int:
        """The first slot whose state is still served."""
        return max(self.first_slot, (self.head_slot // self.spec.slots_per_epoch - KEPT_EPOCHS) * self.spec.slots_per_epoch)

    def state_at(self, slot: int) -> State:
        """The state at a slot, an empty one too. Raises Pruned."""
        if slot > self.head_slot or slot < self.first_slot:
            raise Pruned(f"no state at slot {slot}")
        if slot == self.head_slot:
            return self.state.copy()
        epoch = slot // self.spec.slots_per_epoch
        if (start := self.starts.get(epoch)) is None:
            raise Pruned(f"the state at slot {slot} is pruned")
        state = start.state.copy()
        for at in range(state.slot, slot + 1):
            state.slot = at
            if (block := self.blocks.get(at)) is not None:
                self._process(state, block.header.proposer, block.payload, block.operations)
                state.header = block.header
        return state

    def watched_sums(self, slot: int) -> Sums:
        """Balances by operator at a slot: of any epoch's last slot for days, of other slots while their state is served. Raises Pruned."""
        found = self.sums.get(slot // self.spec.slots_per_epoch)
        return found if found is not None and found.slot == slot else self._sums(self.state_at(slot))

    # ------------------------------------------------------------ growing

    def behave(self, behaviour: Behaviour) -> None:
        """From the next slot on. Old entries that no replay needs go."""
        self.behaviours = [(s, b) for s, b in self.behaviours if s <= self.head_slot]
        self.behaviours.append((self.head_slot + 1, behaviour))
        oldest = min((start.state.slot for start in self.starts.values()), default=0) - self.spec.slots_per_epoch
        while len(self.behaviours) > 1 and self.behaviours[1][0] <= oldest:
            del self.behaviours[0]

    def grow(self, slot: int, payload: Payload) -> list[Block]:
        """Process slots up to ``slot``, whose block brings ``payload``; those before it are filled. The new blocks are returned."""
        made: list[Block] = []
        last = self.state.payload
        for at in range(self.head_slot + 1, slot + 1):
            block = self._step(at, self._timely(payload if at == slot else last, at), payload.number)
            if block is not None:
                made.append(block)
        self._prune()
        return made

    def fill(self, slots: int) -> list[Block]:
        """So many more slots, each with a block of its own, though the execution chain has none there."""
        return self.grow(self.head_slot + slots, self.state.payload)

    def _timely(self, payload: Payload, slot: int) -> Payload:
        """A payload has the time of its slot: one that is older is repeated as another block of the slot's time, under the same number."""
        time = self.genesis_time + slot * self.spec.slot_duration_ms // 1000
        if payload.timestamp >= time:
            return payload
        origin = payload.origin or payload.hash
        return replace(payload, timestamp=time, hash=sha(origin, b"filled", slot.to_bytes(8, "little")), origin=origin)

    def rewind(self, slot: int) -> list[Block]:
        """Make ``slot`` the head again; the orphaned blocks are returned, what they carried waits for inclusion. Raises Pruned."""
        if slot >= self.head_slot:
            return []
        state = self.state_at(slot)
        gone = [self.blocks.pop(at) for at in range(slot + 1, self.head_slot + 1) if at in self.blocks]
        for block in gone:
            self.by_root.pop(block.root, None)
            self.orphans[block.root] = block
        while len(self.orphans) > KEPT_ORPHANS:
            self.orphans.popitem(last=False)
        back = [operation for block in gone for operation in block.operations]
        self.pool = back + self.pool
        self.state = state
        epoch = slot // self.spec.slots_per_epoch
        self.starts = {e: start for e, start in self.starts.items() if e <= epoch}
        self.sums = {e: sums for e, sums in self.sums.items() if e < epoch}
        self._votes.clear()
        return gone

    def _step(self, slot: int, payload: Payload, cause: int) -> Block | None:
        state, per_epoch = self.state, self.spec.slots_per_epoch
        previous_root = self.rings.states[slot - 1]
        if slot % per_epoch == 0 and slot > self.first_slot:
            self._end_epoch(state)
            state.slot = slot
            self.starts[slot // per_epoch] = EpochStart.of(state)
        state.slot = slot
        proposer = int(state.lookahead[slot % per_epoch])
        behaviour = self.behaviour(slot)
        silent = proposer < len(behaviour.silent) and bool(behaviour.silent[proposer])
        if slot in self.missing or silent or state.slashed[proposer]:
            self.rings.blocks[slot] = self.rings.blocks[slot - 1]
            self.rings.states[slot] = sha(previous_root, b"empty", slot.to_bytes(8, "little"))
            self.rings.mixes[slot // per_epoch] = state.mix
            return None
        chosen: tuple[Operation, ...] = ()
        if self.pool:
            chosen, self.pool = ops.choose(state, self.pool)
        withdrawals = self._process(state, proposer, payload, chosen)
        body = sha(payload.hash, self.reveal(slot), repr((chosen, behaviour.version)).encode(), withdrawals.digest())
        state_root = sha(previous_root, body, slot.to_bytes(8, "little"))
        header = Header(slot, proposer, self.rings.blocks[slot - 1], state_root, body)
        block = Block(header, header_root(header), payload, cause, chosen, withdrawals)
        state.header = header
        self.blocks[slot] = self.by_root[block.root] = block
        self.rings.blocks[slot], self.rings.states[slot] = block.root, state_root
        self.rings.mixes[slot // per_epoch] = state.mix
        return block

    def reveal(self, slot: int) -> bytes:
        """The 32 bytes that a slot's block mixes into the state."""
        return sha(self.seed, b"reveal", slot.to_bytes(8, "little"))

    def _process(self, state: State, proposer: int, payload: Payload, operations: Sequence[Operation]) -> Withdrawals:
        """The block of ``state.slot``, live or again."""
        withdrawals = withdraw(state, self._swept(state))
        state.payload = payload
        reveal = int.from_bytes(self.reveal(state.slot), "little")
        state.mix = (int.from_bytes(state.mix, "little") ^ reveal).to_bytes(32, "little")
        voted = [operation for operation in operations if isinstance(operation, ops.ProposerSlashing | ops.AttesterSlashing)]
        ops.apply(state, voted, proposer)
        earned = self._include(state)
        ops.apply(state, [operation for operation in operations if operation not in voted] if voted else operations, proposer)
        state.balances[proposer] += earned + self.votes(state.slot - 1, state.epoch).sync(state)
        return withdrawals

    def _swept(self, state: State) -> Sweepers:
        if self._sweepers is None or self._sweepers.credentials is not state.credentials:
            self._sweepers = Sweepers.of(state, self.unswept)
        return self._sweepers

    def _include(self, state: State) -> int:
        """All votes since the newest block; older than the previous epoch they are worth nothing."""
        current = self.starts[state.epoch]
        earned, first = 0, (state.epoch - 1) * self.spec.slots_per_epoch
        for slot in range(max(state.header.slot, first), state.slot):
            epoch = slot // self.spec.slots_per_epoch
            if epoch in self.starts:
                earned += self.votes(slot, epoch).include(state, slot, current)
        return earned

    def votes(self, slot: int, epoch: int) -> Votes:
        """Everybody's votes of an epoch under the behaviour of a slot."""
        behaviour = self.behaviour(slot)
        key = (epoch, behaviour.version)
        if (found := self._votes.get(key)) is None:
            if len(self._votes) > 8:
                self._votes.clear()
            found = self._votes[key] = Votes(self.starts[epoch], behaviour)
        return found

    def _end_epoch(self, state: State) -> None:
        epoch, per_epoch = state.epoch, self.spec.slots_per_epoch
        self.sums[epoch] = self._sums(state)
        process_epoch(state, lambda which: self.rings.blocks[which * per_epoch])
        if (epoch + 1) % (self.spec.slots_per_historical_root // per_epoch) == 0:
            state.summaries = (*state.summaries, hashlib.sha512(self.rings.blocks[state.slot] + self.rings.states[state.slot]).digest())
        if (epoch + 1) % SYNC_PERIOD == 0:
            state.current_sync, state.next_sync = state.next_sync, sync_committee(state, epoch + 1)
        state.lookahead = np.concatenate([state.lookahead[per_epoch:], proposers(state, epoch + 2)])

    def _sums(self, state: State) -> Sums:
        if len(state) > len(self.group):
            known = len(self.registry)
            tail = [self.owner_of.get(bytes(key), -1) for key in state.pubkeys[known:]]
            self.group = np.concatenate([self.group[:known], np.array(tail, np.int32)])
        group, count = self.group[: len(state)], len(self.registry.operators)
        held, paid = np.zeros(count + 1, np.int64), np.zeros(count + 1, np.int64)
        np.add.at(held, group, state.balances)
        np.add.at(paid, group, state.withdrawn)
        return Sums(state.slot, held[:count], paid[:count])

    def _prune(self) -> None:
        per_epoch = self.spec.slots_per_epoch
        oldest = self.head_slot // per_epoch - KEPT_EPOCHS - 1
        self.starts = {e: start for e, start in self.starts.items() if e >= oldest or e == self.state.finalized.epoch}
        if len(self.blocks) > 1.25 * self.spec.slots_per_historical_root:
            limit = self.head_slot - self.spec.slots_per_historical_root
            self.blocks = {slot: block for slot, block in self.blocks.items() if slot > limit}
            self.by_root = {block.root: block for block in self.blocks.values()}
        self.missing = {slot for slot in self.missing if slot >= oldest * per_epoch}
        while len(self.sums) > KEPT_SUMS:
            del self.sums[min(self.sums)]


SYNC_PERIOD = 256
"""EPOCHS_PER_SYNC_COMMITTEE_PERIOD."""


def _fresh_state(spec: Spec, fork: Fork, slot: int, registry: Registry, payload: Payload, rings: Rings) -> State:
    """A state at the first slot of an epoch, before its block: everybody active since long ago, finality as usual."""
    count, epoch, one = len(registry), slot // spec.slots_per_epoch, spec.effective_balance_increment
    nobody = np.empty(0, np.int64)

    def point(behind: int) -> Point:
        return Point(epoch - behind, rings.blocks[(epoch - behind) * spec.slots_per_epoch])

    state = State(
        spec=spec,
        fork=fork,
        slot=slot,
        header=Header(slot - 1, 0, rings.blocks[slot - 2], rings.states[slot - 1], sha(b"body")),
        pubkeys=registry.pubkeys,
        credentials=registry.credentials,
        effective=registry.balances - registry.balances % one,
        slashed=np.zeros(count, bool),
        eligibility=np.zeros(count, np.int64),
        activation=np.zeros(count, np.int64),
        exit=np.full(count, FAR, np.int64),
        withdrawable=np.full(count, FAR, np.int64),
        balances=registry.balances.copy(),
        previous_flags=np.full(count, 7, np.uint8),
        current_flags=np.zeros(count, np.uint8),
        scores=np.zeros(count, np.int64),
        slashings=np.zeros(spec.epochs_per_slashings_vector, np.int64),
        justification=0b1111,
        previous_justified=point(2),
        current_justified=point(1),
        finalized=point(2),
        payload=payload,
        mix=rings.mixes[epoch - 1],
        current_sync=nobody,
        next_sync=nobody,
        lookahead=nobody,
        deposit_requests_start=UNSET_REQUESTS,
        withdrawn=np.zeros(count, np.int64),
    )
    state.effective = np.minimum(state.effective, state.max_effective())
    state.current_sync, state.next_sync = sync_committee(state, epoch), sync_committee(state, epoch + SYNC_PERIOD)
    state.lookahead = np.concatenate([proposers(state, epoch), proposers(state, epoch + 1)])
    return state
