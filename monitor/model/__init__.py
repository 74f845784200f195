"""The vocabulary between the rooms: blocks, reads, frames, events, alerts and deliveries.

Everything here is an immutable value. Money is integer wei until it becomes a sample; times are whole
seconds of block time (``BlockStamp.timestamp``) unless a name ends in ``_at``, which is wall time as a
Unix float. What *known*, *absent* and *unknown* mean is told in ``docs/architecture.md``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NewType, Protocol

import numpy as np
from eth_utils.address import to_checksum_address
from numpy.typing import NDArray

if TYPE_CHECKING:
    from monitor.model.beacon import BeaconView

Address = NewType("Address", str)
"""A contract or account, in EIP-55 mixed case. Make one with :func:`address`."""
Hash = NewType("Hash", str)
"""32 bytes as lower-case ``0x`` hex."""
Slot = NewType("Slot", int)
Wei = NewType("Wei", int)
EventId = NewType("EventId", str)
EpisodeId = NewType("EpisodeId", str)
RuleId = NewType("RuleId", str)
"""``group/name``, unique in a rule set."""
LayoutId = NewType("LayoutId", str)
TargetName = NewType("TargetName", str)

Labels = tuple[tuple[str, str], ...]
"""Label pairs, sorted by name, without empty values: hashable and equal when they mean the same."""
Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]
Known = Mapping[str, Any]
"""What a collector remembers from block to block: plain JSON values, kept with the judged block."""

Unit = Literal["", "ratio", "seconds", "wei", "ether", "shares", "count", "blocks", "slots", "epochs", "timestamp", "bool", "bytes"]
Zone = Literal["deposit", "validator", "accounting", "integration", "governance", "monitor"]
"""The part of a staking system that a metric speaks for; ``monitor`` is ourselves."""


def address(text: str) -> Address:
    """The EIP-55 form of a 20-byte hex address. Raises ValueError for anything else."""
    return Address(to_checksum_address(text))


def labels(pairs: Mapping[str, str] | None = None, /, **more: str) -> Labels:
    """Sorted label pairs; an empty value means that the label is absent, as in Prometheus."""
    return tuple(sorted((k, v) for k, v in {**(pairs or {}), **more}.items() if v != ""))


# ---------------------------------------------------------------- time


@dataclass(frozen=True, slots=True)
class BlockStamp:
    """One block of the execution chain: the unit of our clock."""

    number: int
    hash: Hash
    parent: Hash
    timestamp: int
    slot: Slot
    beacon_root: Hash | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """A judged moment without a new head; only rules about ourselves are judged at it."""

    last: BlockStamp
    timestamp: int


Moment = BlockStamp | Tick


@dataclass(frozen=True, slots=True)
class Cadence:
    """How often a collector speaks: at every block (``seconds == 0``) or every so many seconds of block time."""

    seconds: int = 0

    @property
    def every_block(self) -> bool:
        return self.seconds == 0


EVERY_BLOCK = Cadence()


# ---------------------------------------------------------------- what can be emitted


@dataclass(frozen=True, slots=True)
class LabelSpec:
    """A label of a family. ``values`` closes the set of values, so that a typo in a rule is found."""

    name: str
    help: str
    values: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """The declaration of a metric: everything that can be emitted is declared (rule 3 of the design).

    ``fresh_for``: seconds for which an ok frame speaks. ``coverage``: the fraction of a range window that fresh
    frames must cover for the window to be known. ``visible_for``: seconds for which an event is a series (events only).
    """

    name: str
    kind: Literal["gauge", "counter", "event"]
    unit: Unit
    zone: Zone
    labels: tuple[LabelSpec, ...]
    help: str
    cadence: Cadence = EVERY_BLOCK
    fresh_for: int = 60
    coverage: float = 0.8
    visible_for: int | None = None
    max_series: int = 1000


@dataclass(frozen=True, slots=True)
class Series:
    """A family with label values (without ``__name__``)."""

    family: str
    labels: Labels


@dataclass(frozen=True, slots=True)
class Event:
    """A series that happened once. Identity is in its labels, exact amounts are in its details (decimal text)."""

    id: EventId
    series: Series
    stamp: BlockStamp
    details: Mapping[str, str] = field(default_factory=dict, hash=False)


# ---------------------------------------------------------------- reading


@dataclass(frozen=True, slots=True)
class Call:
    data: bytes


@dataclass(frozen=True, slots=True)
class Balance:
    pass


@dataclass(frozen=True, slots=True)
class Storage:
    slot: int


@dataclass(frozen=True, slots=True)
class Code:
    pass


@dataclass(frozen=True, slots=True)
class Step:
    """A call from ``sender`` in a chain of calls. ``undone``: what it changed is taken back before the next one."""

    sender: Address
    target: Address
    data: bytes
    undone: bool = False


@dataclass(frozen=True, slots=True)
class Staged:
    """Calls one after the other on the state of one block: each sees what those before it changed. Senders are not the callee of another step."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Read:
    """One thing to read from the state at a block. ``caller`` is msg.sender of a call (sent alone, not batched on chain)."""

    target: Address
    what: Call | Balance | Storage | Code | Staged
    caller: Address | None = None
    quorum: bool = True


