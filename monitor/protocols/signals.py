"""What a protocol tells about itself, signal by signal: typed readings, and the sources that make them.

A *source* says what to read and turns the agreed answers of one block into a reading; it raises ``Unanswered`` (or ``BadAnswer``)
when it cannot. Readings are exact: integer wei, shares, slots and seconds. Collectors know only what is here, never a protocol.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, Protocol

from monitor.model import Address, Log, Read, Snapshot, Unanswered, Wei
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
    """A report's effect. ``reported_at``: its reference time; ``elapsed``: seconds since the report before.

    ``internal``: ether and shares that are the protocol's own after the report, None when it does not tell.
    """

    reported_at: int
    elapsed: int
    pre_shares: int
    pre_ether: int
    post_shares: int
    post_ether: int
    fee_shares: int
    log: Log
    internal: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """What the last report says about validators: ``balance`` in wei, the sum of their balances at the end of ``ref_slot``."""

    ref_slot: int
    balance: int


@dataclass(frozen=True, slots=True)
class WrappedReading:
    """What a wrapped token says it is worth (``rate``, wei for 1e18 of it), and which report was processed last (``ref_slot``)."""

    ref_slot: int
    rate: int


class AccountingSource(Protocol):
    """``limit``: the largest growth of the share rate by one report. What cannot be had with a deployment has no reads."""

    @property
    def watches(self) -> frozenset[Address]: ...

    def reads(self) -> Sequence[Read]: ...
    def reading(self, snapshot: Snapshot) -> AccountingReading: ...
    def rebases(self, snapshot: Snapshot) -> Sequence[Rebase]: ...
    def limit_reads(self) -> Sequence[Read]: ...
    def limit(self, snapshot: Snapshot) -> Fraction: ...
    def claim_reads(self) -> Sequence[Read]: ...
    def claim(self, snapshot: Snapshot) -> Claim: ...
    def wrapped_reads(self) -> Sequence[Read]: ...
    def wrapped_rate(self, snapshot: Snapshot) -> WrappedReading: ...


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


@dataclass(frozen=True, slots=True)
class KeyModule:
    """A part of a protocol that keeps operators and their keys, at one block.

    ``nonce`` changes whenever keys or deposits do. ``deposited``: keys that got a deposit, of all ``operators``, whose ids are
    0..operators-1. ``form``: which of the source's interfaces it has. ``names``: the contract that knows the operators' names, if it is another.
    """

    id: int
    name: str
    address: Address
    form: str
    nonce: int
    deposited: int
    operators: int
    names: Address | None = None


@dataclass(frozen=True, slots=True)
class KeyOperator:
    """``deposited``: its keys 0..deposited-1 got a deposit, and never change. ``name``: None if it could not be read; "" if it has none."""

    id: int
    name: str | None
    deposited: int


@dataclass(frozen=True, slots=True)
class KeyRun:
    """Keys ``first`` to ``first + count - 1`` of one operator."""

    operator: int
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class KeyOverview:
    """Which modules there are at a block: ``ids`` of all, ``modules`` those that could be read.

    ``credentials``: withdrawal credentials (32 bytes) that are the protocol's. ``unread``: what this source cannot read or gave no good
    answer, each with the reason.
    """

    ids: frozenset[int]
    modules: tuple[KeyModule, ...]
    credentials: frozenset[bytes]
    unread: tuple[str, ...] = ()


class KeySource(Protocol):
    """Where a protocol lists the public keys of its validators. Keys of one operator are only ever added at the end.

    ``directory`` (module ids and their addresses) is read with the overview and needed to ask for it: when it is another than the one asked
    with, the overview is asked once more. All raise Unanswered or BadAnswer. Reads of keys are asked alone, not bundled on chain, since
    one of them may take millions of gas.
    """

    @property
    def name(self) -> str: ...
    def overview_reads(self, directory: Mapping[int, Address]) -> Sequence[Read]: ...
    def directory(self, snapshot: Snapshot) -> Mapping[int, Address]: ...
    def overview(self, snapshot: Snapshot, directory: Mapping[int, Address]) -> KeyOverview: ...
    def operator_reads(self, module: KeyModule, ids: Sequence[int]) -> Sequence[Read]: ...
    def operators(self, snapshot: Snapshot, module: KeyModule, ids: Sequence[int]) -> Sequence[KeyOperator]: ...
    def key_read(self, module: KeyModule, run: KeyRun) -> Read: ...
    def keys(self, snapshot: Snapshot, module: KeyModule, run: KeyRun) -> bytes: ...


@dataclass(frozen=True, slots=True)
class VenueReading:
    """One venue of a token at one block; amounts are of the protocol's token, not of a wrapper.

    ``origin``: venues of equal origin are one source. ``price``: wei of ether a token, None when the venue gave none. ``refused``: why
    it does not count, None when it does. ``depth``: wei that can be sold at 1 % slippage, at fair value; None for feeds. ``share``: the
    token's part of a pool's value at fair value. ``age``: seconds since a feed's answer.
    """

    origin: str
    price: int | None
    refused: str | None
    depth: int | None
    share: Fraction | None
    age: int | None


@dataclass(frozen=True, slots=True)
class PegReading:
    """What a token is worth, and what is paid for it. ``fair``: wei of ether a token, by the protocol itself.

    ``floor``: wei of depth below which a pool does not count, and the weight of a feed. ``unanswered``: venues of which nothing is known.
    """

    fair: int
    floor: int
    venues: Mapping[str, VenueReading]
    unanswered: Mapping[str, Unanswered]


class PegSource(Protocol):
    @property
    def token(self) -> str: ...
    @property
    def venues(self) -> tuple[str, ...]: ...
    def reads(self) -> Sequence[Read]: ...
    def reading(self, snapshot: Snapshot) -> PegReading: ...


Signal = Literal["roles", "oracle", "queue", "accounting", "peg"]


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
    keys: KeySource | None = None
    peg: PegSource | None = None
