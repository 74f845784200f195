"""What we compute with, out of one BeaconState: aligned copies of columns, and small structured arrays.

The formulas see this and nothing else of a state, so they need no bytes to be tested.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.chain.beacon.spec import Fork, Spec
from monitor.model import BlockStamp
from monitor.model.beacon import Checkpoint

U64 = NDArray[np.uint64]

PENDING_DEPOSIT = np.dtype([("pubkey", "V48"), ("withdrawal_credentials", "V32"), ("amount", "<u8"), ("signature", "V96"), ("slot", "<u8")])
PENDING_PARTIAL_WITHDRAWAL = np.dtype([("validator_index", "<u8"), ("amount", "<u8"), ("withdrawable_epoch", "<u8")])
PENDING_CONSOLIDATION = np.dtype([("source_index", "<u8"), ("target_index", "<u8")])


@dataclass(frozen=True, slots=True, eq=False)
class StateColumns:
    """One state. Arrays of the registry have one item a validator, by index; amounts are gwei; names are those of consensus-specs.

    ``block``: the execution block of the newest payload in the state, with the slot of the beacon block that it belongs to. A Gloas state
    has no block number (``payload.UNKNOWN_NUMBER`` stands there): look the hash up, or give the stamp to ``StateView.columns``.
    ``block_roots[s % len]`` is the root of the newest block at or before slot s, for the last ``len`` slots before ``slot``.
    ``latest_block_slot``: slot of the newest block. ``proposer_lookahead``: proposers of the state's epoch and the next, None before Fulu.
    """

    spec: Spec
    fork: Fork
    slot: int
    latest_block_slot: int
    block: BlockStamp
    pubkeys: NDArray[Any]
    """V48"""
    withdrawal_credentials: NDArray[Any]
    """V32"""
    effective_balance: U64
    slashed: NDArray[np.bool_]
    activation_eligibility_epoch: U64
    activation_epoch: U64
    exit_epoch: U64
    withdrawable_epoch: U64
    balances: U64
    previous_epoch_participation: NDArray[np.uint8]
    current_epoch_participation: NDArray[np.uint8]
    inactivity_scores: U64
    slashings: U64
    block_roots: NDArray[Any]
    """V32"""
    justification_bits: int
    previous_justified: Checkpoint
    current_justified: Checkpoint
    finalized: Checkpoint
    deposit_balance_to_consume: int
    exit_balance_to_consume: int
    earliest_exit_epoch: int
    consolidation_balance_to_consume: int
    earliest_consolidation_epoch: int
    pending_deposits: NDArray[Any]
    pending_partial_withdrawals: NDArray[Any]
    pending_consolidations: NDArray[Any]
    proposer_lookahead: U64 | None

    @property
    def epoch(self) -> int:
        """E, the epoch of the state."""
        return self.spec.epoch_of(self.slot)

    def __len__(self) -> int:
        return len(self.effective_balance)
