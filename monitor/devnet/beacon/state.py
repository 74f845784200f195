"""The state of the simulated chain as numpy columns, and the small amounts of arithmetic that everything shares.

Amounts are gwei in int64 (no more than 2**63 ever exists), epochs are int64 with ``FAR`` for "never" (encoded as 2**64 - 1).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from math import isqrt
from typing import Self

import numpy as np
from numpy.typing import NDArray

from monitor.chain.beacon.columns import PENDING_CONSOLIDATION, PENDING_DEPOSIT, PENDING_PARTIAL_WITHDRAWAL
from monitor.chain.beacon.spec import Fork, Spec

FAR = 2**63 - 1
"""FAR_FUTURE_EPOCH inside the simulator; the bytes say 2**64 - 1."""
I64 = NDArray[np.int64]
ZERO = bytes(32)
UNSET_REQUESTS = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Point:
    """A checkpoint: epoch, and root of the newest block at or before its first slot."""

    epoch: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Payload:
    """What the chain tells of an execution block. Hashes are 32 bytes."""

    number: int
    hash: bytes
    parent: bytes
    timestamp: int
    fee_recipient: bytes = bytes(20)
    state_root: bytes = ZERO
    receipts_root: bytes = ZERO
    transactions_root: bytes = ZERO
    prev_randao: bytes = ZERO
    gas_limit: int = 30_000_000
    gas_used: int = 0
    base_fee: int = 7
    origin: bytes = b""
    """Of a payload that fills a slot: the hash of the real one before it."""


@dataclass(frozen=True, slots=True)
class Header:
    """A beacon block's header; ``state_root`` is zero until the next slot is processed."""

    slot: int
    proposer: int
    parent: bytes
    state_root: bytes
    body_root: bytes


@dataclass(slots=True, eq=False)
class State:
    """A BeaconState without its ring buffers of roots and mixes, which the chain keeps once (see ``chain.Rings``)."""

    spec: Spec
    fork: Fork
    slot: int
    header: Header
    pubkeys: NDArray[np.void]
    credentials: NDArray[np.void]
    effective: I64
    slashed: NDArray[np.bool_]
    eligibility: I64
    activation: I64
    exit: I64
    withdrawable: I64
    balances: I64
    previous_flags: NDArray[np.uint8]
    current_flags: NDArray[np.uint8]
    scores: I64
    slashings: I64
    justification: int
    """Bit 0 is the current epoch."""
    previous_justified: Point
    current_justified: Point
    finalized: Point
    payload: Payload
    mix: bytes
    current_sync: I64
    next_sync: I64
    lookahead: I64
    next_withdrawal_index: int = 0
    next_withdrawal_validator: int = 0
    deposit_requests_start: int = 0
    eth1_deposit_index: int = 0
    deposit_to_consume: int = 0
    exit_to_consume: int = 0
    earliest_exit: int = 0
    consolidation_to_consume: int = 0
    earliest_consolidation: int = 0
    deposits: NDArray[np.void] = field(default_factory=lambda: np.empty(0, PENDING_DEPOSIT))
    partials: NDArray[np.void] = field(default_factory=lambda: np.empty(0, PENDING_PARTIAL_WITHDRAWAL))
    consolidations: NDArray[np.void] = field(default_factory=lambda: np.empty(0, PENDING_CONSOLIDATION))
    summaries: tuple[bytes, ...] = ()
    """Historical summaries, 64 bytes each."""
    withdrawn: I64 = field(default_factory=lambda: np.zeros(0, np.int64))
    """Not part of a BeaconState: gwei that each validator has paid out so far, for whoever keeps accounts."""

    def copy(self) -> Self:
        """An independent state. Arrays that are replaced whole (keys, credentials, queues, committees) are shared."""
        mutable = {name: getattr(self, name).copy() for name in _MUTABLE}
        return replace(self, **mutable)

    @property
    def epoch(self) -> int:
        return self.slot // self.spec.slots_per_epoch

    def __len__(self) -> int:
        return len(self.balances)

    def active(self, epoch: int) -> NDArray[np.bool_]:
        return np.asarray((self.activation <= epoch) & (epoch < self.exit))

    def prefix(self) -> NDArray[np.uint8]:
        """First byte of each withdrawal credentials."""
        return self.credentials.view(np.uint8).reshape(-1, 32)[:, 0]

    def max_effective(self) -> I64:
        """get_max_effective_balance of each validator: 2,048 ETH for 0x02, else 32."""
        return np.where(self.prefix() == 2, self.spec.max_effective_balance_electra, self.spec.min_activation_balance).astype(np.int64)

    def total_active(self) -> int:
        """get_total_active_balance."""
        return max(self.spec.effective_balance_increment, int(self.effective[self.active(self.epoch)].sum()))

    def base_reward_per_increment(self, total: int) -> int:
        return self.spec.effective_balance_increment * self.spec.base_reward_factor // isqrt(total)

    def add_validator(self, pubkey: bytes, credentials: bytes, amount: int) -> int:
        """add_validator_to_registry; the new index."""
        one = self.spec.effective_balance_increment
        most = self.spec.max_effective_balance_electra if credentials[0] == 2 else self.spec.min_activation_balance
        self.pubkeys = np.append(self.pubkeys, np.frombuffer(pubkey, "V48"))
        self.credentials = np.append(self.credentials, np.frombuffer(credentials, "V32"))
        new = {"effective": min(amount - amount % one, most), "slashed": False, "eligibility": FAR, "activation": FAR, "exit": FAR,
               "withdrawable": FAR, "balances": amount, "previous_flags": 0, "current_flags": 0, "scores": 0, "withdrawn": 0}  # fmt: skip
        for name, value in new.items():
            column = getattr(self, name)
            setattr(self, name, np.append(column, np.array([value], column.dtype)))
        return len(self) - 1


_MUTABLE = (
    "effective", "slashed", "eligibility", "activation", "exit", "withdrawable", "balances", "previous_flags", "current_flags", "scores",
    "slashings", "withdrawn",
)  # fmt: skip
assert set(_MUTABLE) <= {f.name for f in fields(State)}
