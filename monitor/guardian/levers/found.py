"""What was found out about levers, as plain values to print."""

from __future__ import annotations

from dataclasses import dataclass, field

from monitor.guardian.levers.people import Parties, Party
from monitor.guardian.levers.reader import Unknown
from monitor.model import Address


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call that somebody with the power sends: to whom, what, and the function in words. It carries no ether."""

    to: Address
    function: str
    data: str


@dataclass(frozen=True, slots=True)
class Flag:
    """One of a contract's pause flags."""

    bit: int
    stops: str
    set: bool | Unknown


@dataclass(frozen=True, slots=True)
class Found:
    """One lever as the chain shows it.

    ``paused``: now. ``resumes_timestamp``: first second at which it is not paused, None without an end of its own, given only while
    paused. ``seconds``: how long a pause lasts; None: until somebody lifts it. ``problems``: why pulling it now would not work.
    ``notes``: what else one must know before pulling it.
    """

    protocol: str
    contract: str
    address: Address
    way: str
    paused: bool | Unknown
    resumes_timestamp: int | Unknown | None
    seconds: int | Unknown | None
    pausers: Parties
    others: Parties
    """Who else holds the right to pause it."""
    resumers: Parties
    stops: str
    goes_on: str
    cost: str
    call: Prepared | Unknown | None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    flags: tuple[Flag, ...] = ()
    shows: tuple[tuple[str, str], ...] = field(default=())
    """Further readings: function and value in words."""

    @property
    def name(self) -> str:
        return f"{self.protocol}/{self.contract}"

    @property
    def lapses(self) -> bool | Unknown:
        return self.seconds if isinstance(self.seconds, Unknown) else self.seconds is not None


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A CircuitBreaker's pauser and until when it must prove that it is alive.

    ``state``: ``fine``, ``warn`` (30 days), ``critical`` (7 days), ``expired`` (it cannot revive itself), ``unknown``.
    """

    breaker: Address
    pauser: Party
    expires_timestamp: int | Unknown
    state: str
    contracts: tuple[str, ...]
    """What it may still pause, each once."""


@dataclass(frozen=True, slots=True)
class Survey:
    """All levers of a network at one block."""

    chain_id: int
    block: int
    timestamp: int
    levers: tuple[Found, ...]
    calendar: tuple[Heartbeat, ...]
    uncovered: tuple[str, ...]
    """What nobody can pause through a CircuitBreaker now, and what is registered there that we do not know."""