@dataclass(frozen=True, slots=True)
class Value:
    """Bytes that a majority of all configured endpoints gave; ``endpoints`` names those that agree.

    A balance is 32 bytes big-endian, a storage slot 32 bytes, code is the code itself; what steps came to is read by ``chain.stage.outcomes``.
    """

    data: bytes
    endpoints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reverted:
    """The call reverted, by majority; ``data`` is the revert data (a custom error is data, not an outage)."""

    data: bytes
    endpoints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """No answer could be had."""

    reason: str


@dataclass(frozen=True, slots=True)
class Disputed:
    """Endpoints answered differently and no answer has a majority: endpoint and a digest of what it said."""

    votes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Ok:
    """The status of a frame that lists all live series of its scope."""


Answer = Value | Reverted | Failed | Disputed
FrameStatus = Ok | Failed | Disputed


class Unanswered(Exception):
    """A read, or the logs, that a collector needs has no agreed value. The pipeline turns it into a failed or disputed frame."""

    def __init__(self, what: str, answer: Answer) -> None:
        super().__init__(f"{what}: {answer}")
        self.what = what
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Log:
    """One event log. ``seq`` is its rank among our watched logs of the same transaction: stable over reorgs, unlike ``index``."""

    address: Address
    topics: tuple[bytes, ...]
    data: bytes
    block: BlockStamp
    tx: Hash
    index: int
    seq: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All answers at one stamp, with the logs since the log cursor (normally those of this block alone)."""

    stamp: BlockStamp
    answers: Mapping[Read, Answer]
    logs: tuple[Log, ...] | Failed | Disputed = ()
    agreed: tuple[str, ...] = ()
    """The endpoints that were with the majority on every answer of this snapshot."""
    beacon: BeaconView | None = None
    """What is known of the consensus layer now; None when no beacon node is configured."""

    def value(self, read: Read) -> bytes:
        """The agreed bytes. Raises Unanswered for a failed, disputed, reverted or unplanned read."""
        answer = self.answers.get(read, Failed("was not read at this block"))
        if isinstance(answer, Value):
            return answer.data
        raise Unanswered(f"{type(read.what).__name__.lower()} on {read.target}", answer)

    def logs_of(self, *addresses: Address) -> tuple[Log, ...]:
        """Logs of these contracts in chain order. Raises Unanswered when the logs are not agreed."""
        if isinstance(self.logs, (Failed, Disputed)):
            raise Unanswered("logs", self.logs)
        return tuple(log for log in self.logs if log.address in addresses)


class Collector(Protocol):
    """Two pure steps: what to read, and what it means.

    ``plan`` says what to read at the next due block; follow-up reads wait for the block after. ``judge`` gives one
    frame for each of ``scopes``, by ``ok_frame`` and friends; it may raise Unanswered, which blinds all its scopes.
    A collector with a cadence in seconds is due when that time is over, when a watched address logged, or when
    ``known["again"]`` is true. ``watches`` are the addresses whose logs it wants to see.
    """

    name: str
    families: tuple[Family, ...]
    scopes: tuple[Labels, ...]
    cadence: Cadence
    watches: frozenset[Address]

    def plan(self, known: Known) -> Sequence[Read]: ...
    def judge(self, snapshot: Snapshot, known: Known) -> tuple[Sequence[Frame], Known]: ...


# ---------------------------------------------------------------- frames


class Layout:
    """The series of a frame, in order: equal content is the same object, so identity can be a cache key."""

    _pool: ClassVar[dict[tuple[Series, ...], Layout]] = {}

    series: tuple[Series, ...]

    def __new__(cls, series: Iterable[Series]) -> Layout:
        key = tuple(series)
        found = cls._pool.get(key)
        if found is None:
            if len(set(key)) != len(key):
                twice = next(s for i, s in enumerate(key) if s in key[:i])
                raise ValueError(f"series {twice} is listed twice in one frame")
            found = super().__new__(cls)
            found.series = key
            cls._pool[key] = found
        return found

    def __len__(self) -> int:
        return len(self.series)

    @cached_property
    def id(self) -> LayoutId:
        """A digest of the content: the same series in the same order have the same id in every process."""
        text = "\n".join(f"{s.family}{s.labels!r}" for s in self.series)
        return LayoutId(hashlib.sha256(text.encode()).hexdigest()[:32])


EMPTY_LAYOUT = Layout(())


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """What one collector found for one scope at one stamp: the unit of storage, of the ledger and of a reorg.

    An ok frame lists *all* live series of its scope: ``layout.series[i]`` has ``values[i]``.
    ``read_at`` is the block whose state was read; ``admitted`` the moment at which the frame was judged first.
    """

    collector: str
    scope: Labels
    read_at: BlockStamp
    admitted: Moment
    status: FrameStatus
    layout: Layout
    values: NDArray[np.float64]
    events: tuple[Event, ...] = ()


def ok_frame(
    collector: str,
    scope: Labels,
    at: BlockStamp,
    samples: Mapping[Series, float] | Iterable[tuple[Series, float]] = (),
    events: Iterable[Event] = (),
    admitted: Moment | None = None,
) -> Frame:
    """An ok frame from series and values; series are put in sorted order so that equal sets share a layout."""
    pairs = sorted(samples.items() if isinstance(samples, Mapping) else samples, key=lambda p: (p[0].family, p[0].labels))
    values = np.array([v for _, v in pairs], dtype=np.float64)
    return Frame(collector, scope, at, admitted or at, Ok(), Layout(s for s, _ in pairs), values, tuple(events))


def blind_frame(collector: str, scope: Labels, at: BlockStamp, status: Failed | Disputed, admitted: Moment | None = None) -> Frame:
    """A failed or disputed frame: it makes nothing known and nothing absent."""
    return Frame(collector, scope, at, admitted or at, status, EMPTY_LAYOUT, np.empty(0), ())


# ---------------------------------------------------------------- alerts

State = Literal["inactive", "pending", "firing"]
Cause = Literal["judged", "reorg", "expired", "reload", "made_up"]


@dataclass(frozen=True, slots=True)
class AlertInstance:
    """One label set of a rule that is pending or firing. ``labels`` are final, with ``alertname``.

    ``true_for`` and ``clear_for`` are seconds of block time, counted only between consecutive judged stamps that
    agree; unknown freezes both. ``unknown_since`` is set while the result cannot be known.
    """

    fingerprint: int
    rule: RuleId
    labels: Labels
    annotations: Labels
    state: Literal["pending", "firing"]
    since: Moment
    true_for: int
    clear_for: int
    unknown_since: Moment | None
    episode: EpisodeId | None
    value: float


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of an instance's state. ``evidence`` is a digest of the samples that made it."""

    episode: EpisodeId
    fingerprint: int
    rule: RuleId
    labels: Labels
    annotations: Labels
    old: State
    new: State
    at: Moment
    cause: Cause
    value: float
    evidence: Hash


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule came to at one moment: how many elements were true or unknown, or why it could not be judged."""

    rule: RuleId
    at: Moment
    outcome: Literal["true", "false", "unknown"]
    true: int
    unknown: int
    error: str | None = None


DeliveryState = Literal["owed", "sending", "sent", "superseded", "unsure", "dead"]
DeliveryKind = Literal["open", "update", "close", "note", "canary"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message owed to one receiver. ``body`` is the receiver-independent account of the incident."""

    id: str
    incident: str
    receiver: str
    kind: DeliveryKind
    revision: int
    body: Mapping[str, Any]
    state: DeliveryState = "owed"
    attempted_at: float | None = None
    attempts: int = 0
    remote: str | None = None
    """The receiver's own name for the incident's message (Slack: ``channel:ts``), known after the first receipt."""


