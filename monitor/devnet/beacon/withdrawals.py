"""What each payload withdraws: due partial withdrawals, then the sweep (consensus-specs, electra, get_expected_withdrawals).

One difference: validators that are ``unswept`` are passed over, so that the balances of a protocol whose vault nobody fills on the
execution side stay on the consensus side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.devnet.beacon.state import FAR, I64, State


class Limits(NamedTuple):
    """MAX_WITHDRAWALS_PER_PAYLOAD, MAX_VALIDATORS_PER_WITHDRAWALS_SWEEP, MAX_PENDING_PARTIALS_PER_WITHDRAWALS_SWEEP."""

    payload: int
    sweep: int
    partials: int


LIMITS = {"mainnet": Limits(16, 16_384, 8), "minimal": Limits(4, 16, 2), "gnosis": Limits(8, 8192, 6)}
"""By preset."""
LOOK = 64
"""Validators looked at in the first step of the sweep, four times as many in each further one: usually a few steps find enough."""


@dataclass(frozen=True, slots=True, eq=False)
class Withdrawals:
    """A payload's withdrawals: validators and gwei, numbered from ``first``."""

    first: int
    who: I64
    amounts: I64
    credentials: NDArray[np.void]

    def __len__(self) -> int:
        return len(self.who)

    def digest(self) -> bytes:
        return self.who.tobytes() + self.amounts.tobytes()

    def rows(self) -> list[tuple[int, int, bytes, int]]:
        """(index, validator, address, gwei) of each."""
        given = zip(self.who.tolist(), self.amounts.tolist(), strict=True)
        return [(self.first + i, at, bytes(self.credentials[at])[12:], amount) for i, (at, amount) in enumerate(given)]


@dataclass(frozen=True, slots=True, eq=False)
class Sweepers:
    """What the sweep needs of the credentials, kept as long as these do not change."""

    credentials: NDArray[np.void]
    most: I64
    able: NDArray[np.bool_]

    @classmethod
    def of(cls, state: State, unswept: NDArray[np.bool_]) -> Sweepers:
        """``unswept``: by index, for those that are never swept; may be shorter than the registry."""
        able = (state.prefix() == 1) | (state.prefix() == 2)
        able[: len(unswept)] &= ~unswept
        return cls(state.credentials, state.max_effective(), able)


def withdraw(state: State, sweepers: Sweepers) -> Withdrawals:
    """process_withdrawals: take what is due from balances and queue, and say what it was."""
    who, amounts, processed = expected(state, sweepers)
    if processed:
        # A validator may be there twice: a due partial withdrawal, and what it has above the maximum.
        np.subtract.at(state.balances, who, amounts)
        np.add.at(state.withdrawn, who, amounts)
        state.partials = state.partials[processed:]
    else:
        state.balances[who] -= amounts
        state.withdrawn[who] += amounts
    limits = LIMITS[state.spec.preset_base]
    step = int(who[-1]) + 1 if len(who) == limits.payload else state.next_withdrawal_validator + limits.sweep
    state.next_withdrawal_validator = step % len(state)
    first = state.next_withdrawal_index
    state.next_withdrawal_index += len(who)
    return Withdrawals(first, who, amounts, state.credentials)


def expected(state: State, sweepers: Sweepers) -> tuple[I64, I64, int]:
    """Validators and gwei of each withdrawal, and how many pending partial withdrawals are done with."""
    limits = LIMITS[state.spec.preset_base]
    if not len(state.partials):
        return *_sweep(state, state.balances, sweepers, limits.payload), 0
    found: list[tuple[int, int]] = []
    processed, least = 0, state.spec.min_activation_balance
    for pending in state.partials:
        if int(pending["withdrawable_epoch"]) > state.epoch or len(found) == limits.partials:
            break
        index = int(pending["validator_index"])
        spare = int(state.balances[index]) - sum(amount for at, amount in found if at == index) - least
        if state.exit[index] == FAR and state.effective[index] >= least and spare > 0:
            found.append((index, min(spare, int(pending["amount"]))))
        processed += 1
    partly = np.array(found, np.int64).reshape(-1, 2)
    balances = state.balances.copy()
    np.subtract.at(balances, partly[:, 0], partly[:, 1])
    who, amounts = _sweep(state, balances, sweepers, limits.payload - len(found))
    return np.concatenate([partly[:, 0], who]), np.concatenate([partly[:, 1], amounts]), processed


def _sweep(state: State, balances: I64, sweepers: Sweepers, room: int) -> tuple[I64, I64]:
    hits: list[I64] = []
    count, at, look = len(state), state.next_withdrawal_validator, LOOK
    left = min(count, LIMITS[state.spec.preset_base].sweep)
    while left > 0 and room > 0:
        end = min(at + look, count, at + left)
        found = _hits(state, balances, sweepers, slice(at, end))[:room]
        hits.append(found)
        room -= len(found)
        left -= end - at
        at, look = end % count, look * 4
    who = hits[0] if len(hits) == 1 else np.concatenate(hits)
    # Who is done gives all it has, the others what they have above their maximum.
    return who, balances[who] - sweepers.most[who] * (state.withdrawable[who] > state.epoch)


def _hits(state: State, balances: I64, sweepers: Sweepers, part: slice) -> I64:
    """is_fully_withdrawable_validator or is_partially_withdrawable_validator, for a part of the registry."""
    held, most = balances[part], sweepers.most[part]
    over = (state.effective[part] == most) & (held > most)
    done = (state.withdrawable[part] <= state.epoch) & (held > 0)
    return np.asarray(np.flatnonzero((over | done) & sweepers.able[part]) + part.start)
