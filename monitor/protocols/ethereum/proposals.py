"""Whose the slots of the state's epoch were to be, and which of them have no block.

A state of the last slot of E knows every slot of E. The proposers of E are the first half of its look-ahead; those of N = E - 1 are gone
from it, so proposals are told of E.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.chain.beacon.columns import StateColumns
from monitor.chain.beacon.roots import missed_slots


def missed_in_epoch(columns: StateColumns) -> NDArray[np.bool_]:
    """For each slot of the state's epoch, in order: whether it has no block."""
    slots = columns.spec.slots_per_epoch
    missed = np.zeros(slots, np.bool_)
    missed[[slot % slots for slot in missed_slots(columns, columns.epoch)]] = True
    return missed


def proposers(columns: StateColumns) -> NDArray[np.intp] | None:
    """The proposer of each slot of the state's epoch, in order; None before Fulu."""
    if columns.proposer_lookahead is None:
        return None
    return columns.proposer_lookahead[: columns.spec.slots_per_epoch].astype(np.intp)