@dataclass(frozen=True, slots=True)
class Receipt:
    remote: str
    accepted_at: float


class Unsure(Exception):
    """The receiver could not tell whether a message is there."""


class Refused(Exception):
    """The receiver will never take this message or destination; ``fatal`` when no other message would pass either."""

    def __init__(self, reason: str, remedy: str, fatal: bool) -> None:
        super().__init__(f"{reason}: {remedy}")
        self.reason, self.remedy, self.fatal = reason, remedy, fatal


class Unavailable(Exception):
    """Certainly not delivered, try again; ``retry_after`` seconds if the receiver said so."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.retry_after = reason, retry_after


class Receiver(Protocol):
    """``deliver`` raises Unavailable (not sent), Unsure (outcome unknown) or Refused. ``find``: None means certainly not there."""

    name: str

    async def deliver(self, delivery: Delivery) -> Receipt: ...
    async def find(self, delivery: Delivery) -> Receipt | None: ...


# ---------------------------------------------------------------- commands: what people do


@dataclass(frozen=True, slots=True)
class Acknowledge:
    incident: str
    who: str
    at: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class Silence:
    id: str
    matchers: tuple[str, ...]
    who: str
    at: float
    until: float
    why: str


@dataclass(frozen=True, slots=True)
class ApprovePause:
    pause: str
    who: str
    at: float
    why: str


Command = Acknowledge | Silence | ApprovePause
