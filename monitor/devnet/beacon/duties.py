"""Who does what in an epoch, who fails at it, and what votes and sync messages in a block are worth.

Committees, proposers and sync committees are drawn from the state's mix with numpy's generator, proposers and sync members by effective
balance; the swap-or-not shuffle is left out, since no state or block shows the difference. Each slot's votes are one aggregate.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from monitor.devnet.beacon.state import I64, State
from monitor.devnet.beacon.transition import HEAD, SOURCE, WEIGHT_DENOMINATOR, WEIGHTS

ONLINE, LATE, OFFLINE = 0, 1, 2
"""How a validator votes: in time; too late for the head; not at all."""
SOURCE_SLOTS = 5
"""An older vote loses its source flag: the integer square root of 32 slots."""
PROPOSER_WEIGHT, SYNC_REWARD_WEIGHT = 8, 2
PROPOSER_DENOMINATOR = (WEIGHT_DENOMINATOR - PROPOSER_WEIGHT) * WEIGHT_DENOMINATOR // PROPOSER_WEIGHT
_WORTH = np.array([sum(weight for flag, weight in WEIGHTS if byte & flag) for byte in range(8)], np.int64)


def generator(*of: object) -> np.random.Generator:
    """Randomness that is the same for the same arguments."""
    text = "/".join(part.hex() if isinstance(part, bytes) else str(part) for part in of)
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little"))


@dataclass(frozen=True, slots=True, eq=False)
class Behaviour:
    """How validators behave from some slot on; validators beyond the arrays behave well."""

    version: int
    votes: NDArray[np.uint8]
    silent: NDArray[np.bool_]
    """Who proposes nothing."""
    miss_rate: float
    """Share of votes that are missed or late at random: a network is never perfect."""


@dataclass(eq=False)
class EpochStart:
    """An epoch as it begins: its state before the first slot's block, and its committees (``order`` cut at ``bounds``, a slice a slot)."""

    state: State
    order: I64
    bounds: list[int]
    base: I64
    sync_reward: int

    @classmethod
    def of(cls, state: State) -> EpochStart:
        """For a state at the first slot of its epoch; the state is copied."""
        spec, slots = state.spec, state.spec.slots_per_epoch
        order = generator("committees", state.mix, state.epoch).permutation(np.flatnonzero(state.active(state.epoch)))
        total, one = state.total_active(), spec.effective_balance_increment
        per_increment = state.base_reward_per_increment(total)
        share = total // one * per_increment * SYNC_REWARD_WEIGHT // WEIGHT_DENOMINATOR // slots // spec.sync_committee_size
        bounds = [len(order) * slot // slots for slot in range(slots + 1)]
        return cls(state.copy(), order, bounds, state.effective // one * per_increment, share)

    @cached_property
    def luck(self) -> NDArray[np.float64]:
        """One draw a validator: what goes wrong at random."""
        return generator("luck", self.state.mix, self.state.epoch).random(len(self.state))

    def committee(self, slot: int) -> I64:
        """Who attests in a slot."""
        at = slot % self.state.spec.slots_per_epoch
        return self.order[self.bounds[at] : self.bounds[at + 1]]


class Votes:
    """What everybody's votes of an epoch become under one behaviour, computed for the whole epoch at once."""

    def __init__(self, start: EpochStart, behaviour: Behaviour) -> None:
        self._start = start
        state = start.state
        modes = np.full(len(state), ONLINE, np.uint8)
        modes[: len(behaviour.votes)] = behaviour.votes[: len(state)]
        modes[state.slashed] = OFFLINE
        flags = np.array([7, 3, 0], np.uint8)[modes]
        flags[start.luck < behaviour.miss_rate] &= 3
        flags[start.luck < behaviour.miss_rate / 2] = 0
        self.flags = flags
        """By validator: what its vote gets when it is included at once."""
        self.sorted = flags[start.order]
        worth = np.concatenate([[0], np.cumsum(start.base[start.order] * _WORTH[self.sorted])])
        ends = worth[np.array(start.bounds)]
        self.rewards = ((ends[1:] - ends[:-1]) // PROPOSER_DENOMINATOR).tolist()
        """By slot in the epoch: what the proposer gets who includes that slot's votes at once."""
        seats = np.bincount(state.current_sync, minlength=len(state)).astype(np.int64)
        self.sync_online = np.flatnonzero((seats > 0) & (modes != OFFLINE))
        self.sync_offline = np.flatnonzero((seats > 0) & (modes == OFFLINE))
        self.sync_gain = seats[self.sync_online] * start.sync_reward
        self.sync_loss = seats[self.sync_offline] * start.sync_reward
        bits = int(seats[self.sync_online].sum())
        self.sync_proposer = bits * (start.sync_reward * PROPOSER_WEIGHT // (WEIGHT_DENOMINATOR - PROPOSER_WEIGHT))
        self.sync_bits = modes[state.current_sync] != OFFLINE

    def include(self, state: State, slot: int, current: EpochStart) -> int:
        """process_attestation for a slot's votes in the block of ``state.slot``: sets flags; the proposer's reward is returned."""
        delay, at = state.slot - slot, slot % state.spec.slots_per_epoch
        low, high = self._start.bounds[at], self._start.bounds[at + 1]
        who = self._start.order[low:high]
        ours = slot // state.spec.slots_per_epoch == state.epoch
        if ours and delay == 1:
            state.current_flags[who] = self.sorted[low:high]
            return int(self.rewards[at])
        values = self.sorted[low:high].copy()
        if delay > 1:
            values &= ~np.uint8(HEAD)
        if delay > SOURCE_SLOTS:
            values &= ~np.uint8(SOURCE)
        flags = state.current_flags if ours else state.previous_flags
        fresh = values & ~flags[who]
        flags[who] |= values
        return int((current.base[who] * _WORTH[fresh]).sum()) // PROPOSER_DENOMINATOR

    def sync(self, state: State) -> int:
        """process_sync_aggregate; the proposer's reward is returned."""
        state.balances[self.sync_online] += self.sync_gain
        if len(self.sync_offline):
            state.balances[self.sync_offline] = np.maximum(0, state.balances[self.sync_offline] - self.sync_loss)
        return self.sync_proposer


def proposers(state: State, epoch: int) -> I64:
    """Who proposes in each slot of an epoch: drawn by effective balance from those active in it."""
    return _by_stake(state, epoch, state.spec.slots_per_epoch, "proposers")


def sync_committee(state: State, epoch: int) -> I64:
    """A sync committee: drawn by effective balance, with replacement."""
    return _by_stake(state, epoch, state.spec.sync_committee_size, "sync")


def _by_stake(state: State, epoch: int, count: int, what: str) -> I64:
    active = np.flatnonzero(state.active(epoch))
    if not len(active):
        return np.zeros(count, np.int64)
    reach = np.cumsum(state.effective[active])
    draws = generator(what, state.mix, epoch).integers(0, max(1, int(reach[-1])), count)
    return np.asarray(active[np.searchsorted(reach, draws, side="right").clip(max=len(active) - 1)])
