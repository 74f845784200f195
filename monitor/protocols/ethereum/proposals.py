"""Which slots of the state's epoch have a block, and whose they were to be.

A state of the last slot of E knows every slot of E: ``block_roots`` tells those before its own, the newest block's slot tells its own. The
proposers of E are the first half of its look-ahead; those of N = E - 1 are gone from it, so proposals are told of E.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.chain.beacon.columns import U64, StateColumns


def missed_slots(columns: StateColumns) -> NDArray[np.bool_]:
    """For each slot of the state's epoch up to the state's own, in order: whether it has no block."""
    first, length = columns.epoch * columns.spec.slots_per_epoch, len(columns.block_roots)
    slots = np.arange(first, columns.slot)
    # The root of a slot without a block is that of the slot before; slot 0 always has one, and nothing before it.
    missed = (columns.block_roots[slots % length] == columns.block_roots[(slots - 1) % length]) & (slots > 0)
    return np.append(missed, columns.latest_block_slot != columns.slot)


def proposers(columns: StateColumns) -> U64 | None:
    """The proposer of each slot of the state's epoch up to the state's own; None before Fulu."""
    if columns.proposer_lookahead is None:
        return None
    return columns.proposer_lookahead[: columns.slot % columns.spec.slots_per_epoch + 1]
