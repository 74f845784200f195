"""The nine statuses of a validator, and when it is active (Beacon API, validator status; consensus-specs, is_active_validator)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.chain.beacon.columns import StateColumns
from monitor.model.beacon import FAR_FUTURE_EPOCH

_FAR = np.uint64(FAR_FUTURE_EPOCH)


def active_in(columns: StateColumns, epoch: int) -> NDArray[np.bool_]:
    """Which validators are active in an epoch: ``activation_epoch <= epoch < exit_epoch``."""
    at = np.uint64(epoch)
    active: NDArray[np.bool_] = (columns.activation_epoch <= at) & (at < columns.exit_epoch)
    return active


def statuses(columns: StateColumns) -> NDArray[np.uint8]:
    """The status of each validator at the state's epoch, as an index of ``STATUSES``.

    By effective balance, as the clients do it: dust on a ``withdrawal_done`` validator shows in its balance alone.
    """
    at = np.uint64(columns.epoch)
    never_leaves, slashed = columns.exit_epoch == _FAR, columns.slashed
    pending = _choose(columns.activation_eligibility_epoch == _FAR, 0, 1)
    active = _choose(never_leaves, 2, _choose(slashed, 4, 3))
    exited = _choose(slashed, 6, 5)
    withdrawal = _choose(columns.effective_balance > 0, 7, 8)
    gone = _choose(at < columns.withdrawable_epoch, exited, withdrawal)
    return _choose(columns.activation_epoch > at, pending, _choose(at < columns.exit_epoch, active, gone))


def _choose(which: NDArray[np.bool_], yes: int | NDArray[np.uint8], no: int | NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.where(which, np.asarray(yes, np.uint8), np.asarray(no, np.uint8))
