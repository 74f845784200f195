"""What slashed validators lose (consensus-specs, Electra to Gloas: slash_validator, process_slashings).

Three parts: the initial penalty at inclusion in epoch s; source and target penalties at the end of each epoch from s on until it is
withdrawable, since it cannot earn; and the correlation penalty at the end of the midpoint epoch c, by what was slashed in the window of
epochs that ends with c. All forks that we read have the same formulas; a queue of more than 35 days moves ``withdrawable_epoch`` and
with it all of it, so that is what counts, never s.

Forecasts take total active balance as it is now and no inactivity leak. Effective balances fall with the balance, as they will.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.chain.beacon.columns import U64, StateColumns
from monitor.chain.beacon.spec import Spec
from monitor.protocols.ethereum.rewards import WEIGHT_DENOMINATOR, base_reward_per_increment

_HYSTERESIS_QUOTIENT = 4
_PENALISED_WEIGHTS = (14, 26)
"""Source and target: there is no penalty for a missing head vote."""


@dataclass(frozen=True, slots=True, eq=False)
class Losses:
    """Gwei that each validator of ``who`` (indices) loses by each part; nothing that is still to be paid exceeds its balance."""

    who: NDArray[np.intp]
    initial: U64
    attestation: U64
    correlation: U64

    @property
    def total(self) -> U64:
        return self.initial + self.attestation + self.correlation


def initial_penalty(spec: Spec, effective: U64) -> U64:
    """Gwei taken when the slashing is included."""
    return effective // np.uint64(spec.min_slashing_penalty_quotient_electra)


def missed_vote_penalty(spec: Spec, effective: U64, total_active: int) -> U64:
    """Gwei that one epoch without votes costs, outside a leak."""
    base = effective // np.uint64(spec.effective_balance_increment) * np.uint64(base_reward_per_increment(spec, total_active))
    source, target = (base * np.uint64(weight) // np.uint64(WEIGHT_DENOMINATOR) for weight in _PENALISED_WEIGHTS)
    penalty: U64 = source + target
    return penalty


def correlation_penalty(spec: Spec, effective: U64, slashed: U64 | int, total_active: int) -> U64:
    """Gwei taken at the midpoint when ``slashed`` gwei of effective balance were slashed in its window; not cut off at the balance."""
    increment, total = np.uint64(spec.effective_balance_increment), np.uint64(total_active)
    capped = np.minimum(np.asarray(slashed, np.uint64), total)  # three times more than everything is everything too, and may overflow
    adjusted = np.minimum(capped * np.uint64(spec.proportional_slashing_multiplier_bellatrix), total)
    penalty: U64 = adjusted // (total // increment) * (effective // increment)
    return penalty


def slashed_in_window(columns: StateColumns, midpoints: U64) -> U64:
    """Of what is slashed now, the gwei that still count at the end of each midpoint epoch (of E or later).

    The vector is a ring: item ``e % length`` is of epoch e, and is emptied at the end of epoch e - 1 + length. So at the end of
    epoch c it holds the epochs c - length + 1 to c.
    """
    length, epoch = len(columns.slashings), columns.epoch
    newest_first = columns.slashings[(epoch - np.arange(length)) % length]
    sums: U64 = np.concatenate((np.zeros(1, np.uint64), np.cumsum(newest_first)))
    ahead = np.minimum(midpoints - np.uint64(epoch), np.uint64(length))
    found: U64 = sums[length - ahead.astype(np.intp)]
    return found


def losses(columns: StateColumns, total_active: int) -> Losses:
    """What slashed validators that are not past their midpoint lose in all, if nobody else is slashed.

    What they have paid already is not in the state. It is reckoned with their effective balance of now, from ``withdrawable_epoch``
    minus the vector's length on: exact but for a step of the effective balance since, and for epochs in an exit queue of over 35 days.
    """
    spec, epoch = columns.spec, columns.epoch
    half = np.uint64(spec.epochs_per_slashings_vector // 2)
    who = np.flatnonzero(columns.slashed & (columns.withdrawable_epoch >= np.uint64(epoch) + half))
    effective, withdrawable = columns.effective_balance[who], columns.withdrawable_epoch[who]
    midpoints = withdrawable - half
    left = withdrawable - np.uint64(epoch)
    purses = _Purses(spec, total_active, columns.balances[who], effective)
    attestation, correlation = purses.sentence(left, slashed_in_window(columns, midpoints))
    served = np.uint64(spec.epochs_per_slashings_vector) - np.minimum(left, np.uint64(spec.epochs_per_slashings_vector))
    paid = served * missed_vote_penalty(spec, effective, total_active)
    return Losses(who, initial_penalty(spec, effective), paid + attestation, correlation)


def expected_losses(
    spec: Spec, effective: U64, total_active: int, *, slashed_before: int = 0, balances: U64 | None = None, epochs: int | None = None
) -> Losses:
    """What validators would lose if they were slashed together now: a forecast, for any set of them (``effective``: gwei, one item each).

    ``slashed_before``: effective balance that is in the window already, gwei. ``balances``: what they have, if not their effective
    balances. ``epochs``: from the slashing until withdrawable, if longer than the usual vector's length.
    """
    term = spec.epochs_per_slashings_vector if epochs is None else epochs
    if term < spec.epochs_per_slashings_vector:
        raise ValueError(f"slashed validators are withdrawable after {spec.epochs_per_slashings_vector} epochs at least, not {term}")
    purses = _Purses(spec, total_active, effective if balances is None else balances, effective)
    initial = purses.take(initial_penalty(spec, effective))
    together = min(slashed_before + int(effective.sum()), 2**64 - 1)
    attestation, correlation = purses.sentence(np.full(len(effective), term, np.uint64), np.full(len(effective), together, np.uint64))
    return Losses(np.arange(len(effective)), initial, attestation, correlation)


class _Purses:
    """Balances of slashed validators, through epochs: each pays what it can, and its effective balance follows."""

    def __init__(self, spec: Spec, total_active: int, balances: U64, effective: U64) -> None:
        self._spec, self._total = spec, total_active
        self._increment = np.uint64(spec.effective_balance_increment)
        self._margin = np.uint64(spec.effective_balance_increment // _HYSTERESIS_QUOTIENT)
        self._balance, self._effective = balances.copy(), effective.copy()

    def sentence(self, epochs: U64, slashed: U64) -> tuple[U64, U64]:
        """Attestation and correlation penalties when ``epochs`` transitions are left, the half of the vector after the midpoint's."""
        after = np.uint64(self._spec.epochs_per_slashings_vector // 2 - 1)
        attestation = self._serve(epochs - after - np.uint64(1))
        # In the midpoint's own transition the votes are paid for first, and effective balances follow last.
        attestation += self.take(missed_vote_penalty(self._spec, self._effective, self._total))
        correlation = self.take(correlation_penalty(self._spec, self._effective, slashed, self._total))
        self._follow(np.ones(len(epochs), np.bool_))
        return attestation + self._serve(np.full(len(epochs), after, np.uint64)), correlation

    def take(self, amounts: U64) -> U64:
        """Take amounts, at most what is there."""
        taken = np.minimum(amounts, self._balance)
        self._balance -= taken
        return taken

    def _serve(self, epochs: U64) -> U64:
        """So many epochs without votes: all those before an effective balance changes are one step."""
        paid, left = np.zeros(len(epochs), np.uint64), epochs.copy()
        while True:
            penalty = missed_vote_penalty(self._spec, self._effective, self._total)
            busy = (left > 0) & (self._balance > 0) & (penalty > 0)
            if not busy.any():
                return paid
            floor = self._effective - np.minimum(self._margin, self._effective)
            until = (self._balance - np.minimum(floor, self._balance)) // np.maximum(penalty, np.uint64(1)) + np.uint64(1)
            steps = np.where(busy, np.minimum(until, left), np.uint64(0))
            paid += self.take(steps * penalty)
            left -= steps
            self._follow(steps > 0)

    def _follow(self, who: NDArray[np.bool_]) -> None:
        """Effective balances of ``who`` fall where the balance is a quarter of an increment below (process_effective_balance_updates)."""
        low = who & (self._balance + self._margin < self._effective)
        self._effective = np.where(low, self._balance - self._balance % self._increment, self._effective)
