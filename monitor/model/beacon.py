"""What the consensus layer tells: agreed heads and blocks, and the facts of one evaluated epoch.

Amounts are integer gwei, the beacon chain's unit; epochs and slots count from its genesis. *E* is the epoch of a state, *N* = E - 1 the
epoch whose duties are complete in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NewType

import numpy as np
from numpy.typing import NDArray

from monitor.model import BlockStamp, Hash, Slot

Epoch = NewType("Epoch", int)
Gwei = NewType("Gwei", int)
FAR_FUTURE_EPOCH = 2**64 - 1

Duty = Literal["source", "target", "head"]
DUTIES: tuple[Duty, ...] = ("source", "target", "head")
"""In the order of their bits in a participation byte."""
Status = Literal[
    "pending_initialized", "pending_queued", "active_ongoing", "active_exiting", "active_slashed",
    "exited_unslashed", "exited_slashed", "withdrawal_possible", "withdrawal_done",
]  # fmt: skip
STATUSES: tuple[Status, ...] = (
    "pending_initialized", "pending_queued", "active_ongoing", "active_exiting", "active_slashed",
    "exited_unslashed", "exited_slashed", "withdrawal_possible", "withdrawal_done",
)  # fmt: skip
QueueName = Literal["entry", "exit", "partial_withdrawal", "consolidation"]
STREAKS = (1, 2, 3, 5, 10, 225)
"""Offline streaks that are counted: so many epochs in a row without any timely vote. 225 epochs are a day."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    epoch: Epoch
    root: Hash


@dataclass(frozen=True, slots=True)
class BeaconHead:
    """The newest block that a majority of the configured nodes has as head, or behind it, with the finality it shows."""

    slot: Slot
    root: Hash
    justified: Checkpoint
    finalized: Checkpoint
    optimistic: bool = False
    """A majority imported it without its execution client's verdict: show it, never page on it alone."""


@dataclass(frozen=True, slots=True)
class Offence:
    """A slashing in a block's body. ``validators``: whom it can slash, rising (an attester slashing: the intersection of both votes)."""

    kind: Literal["proposal", "attestation"]
    validators: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BeaconBlock:
    """What we read from one canonical block, agreed by a majority of the configured nodes."""

    slot: Slot
    root: Hash
    parent: Hash
    proposer: int
    offences: tuple[Offence, ...] = ()


@dataclass(frozen=True, slots=True)
class Loss:
    """Gwei that slashed validators, not yet past their correlation penalty, lose in all by the fork's formulas.

    ``initial``: taken at inclusion. ``attestation``: source and target penalties from inclusion until withdrawable.
    ``correlation``: at the midpoint, if nobody else is slashed. No part exceeds what the validators have.
    """

    initial: Gwei = Gwei(0)
    attestation: Gwei = Gwei(0)
    correlation: Gwei = Gwei(0)

    @property
    def total(self) -> Gwei:
        return Gwei(self.initial + self.attestation + self.correlation)


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """The validators of one owner in one evaluated epoch. Counts are validators, amounts gwei.

    ``active``: validators active in N that are not slashed, with ``active_effective`` their effective balances. ``timely``: how many of
    them, and how much of it, has each duty's flag. ``offline``: for each streak of ``STREAKS``, active validators (and their effective
    balances) with no flag at all for so many epochs in a row, N the last; empty while earlier epochs are not known
    beyond what is known (a streak never claims an epoch that was not seen). ``longest_streak``: of any of them.
    ``proposed`` / ``missed``: slots of E = N + 1 in which they were to propose (the state names the proposers of its own epoch, not those
    of N); None before Fulu, which has no look-ahead in the state.
    ``earned`` / ``ideal``: source, target, head and inactivity deltas of N of the ``active`` ones, and what perfect votes had earned
    them; ideal is 0 in a leak. What slashed ones pay is in ``loss``.
    ``slashed``: slashed validators that are not withdrawable yet.
    """

    statuses: Mapping[Status, int]
    balance: Gwei
    active: int
    active_effective: Gwei
    timely: Mapping[Duty, tuple[int, Gwei]]
    offline: Mapping[int, tuple[int, Gwei]]
    longest_streak: int
    proposed: int | None
    missed: int | None
    earned: Gwei
    ideal: Gwei
    slashed: int
    loss: Loss


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """One of the chain's queues: what waits in it, and how long something that joins now would wait.

    ``wait_seconds`` counts from the state's slot, at the full churn and with normal finality: entry until a new validator of 32 ether
    is active; exit until one of 32 ether is out; partial_withdrawal until one ether is paid; consolidation until one of 32 ether has
    moved. None: nothing can join, since the chain's limit is too small (consolidation on a small chain).
    """

    gwei: Gwei
    entries: int
    wait_seconds: int | None


