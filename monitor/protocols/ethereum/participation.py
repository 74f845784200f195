"""Who had to vote in the evaluated epoch N, and who did: from a state of the last slot of E = N + 1, in which the flags of N are complete."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.chain.beacon.columns import StateColumns
from monitor.protocols.ethereum.statuses import active_in

SOURCE, TARGET, HEAD = 1, 2, 4
"""The bits of a participation byte, in the order of ``DUTIES``."""
FLAGS = SOURCE | TARGET | HEAD


class NotEvaluable(Exception):
    """A state from which an epoch cannot be judged: what is wrong with it, and which one is needed."""


def check_evaluable(columns: StateColumns) -> None:
    """Raises NotEvaluable unless the state is of the last slot of an epoch after the first one."""
    spec, slot, epoch = columns.spec, columns.slot, columns.epoch
    if epoch < 1:
        raise NotEvaluable(f"the state of slot {slot} is of epoch {epoch}, before which there is none: take one of epoch 1 or later")
    if slot != spec.last_slot(epoch):
        raise NotEvaluable(
            f"the state is of slot {slot}, in epoch {epoch}, and the flags of epoch {epoch - 1} are complete in slot"
            f" {spec.last_slot(epoch)} only: take the state of that slot"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Roll:
    """Who counts for what at the end of epoch E (consensus-specs, Altair, helpers of the epoch transition).

    ``voters``: active in N and not slashed, so those whose flags count. ``eligible``: voters and all who can be penalised: active in N, or
    slashed and not withdrawable by E + 1. ``flags``: their three flags of N (no other bits). ``total_active``: T, gwei, of epoch E;
    ``target_now``: the effective balance that has voted for the target of E itself so far, gwei.
    """

    active: NDArray[np.bool_]
    voters: NDArray[np.bool_]
    eligible: NDArray[np.bool_]
    flags: NDArray[np.uint8]
    total_active: int
    target_now: int

    @classmethod
    def of(cls, columns: StateColumns) -> Roll:
        epoch, unslashed = columns.epoch, ~columns.slashed
        now, before = active_in(columns, epoch), active_in(columns, epoch - 1)
        penalised = columns.slashed & (np.uint64(epoch) < columns.withdrawable_epoch)
        voted_now = now & unslashed & ((columns.current_epoch_participation & np.uint8(TARGET)) != 0)
        return cls(
            active=before,
            voters=before & unslashed,
            eligible=before | penalised,
            flags=columns.previous_epoch_participation & np.uint8(FLAGS),
            total_active=effective_sum(columns, now),
            target_now=effective_sum(columns, voted_now),
        )

    def timely(self, flag: int) -> NDArray[np.bool_]:
        """Which voters have a flag of N."""
        timely: NDArray[np.bool_] = self.voters & ((self.flags & np.uint8(flag)) != 0)
        return timely

    @property
    def silent(self) -> NDArray[np.bool_]:
        """Which voters have no flag of N at all."""
        silent: NDArray[np.bool_] = self.voters & (self.flags == 0)
        return silent


def effective_sum(columns: StateColumns, of: NDArray[np.bool_]) -> int:
    """Sum of effective balances, gwei, at least one increment (consensus-specs, get_total_balance)."""
    return max(columns.spec.effective_balance_increment, int(np.multiply(columns.effective_balance, of).sum()))
