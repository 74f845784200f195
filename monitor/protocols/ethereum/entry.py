"""When a deposit that joins the queue now is credited: a simulation of the queue's rules (consensus-specs, process_pending_deposits)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.chain.beacon.columns import StateColumns
from monitor.chain.beacon.spec import Spec
from monitor.model.beacon import FAR_FUTURE_EPOCH

_FAR = np.uint64(FAR_FUTURE_EPOCH)
_KEY_TAIL = np.dtype({"names": ["tail"], "formats": ["<u8"], "offsets": [40], "itemsize": 48})
_SIEVE_BITS = 22


def entry_epoch(columns: StateColumns, churn: int, finalized: int, gwei: int) -> int | None:
    """The epoch at whose end a deposit of ``gwei``, made in the state's slot behind all others, is credited. None without churn.

    ``churn``: gwei an epoch. ``finalized``: the finalized epoch after the transition at the end of the state's epoch E; the end of
    each later epoch a finalizes a - 1. Deposits to validators that have left or are leaving take no churn; those that would be put
    back to the end of the queue are put behind this one. Deposits of the old bridge are taken as all credited.
    """
    if churn == 0:
        return None
    costs = np.where(_left(columns), np.uint64(0), columns.pending_deposits["amount"])
    line = _Line(columns.spec, columns.epoch, finalized, churn, columns.deposit_balance_to_consume + churn)
    for cost, slot in zip(costs.tolist(), columns.pending_deposits["slot"].tolist(), strict=True):
        line.credit(cost, slot)
    line.credit(gwei, columns.slot)
    return line.epoch


@dataclass(slots=True)
class _Line:
    """The transition at the end of ``epoch``, so far: gwei that it may still credit, and how many deposits it has credited."""

    spec: Spec
    epoch: int
    finalized: int
    churn: int
    available: int
    credited: int = 0

    def credit(self, cost: int, slot: int) -> None:
        """Credit the next deposit of the queue, in this transition or the first later one that can."""
        if slot > self.finalized * self.spec.slots_per_epoch:
            # The end of epoch a finalizes a - 1, whose first slot must not be before the deposit's.
            self._go_to(max(self.epoch + 1, -(-slot // self.spec.slots_per_epoch) + 1))
        if self.credited >= self.spec.max_pending_deposits_per_epoch:
            self._go_to(self.epoch + 1)
        if cost > self.available:  # only a transition that stops for this keeps what it has not used
            epochs = -(-(cost - self.available) // self.churn)
            kept = self.available
            self._go_to(self.epoch + epochs)
            self.available = kept + epochs * self.churn
        self.available -= cost
        self.credited += 1

    def _go_to(self, epoch: int) -> None:
        self.epoch, self.finalized = epoch, max(self.finalized, epoch - 1)
        self.available, self.credited = self.churn, 0


def _left(columns: StateColumns) -> NDArray[np.bool_]:
    """Which pending deposits are for a validator that has left or is leaving.

    Matching tens of thousands of keys with a million: a sieve over the keys' last bits leaves few to compare in full.
    """
    deposits = columns.pending_deposits
    if not len(deposits):
        return np.zeros(0, np.bool_)
    leaving = np.flatnonzero(columns.exit_epoch != _FAR)
    sieve = np.zeros(1 << _SIEVE_BITS, np.bool_)
    sieve[_tails(deposits["pubkey"])] = True
    near = leaving[sieve[_tails(columns.pubkeys)[leaving]]]
    keys = set(columns.pubkeys[near].tolist())
    return np.fromiter((key in keys for key in deposits["pubkey"].tolist()), np.bool_, len(deposits))


def _tails(keys: NDArray[np.void]) -> NDArray[np.intp]:
    tails = keys.view(_KEY_TAIL)["tail"]
    return (tails & np.uint64((1 << _SIEVE_BITS) - 1)).astype(np.intp)
