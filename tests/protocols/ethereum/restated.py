"""The specification once more, slow and plain: one validator at a time, Python integers, in its own order and with its own conditions.

What the vectorised formulas are compared with. It shares no code with them, and is itself held to the sample states' expected values.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import isqrt

from monitor.chain.beacon.spec import Spec

FAR = 2**64 - 1
SOURCE, TARGET, HEAD = 0, 1, 2
WEIGHTS = {SOURCE: 14, TARGET: 26, HEAD: 14}


@dataclass
class Validator:
    effective_balance: int = 32 * 10**9
    slashed: bool = False
    activation_eligibility_epoch: int = 0
    activation_epoch: int = 0
    exit_epoch: int = FAR
    withdrawable_epoch: int = FAR
    balance: int = 32 * 10**9
    previous: int = 7
    current: int = 7
    score: int = 0
    pubkey: bytes = bytes(48)

    def active(self, epoch: int) -> bool:
        return self.activation_epoch <= epoch < self.exit_epoch


@dataclass
class Deposit:
    pubkey: bytes
    amount: int
    slot: int
    ours: bool = False


@dataclass
class State:
    spec: Spec
    fork: str
    slot: int
    validators: list[Validator]
    slashings: list[int]
    bits: list[bool] = field(default_factory=lambda: [True] * 4)
    previous_justified: int = 0
    current_justified: int = 0
    finalized: int = 0
    deposits: list[Deposit] = field(default_factory=list)
    deposit_balance_to_consume: int = 0
    exit_balance_to_consume: int = 0
    earliest_exit_epoch: int = 0

    @property
    def epoch(self) -> int:
        return self.slot // self.spec.slots_per_epoch

    def copy(self) -> State:
        return replace(
            self, validators=[replace(v) for v in self.validators], slashings=list(self.slashings), bits=list(self.bits), deposits=list(self.deposits)
        )  # fmt: skip


def total(state: State, members: list[Validator]) -> int:
    return max(state.spec.effective_balance_increment, sum(v.effective_balance for v in members))


def total_active(state: State) -> int:
    return total(state, [v for v in state.validators if v.active(state.epoch)])


def unslashed_participating(state: State, flag: int, epoch: int) -> list[Validator]:
    found = []
    for v in state.validators:
        byte = v.current if epoch == state.epoch else v.previous
        if v.active(epoch) and not v.slashed and byte >> flag & 1:
            found.append(v)
    return found


def eligible(state: State) -> list[Validator]:
    previous = state.epoch - 1
    return [v for v in state.validators if v.active(previous) or (v.slashed and previous + 1 < v.withdrawable_epoch)]


def justify(state: State) -> None:
    epoch, previous = state.epoch, state.epoch - 1
    if epoch <= 1:
        return
    old_previous, old_current = state.previous_justified, state.current_justified
    state.previous_justified = state.current_justified
    state.bits = [False, *state.bits[:3]]
    active = total_active(state)
    if total(state, unslashed_participating(state, TARGET, previous)) * 3 >= active * 2:
        state.current_justified, state.bits[1] = previous, True
    if total(state, unslashed_participating(state, TARGET, epoch)) * 3 >= active * 2:
        state.current_justified, state.bits[0] = epoch, True
    if all(state.bits[1:4]) and old_previous + 3 == epoch:
        state.finalized = old_previous
    if all(state.bits[1:3]) and old_previous + 2 == epoch:
        state.finalized = old_previous
    if all(state.bits[0:3]) and old_current + 2 == epoch:
        state.finalized = old_current
    if all(state.bits[0:2]) and old_current + 1 == epoch:
        state.finalized = old_current


def leaking(state: State) -> bool:
    return state.epoch - 1 - state.finalized > state.spec.min_epochs_to_inactivity_penalty


def base_reward(state: State, v: Validator) -> int:
    increment = state.spec.effective_balance_increment
    return v.effective_balance // increment * (increment * state.spec.base_reward_factor // isqrt(total_active(state)))


def update_scores(state: State) -> None:
    voted = unslashed_participating(state, TARGET, state.epoch - 1)
    for v in eligible(state):
        if any(v is other for other in voted):
            v.score -= min(1, v.score)
        else:
            v.score += state.spec.inactivity_score_bias
        if not leaking(state):
            v.score -= min(state.spec.inactivity_score_recovery_rate, v.score)


def flag_deltas(state: State, flag: int) -> list[int]:
    """Signed, one item a validator."""
    increment = state.spec.effective_balance_increment
    members = unslashed_participating(state, flag, state.epoch - 1)
    increments, active_increments = total(state, members) // increment, total_active(state) // increment
    who, deltas = eligible(state), []
    for v in state.validators:
        base, delta = base_reward(state, v), 0
        if any(v is other for other in who):
            if any(v is other for other in members):
                if not leaking(state):
                    delta = base * WEIGHTS[flag] * increments // (active_increments * 64)
            elif flag != HEAD:
                delta = -(base * WEIGHTS[flag] // 64)
        deltas.append(delta)
    return deltas


def ideal(state: State) -> list[int]:
    """What each validator that was active in the previous epoch had earned with all flags, others as they are."""
    increment, found = state.spec.effective_balance_increment, [0] * len(state.validators)
    if leaking(state):
        return found
    for i, v in enumerate(state.validators):
        if v.active(state.epoch - 1):
            for flag, weight in WEIGHTS.items():
                increments = total(state, unslashed_participating(state, flag, state.epoch - 1)) // increment
                found[i] += base_reward(state, v) * weight * increments // (total_active(state) // increment * 64)
    return found


def inactivity_deltas(state: State) -> list[int]:
    """With the scores as they are: call after ``update_scores``."""
    voted, who = unslashed_participating(state, TARGET, state.epoch - 1), eligible(state)
    quotient = state.spec.inactivity_score_bias * state.spec.inactivity_penalty_quotient_bellatrix
    deltas = []
    for v in state.validators:
        pays = any(v is other for other in who) and not any(v is other for other in voted)
        deltas.append(-(v.effective_balance * v.score // quotient) if pays else 0)
    return deltas


def apply(state: State, deltas: list[int]) -> None:
    for v, delta in zip(state.validators, deltas, strict=True):
        v.balance = max(0, v.balance + delta)


def correlation_penalty(spec: Spec, effective: int, slashings: int, active: int) -> int:
    increment = spec.effective_balance_increment
    adjusted = min(slashings * spec.proportional_slashing_multiplier_bellatrix, active)
    return adjusted // (active // increment) * (effective // increment)


def punish(state: State) -> dict[int, int]:
    """Correlation penalties of this transition, by validator, and taken."""
    found, active = {}, total_active(state)
    for i, v in enumerate(state.validators):
        if v.slashed and state.epoch + state.spec.epochs_per_slashings_vector // 2 == v.withdrawable_epoch:
            found[i] = correlation_penalty(state.spec, v.effective_balance, sum(state.slashings), active)
            v.balance = max(0, v.balance - found[i])
    return found


def end_epoch(state: State) -> dict[int, int]:
    """All of the transition that moves balances but deposits and consolidations; gives the correlation penalties."""
    justify(state)
    update_scores(state)
    for flag in (SOURCE, TARGET, HEAD):
        apply(state, flag_deltas(state, flag))  # deltas depend on effective balances, which change last
    apply(state, inactivity_deltas(state))
    return punish(state)


def churn(spec: Spec, fork: str, active: int) -> tuple[int, int, int]:
    """(activation, exit, consolidation), gwei an epoch."""
    increment = spec.effective_balance_increment
    if fork == "gloas":
        limit = max(spec.min_per_epoch_churn_limit_electra, active // spec.churn_limit_quotient_gloas) // increment * increment
        moved = active // spec.consolidation_churn_limit_quotient // increment * increment
        return min(spec.max_per_epoch_activation_churn_limit_gloas, limit), limit, moved
    limit = max(spec.min_per_epoch_churn_limit_electra, active // spec.churn_limit_quotient) // increment * increment
    capped = min(spec.max_per_epoch_activation_exit_churn_limit, limit)
    return capped, capped, limit - capped


def exit_turn(spec: Spec, epoch: int, earliest: int, left: int, per_epoch: int, gwei: int) -> tuple[int, int]:
    """(exit epoch, churn left in it), one epoch after the other."""
    start = max(earliest, epoch + 1 + spec.max_seed_lookahead)
    available = per_epoch if earliest < start else left
    while gwei > available:
        start, available = start + 1, available + per_epoch
    return start, available - gwei


def process_deposits(state: State, finalized: int, per_epoch: int) -> list[Deposit]:
    """Those that the transition at the end of the state's epoch credits; the rest stay, some of them behind the others."""
    by_key = {v.pubkey: v for v in state.validators}
    available, used, done = state.deposit_balance_to_consume + per_epoch, 0, 0
    credited, postponed, reached = [], [], False
    for deposit in state.deposits:
        if deposit.slot > finalized * state.spec.slots_per_epoch or done >= state.spec.max_pending_deposits_per_epoch:
            break
        v = by_key.get(deposit.pubkey)
        if v is not None and v.withdrawable_epoch < state.epoch + 1:
            credited.append(deposit)
        elif v is not None and v.exit_epoch < FAR:
            postponed.append(deposit)
        else:
            reached = used + deposit.amount > available
            if reached:
                break
            used += deposit.amount
            credited.append(deposit)
        done += 1
    state.deposits = state.deposits[done:] + postponed
    state.deposit_balance_to_consume = available - used if reached else 0
    return credited


