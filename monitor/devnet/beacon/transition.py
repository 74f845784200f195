"""The epoch transition of Electra and Fulu on columns, written from consensus-specs and nothing else.

It shares no formula with what watches the chain: it is the other half of a cross-check. Names of steps are those of consensus-specs
(electra/beacon-chain.md, ``process_epoch``). Left out: deposit signatures (all are taken for valid), the bridge of old deposits.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from monitor.devnet.beacon.state import FAR, I64, Point, State

SOURCE, TARGET, HEAD = 1, 2, 4
WEIGHTS = ((SOURCE, 14), (TARGET, 26), (HEAD, 14))
WEIGHT_DENOMINATOR = 64
RootOf = Callable[[int], bytes]
"""Root of the newest block at or before the first slot of an epoch."""


def process_epoch(state: State, root_of: RootOf) -> None:
    """All steps at the end of ``state.epoch`` that change columns; the caller rotates committees, proposers, mixes and roots."""
    justify(state, root_of)
    update_scores(state)
    reward(state)
    update_registry(state)
    punish(state)
    credit_deposits(state)
    consolidate(state)
    update_effective(state)
    state.slashings[(state.epoch + 1) % len(state.slashings)] = 0
    state.previous_flags, state.current_flags = state.current_flags, np.zeros(len(state), np.uint8)


# ---------------------------------------------------------------- justification


def justify(state: State, root_of: RootOf) -> None:
    """process_justification_and_finalization."""
    epoch = state.epoch
    if epoch <= 1:
        return
    total = state.total_active()
    previous = _target_balance(state, epoch - 1, state.previous_flags)
    current = _target_balance(state, epoch, state.current_flags)
    old_previous, old_current = state.previous_justified, state.current_justified
    state.previous_justified = state.current_justified
    bits = state.justification << 1 & 0b1111
    if previous * 3 >= total * 2:
        state.current_justified, bits = Point(epoch - 1, root_of(epoch - 1)), bits | 2
    if current * 3 >= total * 2:
        state.current_justified, bits = Point(epoch, root_of(epoch)), bits | 1
    state.justification = bits
    rules = ((0b1110, old_previous, 3), (0b0110, old_previous, 2), (0b0111, old_current, 2), (0b0011, old_current, 1))
    for mask, point, behind in rules:
        if bits & mask == mask and point.epoch + behind == epoch:
            state.finalized = point


def _target_balance(state: State, epoch: int, flags: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> int:
    voted = state.active(epoch) & ~state.slashed & (flags & TARGET > 0)
    return max(state.spec.effective_balance_increment, int(state.effective[voted].sum()))


def leaking(state: State) -> bool:
    """is_in_inactivity_leak."""
    return state.epoch - 1 - state.finalized.epoch > state.spec.min_epochs_to_inactivity_penalty


def eligible(state: State) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """get_eligible_validator_indices as a mask."""
    return state.active(state.epoch - 1) | (state.slashed & (state.epoch < state.withdrawable))


# ---------------------------------------------------------------- rewards


def update_scores(state: State) -> None:
    """process_inactivity_updates."""
    if state.epoch == 0:
        return
    counted = eligible(state)
    voted = state.active(state.epoch - 1) & ~state.slashed & (state.previous_flags & TARGET > 0)
    scores = np.where(voted, state.scores - np.minimum(1, state.scores), state.scores + state.spec.inactivity_score_bias)
    if not leaking(state):
        scores -= np.minimum(state.spec.inactivity_score_recovery_rate, scores)
    state.scores = np.where(counted, scores, state.scores)


def reward(state: State) -> None:
    """process_rewards_and_penalties: the three flags, then inactivity; a balance stops at zero after each."""
    if state.epoch == 0:
        return
    spec, one = state.spec, state.spec.effective_balance_increment
    total, counted, leak = state.total_active(), eligible(state), leaking(state)
    base = state.effective // one * state.base_reward_per_increment(total)
    attended = state.active(state.epoch - 1) & ~state.slashed
    for flag, weight in WEIGHTS:
        took = attended & (state.previous_flags & flag > 0)
        shares = max(one, int(state.effective[took].sum())) // one
        gain = np.zeros_like(base) if leak else base * weight * shares // (total // one * WEIGHT_DENOMINATOR)
        loss = np.zeros_like(base) if flag == HEAD else base * weight // WEIGHT_DENOMINATOR
        change = np.where(took, gain, -loss)
        state.balances = np.maximum(0, state.balances + np.where(counted, change, 0))
    missed = counted & ~(attended & (state.previous_flags & TARGET > 0))
    # The product of a whale's balance and a high score overflows 63 bits: whole ETH first, as all effective balances are.
    whole = state.effective // one * state.scores
    loss = _scaled(whole, one, spec.inactivity_score_bias * spec.inactivity_penalty_quotient_bellatrix)
    state.balances = np.maximum(0, state.balances - np.where(missed, loss, 0))


def _scaled(whole: I64, one: int, divisor: int) -> I64:
    """``whole * one // divisor`` without overflow."""
    quotient, remainder = np.divmod(whole, divisor)
    return np.asarray(quotient * one + remainder * one // divisor)


def punish(state: State) -> None:
    """process_slashings (Electra): the correlation penalty at the midpoint."""
    one, total = state.spec.effective_balance_increment, state.total_active()
    adjusted = min(int(state.slashings.sum()) * state.spec.proportional_slashing_multiplier_bellatrix, total)
    due = state.slashed & (state.epoch + len(state.slashings) // 2 == state.withdrawable)
    penalty = adjusted // (total // one) * (state.effective // one)
    state.balances = np.maximum(0, state.balances - np.where(due, penalty, 0))


# ---------------------------------------------------------------- registry


def balance_churn(state: State) -> int:
    """get_balance_churn_limit."""
    limit = max(state.spec.min_per_epoch_churn_limit_electra, state.total_active() // state.spec.churn_limit_quotient)
    return limit - limit % state.spec.effective_balance_increment


def exit_churn(state: State) -> int:
    """get_activation_exit_churn_limit."""
    return min(state.spec.max_per_epoch_activation_exit_churn_limit, balance_churn(state))


def consolidation_churn(state: State) -> int:
    """get_consolidation_churn_limit."""
    return balance_churn(state) - exit_churn(state)


def _queue(earliest: int, left: int, churn: int, state: State, amount: int) -> tuple[int, int]:
    """Where an amount leaves: its epoch, and what remains of that epoch's churn."""
    first = max(earliest, state.epoch + 1 + state.spec.max_seed_lookahead)
    available = churn if earliest < first else left
    if amount > available:
        more = (amount - available - 1) // churn + 1
        first, available = first + more, available + more * churn
    return first, available - amount


def exit_epoch(state: State, amount: int) -> int:
    """compute_exit_epoch_and_update_churn."""
    state.earliest_exit, state.exit_to_consume = _queue(state.earliest_exit, state.exit_to_consume, exit_churn(state), state, amount)
    return state.earliest_exit


def consolidation_epoch(state: State, amount: int) -> int:
    """compute_consolidation_epoch_and_update_churn."""
    state.earliest_consolidation, state.consolidation_to_consume = _queue(
        state.earliest_consolidation, state.consolidation_to_consume, consolidation_churn(state), state, amount
    )
    return state.earliest_consolidation


def initiate_exit(state: State, index: int) -> None:
    """initiate_validator_exit."""
    if state.exit[index] != FAR:
        return
    state.exit[index] = exit_epoch(state, int(state.effective[index]))
    state.withdrawable[index] = state.exit[index] + state.spec.min_validator_withdrawability_delay


def update_registry(state: State) -> None:
    """process_registry_updates (Electra: one pass, activations without churn)."""
    spec, epoch = state.spec, state.epoch
    queued = (state.eligibility == FAR) & (state.effective >= spec.min_activation_balance)
    ejected = ~queued & state.active(epoch) & (state.effective <= spec.ejection_balance)
    ready = ~queued & ~ejected & (state.eligibility <= state.finalized.epoch) & (state.activation == FAR)
    state.eligibility[queued] = epoch + 1
    for index in np.flatnonzero(ejected):
        initiate_exit(state, int(index))
    state.activation[ready] = epoch + 1 + spec.max_seed_lookahead


def update_effective(state: State) -> None:
    """process_effective_balance_updates."""
    one = state.spec.effective_balance_increment
    moved = (state.balances + one // 4 < state.effective) | (state.effective + one // 4 * 5 < state.balances)
    state.effective = np.where(moved, np.minimum(state.balances - state.balances % one, state.max_effective()), state.effective)


# ---------------------------------------------------------------- queues


def credit_deposits(state: State) -> None:
    """process_pending_deposits."""
    if not len(state.deposits):
        # An empty queue never reaches the limit, so nothing is carried over.
        state.deposit_to_consume = 0
        return
    index_of = {bytes(key): i for i, key in enumerate(state.pubkeys)}
    available, used, taken, limited = state.deposit_to_consume + exit_churn(state), 0, 0, False
    postponed: list[int] = []
    last_slot = state.finalized.epoch * state.spec.slots_per_epoch
    for at, deposit in enumerate(state.deposits):
        amount = int(deposit["amount"])
        if int(deposit["slot"]) > last_slot or taken >= state.spec.max_pending_deposits_per_epoch:
            break
        index = index_of.get(bytes(deposit["pubkey"]))
        if index is not None and state.withdrawable[index] < state.epoch + 1:
            state.balances[index] += amount
        elif index is not None and state.exit[index] < FAR:
            postponed.append(at)
        elif limited := used + amount > available:
            break
        else:
            used += amount
            if index is None:
                index = state.add_validator(bytes(deposit["pubkey"]), bytes(deposit["withdrawal_credentials"]), amount)
                index_of[bytes(deposit["pubkey"])] = index
            else:
                state.balances[index] += amount
        taken += 1
    state.deposits = np.concatenate([state.deposits[taken:], state.deposits[postponed]])
    state.deposit_to_consume = available - used if limited else 0


def consolidate(state: State) -> None:
    """process_pending_consolidations."""
    done = 0
    for source, target in ((int(c["source_index"]), int(c["target_index"])) for c in state.consolidations):
        if not state.slashed[source]:
            if state.withdrawable[source] > state.epoch + 1:
                break
            amount = min(state.balances[source], state.effective[source])
            state.balances[source] -= amount
            state.balances[target] += amount
        done += 1
    if done:
        state.consolidations = state.consolidations[done:]
