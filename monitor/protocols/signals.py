"""What a protocol tells about itself, signal by signal: typed readings, and the sources that make them.

A *source* says what to read and turns the agreed answers of one block into a reading; it raises ``Unanswered`` (or ``BadAnswer``)
when it cannot. Readings are exact: integer wei, shares, slots and seconds. Collectors know only what is here, never a protocol.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from monitor.model import Address, Log, Read, Snapshot, Wei
from monitor.protocols.access import Change, Guarded


@dataclass(frozen=True, slots=True)
class QueueReading:
    """The withdrawal queue. ``unfinalized``: nominal wei of open requests; ``available``: wei that a report could use, by source.

    ``locked``: wei kept for finalized, unclaimed requests; ``balance``: wei that the queue holds.
    """

    unfinalized: Wei
    requests: int
    finalized_id: int
    available: Mapping[str, Wei]
    locked: Wei
    balance: Wei
    bunker: bool


@dataclass(frozen=True, slots=True)
class OldestReading:
    """The oldest open request. ``requested_at``: None when the queue is empty or its time was not read yet (``next_id`` tells)."""

    next_id: int
    empty: bool
    requested_at: int | None


class QueueSource(Protocol):
    def reads(self) -> Sequence[Read]: ...
    def reading(self, snapshot: Snapshot) -> QueueReading: ...
    def oldest_reads(self, next_id: int | None) -> Sequence[Read]: ...
    def oldest(self, snapshot: Snapshot, next_id: int | None) -> OldestReading: ...


@dataclass(frozen=True, slots=True)
class Numbering:
    """How a committee numbers its frames; times in seconds, lengths in slots (HashConsensus: getChainConfig, getFrameConfig)."""

    genesis: int
    seconds_per_slot: int
    first: int
    """Reference slot of frame 0: the last slot before the initial epoch."""
    frame_slots: int

    @property
    def frame_seconds(self) -> int:
        return self.frame_slots * self.seconds_per_slot

    def time(self, slot: int) -> int:
        return self.genesis + slot * self.seconds_per_slot

    def after(self, slot: int) -> int:
        """The first reference slot later than ``slot``: also right before the first report and after a change of the frame's length."""
        if slot < self.first:
            return self.first
        return self.first + ((slot - self.first) // self.frame_slots + 1) * self.frame_slots


@dataclass(frozen=True, slots=True)
class CurrentFrame:
    """The frame that contains the block. ``agreed``: the committee's hash, None without consensus.

    ``fast_lane``: members whose duty it is, with the reference slot of their last report. ``extra_items``: announced and processed
    items of extra data, None before the main data; ``extra_done`` is meaningless then.
    """

    ref_slot: int
    deadline_slot: int
    agreed: bytes | None
    fast_lane: Mapping[Address, int]
    variants: int
    main_done: bool
    extra_done: bool
    extra_items: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class OracleReading:
    """An oracle and its committee. ``frame`` is None before the initial epoch. ``quorum`` is None when consensus is disabled."""

    numbering: Numbering
    last_processed: int
    members: Mapping[Address, int]
    quorum: int | None
    frame: CurrentFrame | None


@dataclass(frozen=True, slots=True)
class OracleMoments:
    """Block times of what the logs say: (reference slot, time) of agreements and of main data, and reference slots of lost agreement."""

    agreed: tuple[tuple[int, int], ...] = ()
    processed: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Happening:
    """One event of a family: its labels but for tx and seq, and exact details."""

    family: str
    labels: Mapping[str, str]
    log: Log
    details: Mapping[str, str] = field(default_factory=dict)


class EventSource(Protocol):
    @property
    def watches(self) -> frozenset[Address]: ...

    def happenings(self, snapshot: Snapshot) -> Sequence[Happening]: ...


class OracleSource(EventSource, Protocol):
    @property
    def name(self) -> str: ...
    def reads(self) -> Sequence[Read]: ...
    def reading(self, snapshot: Snapshot) -> OracleReading: ...
    def moments(self, snapshot: Snapshot) -> OracleMoments: ...
    def members_read(self) -> Read: ...
    def members(self, snapshot: Snapshot) -> Mapping[Address, int]: ...


@dataclass(frozen=True, slots=True)
class AccountingReading:
    """Totals at one block, in wei and share units. ``parts``: the ether that the protocol owns itself, by where it is.

    ``token_rate``: wei a 1e18 of shares by the wrapped token, None without one.
    """

    pooled: int
    shares: int
    external_shares: int
    supply: int
    parts: Mapping[str, int]
    token_rate: int | None

    @property
    def internal_ether(self) -> int:
        return sum(self.parts.values())

    @property
    def internal_shares(self) -> int:
        return self.shares - self.external_shares


@dataclass(frozen=True, slots=True)
class Rebase:
    """A report's effect. ``reported_at``: its reference time; ``elapsed``: seconds since the report before."""

    reported_at: int
    elapsed: int
    pre_shares: int
    pre_ether: int
    post_shares: int
    post_ether: int
    fee_shares: int
    log: Log


class AccountingSource(Protocol):
    @property
    def watches(self) -> frozenset[Address]: ...

    def reads(self) -> Sequence[Read]: ...
    def reading(self, snapshot: Snapshot) -> AccountingReading: ...
    def rebases(self, snapshot: Snapshot) -> Sequence[Rebase]: ...


@dataclass(frozen=True, slots=True)
class Pointer:
    """What an address book says about one contract, and what the deployment says."""

    contract: str
    says: Address
    expected: Address


class PointerSource(Protocol):
    @property
    def watches(self) -> frozenset[Address]: ...

    def reads(self) -> Sequence[Read]: ...
    def reading(self, snapshot: Snapshot) -> Sequence[Pointer]: ...


class ChangeSource(Protocol):
    """The logs of the roles signal: grants, upgrades, pauses, in chain order."""

    @property
    def watches(self) -> frozenset[Address]: ...

    def changes(self, snapshot: Snapshot) -> Sequence[Change]: ...


Signal = Literal["roles", "oracle", "queue", "accounting"]


@dataclass(frozen=True)
class ProtocolSources:
    """One protocol on one network: what can be watched of it, and what not, with the reason."""

    name: str
    network: int | None
    guarded: tuple[Guarded, ...]
    urgent: frozenset[str]
    """Contracts whose proxy and pause are read at every block; the others are read every half minute."""
    changes: ChangeSource
    queue: QueueSource | None
    oracles: tuple[OracleSource, ...]
    accounting: AccountingSource | None
    pointers: PointerSource | None
    names: Mapping[Address, str]
    roles: Mapping[str, frozenset[str]]
    """Role names by contract, of all contracts: what a baseline may speak of."""
    uncovered: tuple[str, ...]
