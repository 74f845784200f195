"""What a block can carry besides votes, and what each does to the state (consensus-specs, electra/beacon-chain.md, process_operations)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.chain.beacon.columns import PENDING_CONSOLIDATION, PENDING_DEPOSIT, PENDING_PARTIAL_WITHDRAWAL
from monitor.devnet.beacon.state import FAR, UNSET_REQUESTS, State
from monitor.devnet.beacon.transition import consolidation_churn, consolidation_epoch, exit_epoch, initiate_exit

WHISTLEBLOWER_REWARD_QUOTIENT_ELECTRA = 4096
PENDING_PARTIAL_WITHDRAWALS_LIMIT = 2**27


@dataclass(frozen=True, slots=True)
class ProposerSlashing:
    """Two headers of one proposer for one slot."""

    validator: int
    slot: int


@dataclass(frozen=True, slots=True)
class AttesterSlashing:
    """Two votes for one target. ``validators`` are in both; ``first_only`` and ``second_only`` voted once and did nothing wrong."""

    validators: tuple[int, ...]
    epoch: int
    first_only: tuple[int, ...] = ()
    second_only: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class VoluntaryExit:
    validator: int
    epoch: int


@dataclass(frozen=True, slots=True)
class DepositRequest:
    pubkey: bytes
    credentials: bytes
    amount: int


@dataclass(frozen=True, slots=True)
class WithdrawalRequest:
    """Of an 0x02 validator ``amount`` gwei; 0: a full exit."""

    validator: int
    amount: int


@dataclass(frozen=True, slots=True)
class Consolidation:
    """Source and target; the same one twice switches it to compounding."""

    source: int
    target: int


@dataclass(frozen=True, slots=True)
class Forfeit:
    """The first ``validators`` of the registry lose ``gwei`` in all, by nothing that the specification has: for reports of a loss."""

    validators: int
    gwei: int


Operation = ProposerSlashing | AttesterSlashing | VoluntaryExit | DepositRequest | WithdrawalRequest | Consolidation | Forfeit
LIMITS: dict[type[Operation], int] = {
    ProposerSlashing: 16, AttesterSlashing: 1, VoluntaryExit: 16, DepositRequest: 8192, WithdrawalRequest: 16, Consolidation: 2, Forfeit: 1,
}  # fmt: skip
"""So many of each in one block, and the order in which a block is processed."""


def choose(state: State, pool: Sequence[Operation]) -> tuple[tuple[Operation, ...], list[Operation]]:
    """What the next block takes from the pool, in the order of processing, and what stays. What can never be valid again is dropped."""
    taken: list[Operation] = []
    left: list[Operation] = []
    room = dict(LIMITS)
    for operation in sorted(pool, key=lambda one: list(LIMITS).index(type(one))):
        if useless(state, operation):
            continue
        if room[type(operation)]:
            room[type(operation)] -= 1
            taken.append(operation)
        else:
            left.append(operation)
    return tuple(taken), left


def useless(state: State, operation: Operation) -> bool:
    """Whether a block with it would be invalid (slashings, exits); requests may always be in a block."""
    match operation:
        case ProposerSlashing(validator):
            return not slashable(state, validator)
        case AttesterSlashing(validators):
            return not any(slashable(state, index) for index in validators)
        case VoluntaryExit(validator):
            return not may_exit(state, validator)
    return False


def slashable(state: State, index: int) -> bool:
    """is_slashable_validator."""
    return bool(not state.slashed[index] and state.activation[index] <= state.epoch < state.withdrawable[index])


def may_exit(state: State, index: int) -> bool:
    """The preconditions of process_voluntary_exit."""
    seasoned = state.epoch >= state.activation[index] + state.spec.shard_committee_period
    return bool(seasoned and state.exit[index] == FAR and not _owed(state, index))


def _owed(state: State, index: int) -> int:
    """get_pending_balance_to_withdraw."""
    return int(state.partials["amount"][state.partials["validator_index"] == index].sum()) if len(state.partials) else 0


def apply(state: State, operations: Iterable[Operation], proposer: int) -> None:
    """All operations of a block, in its order."""
    for operation in operations:
        _APPLY[type(operation)](state, operation, proposer)


def slash(state: State, index: int, proposer: int) -> None:
    """slash_validator; the proposer is the whistleblower."""
    epoch, size = state.epoch, len(state.slashings)
    initiate_exit(state, index)
    state.slashed[index] = True
    state.withdrawable[index] = max(int(state.withdrawable[index]), epoch + size)
    effective = int(state.effective[index])
    state.slashings[epoch % size] += effective
    penalty = effective // state.spec.min_slashing_penalty_quotient_electra
    state.balances[index] = max(0, int(state.balances[index]) - penalty)
    state.balances[proposer] += effective // WHISTLEBLOWER_REWARD_QUOTIENT_ELECTRA


def _proposer_slashing(state: State, operation: ProposerSlashing, proposer: int) -> None:
    slash(state, operation.validator, proposer)


def _attester_slashing(state: State, operation: AttesterSlashing, proposer: int) -> None:
    for index in operation.validators:
        if slashable(state, index):
            slash(state, index, proposer)


def _exit(state: State, operation: VoluntaryExit, proposer: int) -> None:
    initiate_exit(state, operation.validator)


def _append(queue: Any, dtype: np.dtype[Any], row: tuple[Any, ...]) -> Any:
    return np.append(queue, np.array([row], dtype))


def _deposit(state: State, operation: DepositRequest, proposer: int) -> None:
    if state.deposit_requests_start == UNSET_REQUESTS:
        state.deposit_requests_start = 0
    queue_deposit(state, operation.pubkey, operation.credentials, operation.amount, state.slot)


def queue_deposit(state: State, pubkey: bytes, credentials: bytes, amount: int, slot: int) -> None:
    row = (np.void(pubkey), np.void(credentials), amount, np.void(bytes([0xC0]) + bytes(95)), slot)
    state.deposits = _append(state.deposits, PENDING_DEPOSIT, row)


def _withdrawal(state: State, operation: WithdrawalRequest, proposer: int) -> None:
    """process_withdrawal_request: what is not valid is ignored."""
    index, least = operation.validator, state.spec.min_activation_balance
    full = operation.amount == 0
    if len(state.partials) == PENDING_PARTIAL_WITHDRAWALS_LIMIT and not full:
        return
    seasoned = state.epoch >= state.activation[index] + state.spec.shard_committee_period
    if state.prefix()[index] not in (1, 2) or not seasoned or state.exit[index] != FAR:
        return
    owed = _owed(state, index)
    if full:
        if owed == 0:
            initiate_exit(state, index)
        return
    spare = int(state.balances[index]) - least - owed
    if state.prefix()[index] != 2 or state.effective[index] < least or spare <= 0:
        return
    amount = min(spare, operation.amount)
    epoch = exit_epoch(state, amount) + state.spec.min_validator_withdrawability_delay
    state.partials = _append(state.partials, PENDING_PARTIAL_WITHDRAWAL, (index, amount, epoch))


def _consolidation(state: State, operation: Consolidation, proposer: int) -> None:
    """process_consolidation_request: what is not valid is ignored."""
    source, target = operation.source, operation.target
    if source == target:
        _compound(state, source)
        return
    if consolidation_churn(state) <= state.spec.min_activation_balance:
        return
    active = state.active(state.epoch)
    seasoned = state.epoch >= state.activation[source] + state.spec.shard_committee_period
    fine = active[source] and active[target] and state.exit[source] == FAR and state.exit[target] == FAR
    kinds = state.prefix()
    if not (fine and seasoned and kinds[source] in (1, 2) and kinds[target] == 2 and not _owed(state, source)):
        return
    state.exit[source] = consolidation_epoch(state, int(state.effective[source]))
    state.withdrawable[source] = state.exit[source] + state.spec.min_validator_withdrawability_delay
    state.consolidations = _append(state.consolidations, PENDING_CONSOLIDATION, (source, target))


def _compound(state: State, index: int) -> None:
    """switch_to_compounding_validator: what is above 32 ETH goes through the deposit queue."""
    if state.prefix()[index] != 1 or state.exit[index] != FAR or not state.active(state.epoch)[index]:
        return
    changed = state.credentials.copy()
    changed[index] = np.void(b"\x02" + bytes(changed[index])[1:])
    state.credentials = changed
    excess = int(state.balances[index]) - state.spec.min_activation_balance
    if excess > 0:
        state.balances[index] -= excess
        queue_deposit(state, bytes(state.pubkeys[index]), bytes(changed[index]), excess, 0)


def _forfeit(state: State, operation: Forfeit, proposer: int) -> None:
    mine = state.balances[: operation.validators]
    state.balances[: operation.validators] = np.maximum(mine - operation.gwei // operation.validators, 0)


_APPLY: dict[type[Operation], Callable[[State, Any, int], None]] = {
    ProposerSlashing: _proposer_slashing, AttesterSlashing: _attester_slashing, VoluntaryExit: _exit, DepositRequest: _deposit,
    WithdrawalRequest: _withdrawal, Consolidation: _consolidation, Forfeit: _forfeit,
}  # fmt: skip
