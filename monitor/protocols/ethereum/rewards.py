"""Attestation rewards and penalties of the evaluated epoch, each validator's in gwei (consensus-specs, Altair to Gloas).

All is integer arithmetic in uint64, as in the specification. The largest product, ``base * weight * participating increments``, needs 51
bits with all ether staked, and ``effective balance * score`` overflows after some 30,000 years without a vote.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from monitor.chain.beacon.columns import U64, StateColumns
from monitor.chain.beacon.spec import Spec
from monitor.protocols.ethereum.participation import HEAD, SOURCE, TARGET, Roll, effective_sum

WEIGHTS = ((SOURCE, 14), (TARGET, 26), (HEAD, 14))
WEIGHT_DENOMINATOR = 64

I64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Deltas:
    """What each validator's balance changes by, gwei, before it is cut off at zero.

    ``source``, ``target``, ``head`` and ``inactivity`` in the order in which they apply; ``ideal``: what perfect votes would have earned
    each validator that was active in N (slashed ones too), 0 in a leak; ``scores``: inactivity scores after the update.
    """

    source: I64
    target: I64
    head: I64
    inactivity: I64
    ideal: I64
    scores: U64

    @property
    def earned(self) -> I64:
        return self.source + self.target + self.head + self.inactivity


def base_reward_per_increment(spec: Spec, total_active: int) -> int:
    """Gwei that one increment of effective balance is worth in an epoch; 347 with 34 million ether active on mainnet."""
    return spec.effective_balance_increment * spec.base_reward_factor // isqrt(total_active)


def attestation_deltas(columns: StateColumns, roll: Roll, leaking: bool) -> Deltas:
    """The deltas of N that the transition at the end of E = N + 1 applies: effective balances are those of now, not of N."""
    spec = columns.spec
    increments = columns.effective_balance // np.uint64(spec.effective_balance_increment)
    base = increments * np.uint64(base_reward_per_increment(spec, roll.total_active))
    ideal = np.zeros(len(columns), np.int64)
    flagged: list[I64] = []
    for flag, weight in WEIGHTS:
        timely = roll.timely(flag)
        lost = np.zeros(1, np.int64) if flag == HEAD else -(base * np.uint64(weight) // np.uint64(WEIGHT_DENOMINATOR)).astype(np.int64)
        if leaking:
            flagged.append(np.where(roll.eligible & ~timely, lost, 0))
            continue
        reward = _reward(columns, base, weight, timely, roll.total_active)
        ideal += reward
        flagged.append(np.where(timely, reward, np.where(roll.eligible, lost, 0)))
    scores = _scores(columns, roll, leaking)
    source, target, head = flagged
    ideal[~roll.active] = 0
    return Deltas(source, target, head, _inactivity(columns, roll, scores), ideal, scores)


def _reward(columns: StateColumns, base: U64, weight: int, timely: NDArray[np.bool_], total_active: int) -> I64:
    increment = columns.spec.effective_balance_increment
    participating = effective_sum(columns, timely) // increment
    shared = np.uint64(total_active // increment * WEIGHT_DENOMINATOR)
    return (base * np.uint64(weight * participating) // shared).astype(np.int64)


def _scores(columns: StateColumns, roll: Roll, leaking: bool) -> U64:
    """Inactivity scores after the update of this transition (process_inactivity_updates)."""
    old, spec = columns.inactivity_scores, columns.spec
    voted = roll.timely(TARGET)
    if not old.any() and not leaking and spec.inactivity_score_bias <= spec.inactivity_score_recovery_rate:
        return old  # whatever the bias adds, the recovery takes at once
    new = np.where(voted, old - np.minimum(old, np.uint64(1)), old + np.uint64(spec.inactivity_score_bias))
    if not leaking:
        new -= np.minimum(new, np.uint64(spec.inactivity_score_recovery_rate))
    return np.where(roll.eligible, new, old)


def _inactivity(columns: StateColumns, roll: Roll, scores: U64) -> I64:
    """Penalties for a missing target vote by score: also outside a leak, while the score lasts."""
    spec = columns.spec
    penalties = np.zeros(len(columns), np.int64)
    who = np.flatnonzero((scores != 0) & roll.eligible & ~roll.timely(TARGET))
    quotient = np.uint64(spec.inactivity_score_bias * spec.inactivity_penalty_quotient_bellatrix)
    penalties[who] = -(columns.effective_balance[who] * scores[who] // quotient).astype(np.int64)
    return penalties
