"""The four queues of the chain: what waits in each, and how long something that joins now would wait (consensus-specs, Electra, Gloas).

Waits run from the state's slot, at the full churn, all other things equal: nobody else joins, and finality is normal from the next
epoch on. ``QueueFacts`` says what "through" means for each.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from monitor.chain.beacon.columns import StateColumns
from monitor.chain.beacon.spec import Spec
from monitor.model.beacon import FAR_FUTURE_EPOCH, Gwei, QueueFacts, QueueName
from monitor.protocols.ethereum.churn import Churn, turn
from monitor.protocols.ethereum.entry import entry_epoch

_FAR = np.uint64(FAR_FUTURE_EPOCH)


def queues(columns: StateColumns, total_active: int, finalized: int) -> Mapping[QueueName, QueueFacts]:
    """All four queues. ``finalized``: the finalized epoch after the transition at the end of the state's epoch."""
    churn = Churn.of(columns.spec, columns.fork, total_active)
    return {
        "entry": _entry(columns, churn, finalized),
        "exit": _exit(columns, churn),
        "partial_withdrawal": _partial_withdrawal(columns, churn),
        "consolidation": _consolidation(columns, churn),
    }


def _entry(columns: StateColumns, churn: Churn, finalized: int) -> QueueFacts:
    """Deposits that are not credited yet. Active: eligible two epochs after the credit, assigned when that is final, then the look-ahead."""
    credited = entry_epoch(columns, churn.activation, finalized, columns.spec.min_activation_balance)
    seconds = None if credited is None else _seconds_until(columns, credited + 4 + columns.spec.max_seed_lookahead)
    return _facts(columns.pending_deposits["amount"], seconds)


def _exit(columns: StateColumns, churn: Churn) -> QueueFacts:
    """Validators that are leaving, without those that are moving into another one, who look the same."""
    spec, epoch = columns.spec, columns.epoch
    leaving = (np.uint64(epoch) < columns.exit_epoch) & (columns.exit_epoch != _FAR)
    leaving[_sources(columns)] = False
    out = turn(spec, epoch, columns.earliest_exit_epoch, columns.exit_balance_to_consume, churn.exit, spec.min_activation_balance)
    return _facts(columns.effective_balance[leaving], None if out is None else _seconds_until(columns, out.epoch))


def _partial_withdrawal(columns: StateColumns, churn: Churn) -> QueueFacts:
    """Partial withdrawals: behind the exits until withdrawable, then behind each other, so many a block.

    Entries that will be dropped unpaid, and slots without a block, are not foreseen.
    """
    spec, epoch = columns.spec, columns.epoch
    pending = columns.pending_partial_withdrawals
    one = spec.effective_balance_increment
    out = turn(spec, epoch, columns.earliest_exit_epoch, columns.exit_balance_to_consume, churn.exit, one)
    if out is None:
        return _facts(pending["amount"], None)
    due = np.append(pending["withdrawable_epoch"], np.uint64(out.epoch + spec.min_validator_withdrawability_delay))
    paid = _last_served(due * np.uint64(spec.slots_per_epoch), columns.slot + 1, spec.max_pending_partials_per_withdrawals_sweep)
    return _facts(pending["amount"], _seconds(spec, paid - columns.slot))


def _last_served(due: NDArray[np.uint64], start: int, at_once: int) -> int:
    """The slot in which the last of a line is served, when no item is before its due slot nor before ``start``, and ``at_once`` fit a slot.

    Nobody overtakes, so an item waits for all that are due before it: the last is served ``k // at_once`` slots after any item with
    ``k`` behind it was due, at the earliest.
    """
    ready = np.maximum.accumulate(np.maximum(due, np.uint64(start)))
    behind = np.arange(len(due) - 1, -1, -1, dtype=np.uint64)
    return int((ready + behind // np.uint64(at_once)).max())


def _consolidation(columns: StateColumns, churn: Churn) -> QueueFacts:
    """Sources that are moving. A chain whose churn is not above 32 ether takes no requests at all."""
    spec, sources = columns.spec, _sources(columns)
    moving = np.minimum(columns.balances[sources], columns.effective_balance[sources])
    if churn.consolidation <= spec.min_activation_balance:
        return _facts(moving, None)
    earliest, left = columns.earliest_consolidation_epoch, columns.consolidation_balance_to_consume
    out = turn(spec, columns.epoch, earliest, left, churn.consolidation, spec.min_activation_balance)
    assert out is not None
    return _facts(moving, _seconds_until(columns, out.epoch + spec.min_validator_withdrawability_delay))


def _sources(columns: StateColumns) -> NDArray[np.intp]:
    sources = columns.pending_consolidations["source_index"]
    return sources[sources < len(columns)].astype(np.intp)


def _facts(amounts: NDArray[np.uint64], seconds: int | None) -> QueueFacts:
    return QueueFacts(Gwei(int(amounts.sum(dtype=np.uint64))), len(amounts), seconds)


def _seconds_until(columns: StateColumns, epoch: int) -> int:
    """Seconds from the state's slot to the first slot of an epoch."""
    return _seconds(columns.spec, epoch * columns.spec.slots_per_epoch - columns.slot)


def _seconds(spec: Spec, slots: int) -> int:
    return slots * spec.slot_duration_ms // 1000