def status(v: Validator, epoch: int) -> str:
    if v.activation_epoch > epoch:
        return "pending_initialized" if v.activation_eligibility_epoch == FAR else "pending_queued"
    if epoch < v.exit_epoch:
        if v.exit_epoch == FAR:
            return "active_ongoing"
        return "active_slashed" if v.slashed else "active_exiting"
    if epoch < v.withdrawable_epoch:
        return "exited_slashed" if v.slashed else "exited_unslashed"
    return "withdrawal_possible" if v.effective_balance else "withdrawal_done"


def doom(spec: Spec, active: int, v: Validator, left: int, slashings: int) -> tuple[int, int]:
    """(attestation, correlation) gwei that a slashed validator still pays in so many transitions, one after the other."""
    increment = spec.effective_balance_increment
    per_increment = increment * spec.base_reward_factor // isqrt(active)
    balance, effective, attestation, correlation = v.balance, v.effective_balance, 0, 0
    for transition in range(left):
        base = effective // increment * per_increment
        for weight in (14, 26):
            taken = min(balance, base * weight // 64)
            balance, attestation = balance - taken, attestation + taken
        if left - transition == spec.epochs_per_slashings_vector // 2:
            correlation = min(balance, correlation_penalty(spec, effective, slashings, active))
            balance -= correlation
        if balance + increment // 4 < effective:
            effective = balance // increment * increment
    return attestation, correlation