@dataclass(frozen=True, slots=True)
class Owners:
    """Whose validator each index is: ``groups[of[i]]`` is (protocol, operator); -1: of nobody whom we watch.

    ``of`` may be shorter than the registry: later validators are not looked up yet and count for the network alone.
    ``foreign``: by (protocol, operator), validators with a key of the operator but not with the protocol's withdrawal credentials: somebody
    deposited first. They are of nobody in ``of``.
    """

    groups: tuple[tuple[str, str], ...] = ()
    of: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    foreign: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def group(self, validator: int) -> tuple[str, str] | None:
        """(protocol, operator) of one validator, None when it is of nobody whom we watch."""
        which = int(self.of[validator]) if 0 <= validator < len(self.of) else -1
        return self.groups[which] if which >= 0 else None


@dataclass(frozen=True, slots=True, eq=False)
class Registry:
    """What the newest evaluated state says of single validators, aligned with the validator index: for events between two epochs."""

    slot: Slot
    owners: Owners
    effective_balance: NDArray[np.uint64]
    slashed: NDArray[np.bool_]
    activation_epoch: NDArray[np.uint64]
    withdrawable_epoch: NDArray[np.uint64]
    complete: frozenset[str]
    """Protocols whose keys were all read: only for these is "of nobody" certain."""


@dataclass(frozen=True, slots=True, eq=False)
class EpochFacts:
    """What one state tells: that of the last slot of epoch E = ``epoch`` + 1, in which the flags of ``epoch`` are complete.

    ``root``: the agreed root of the newest block at or before ``slot``: another root for the same epoch is another result.
    ``read_at``: the execution block whose payload that block carries. ``groups``: by (protocol, operator); operator "" is the whole
    protocol, and ("ethereum", "") is the network. ``total_active``: T, total active balance at E. ``slashings``: sum of the slashings
    vector. ``slots`` / ``missed_slots``: of E, all of which are known at its last slot. ``leaking``: whether the inactivity leak applies at the end of E.
    """

    epoch: Epoch
    slot: Slot
    root: Hash
    read_at: BlockStamp
    fork: str
    groups: Mapping[tuple[str, str], GroupFacts]
    queues: Mapping[QueueName, QueueFacts]
    total_active: Gwei
    slashings: Gwei
    slots: int
    missed_slots: int
    justified: Epoch
    finalized: Epoch
    leaking: bool
    balances_at: Mapping[str, Gwei] = field(default_factory=dict)
    """By protocol: sum of the balances of all its validators at ``slot`` (what an oracle report with that reference slot must say)."""
    foreign: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """``Owners.foreign`` of the owners that this was evaluated with."""


@dataclass(frozen=True, slots=True, eq=False)
class BeaconView:
    """What is known of the consensus layer at one judged block.

    ``blocks``: the newest canonical blocks, consecutive by parent, rising, ending at ``head``. ``epoch``: the newest evaluated one.
    """

    head: BeaconHead | None = None
    blocks: tuple[BeaconBlock, ...] = ()
    epoch: EpochFacts | None = None
    registry: Registry | None = None
