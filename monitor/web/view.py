"""What the page shows, as plain values. The service fills them; this room only renders them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class AlertView:
    """An alert instance. ``for_seconds`` is how long its condition has been true, in block time."""

    name: str
    state: Literal["pending", "firing"]
    severity: str
    labels: Mapping[str, str]
    summary: str
    value: float
    since_block: int | None
    since_timestamp: int
    for_seconds: int
    unknown_since: int | None
    runbook: str
    episode: str = ""
    """The firing life that incidents name; empty while it is pending."""
    unit: str = ""
    """Unit of ``value``, where the rule compares one metric."""
    threshold: str = ""
    """What the value is compared with, in the rule's words: ``< -0.01``; empty where the rule is no plain comparison."""
    muted: tuple[str, str] | None = None
    """Why nobody is told: ``silence`` and its id, or ``inhibition`` and the alert that says it already."""


@dataclass(frozen=True, slots=True)
class SeriesView:
    """One live series; ``value`` is None while it is unknown."""

    name: str
    labels: Mapping[str, str]
    value: float | None
    unit: str


@dataclass(frozen=True, slots=True)
class EndpointView:
    name: str
    operator: str
    up: bool
    head: int | None
    lag: int | None
    errors: int
    disputes: int
    note: str


@dataclass(frozen=True, slots=True)
class NodeView:
    """A beacon node; ``head`` and ``lag`` are slots."""

    name: str
    operator: str
    up: bool
    head: int | None
    lag: int | None
    errors: int
    note: str


@dataclass(frozen=True, slots=True)
class BeaconState:
    """The consensus layer as it is known: the agreed head's slot, the newest evaluated epoch, and complete epochs that wait for it."""

    head: int | None
    epoch: int | None
    epochs_behind: int | None
    nodes: tuple[NodeView, ...]


@dataclass(frozen=True, slots=True)
class CollectorView:
    """A collector's scope: ``status`` is ok, failed, disputed, or waiting before its first frame."""

    name: str
    scope: str
    status: str
    reason: str
    age_seconds: int | None
    blind: bool


@dataclass(frozen=True, slots=True)
class ReadinessView:
    """Whether a pause of the target would work now (None: unknown): each condition, with the reason for those that fail."""

    target: str
    by: str
    ready: bool | None
    failing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Threshold:
    """A loaded rule compares the charted value with ``value``; the alert fires while ``charted op value``."""

    op: str
    value: float
    alert: str
    severity: str


@dataclass(frozen=True, slots=True)
class ChartView:
    """One declared chart of one protocol. ``value`` is None while it is unknown (``why``) or absent (``state`` tells which).

    ``lines`` are the pieces of its recent course as (block time, value), cut where nothing was known; they lie in (``begins``, ``ends``].
    ``age_seconds`` is the age of the frame that speaks, ``fresh_for`` the age from which on it is no longer believed.
    """

    signal: str
    title: str
    protocol: str
    family: str
    unit: str
    state: Literal["known", "unknown", "absent"]
    value: float | None
    why: str
    age_seconds: int | None
    fresh_for: int
    begins: int
    ends: int
    lines: tuple[tuple[tuple[float, float], ...], ...]
    thresholds: tuple[Threshold, ...] = ()
    alerts: tuple[tuple[str, str, str], ...] = ()
    """Name, state and severity of the alerts about it that are pending or firing."""


@dataclass(frozen=True, slots=True)
class CoverageView:
    """A rule and the risk that it watches. ``judged_block`` and ``fired_at`` are None when that has never happened here."""

    rule: str
    name: str
    protocol: str
    zone: str
    severity: str
    outcome: str
    """true, false, unknown, or waiting before it was judged first."""
    error: str
    judged_block: int | None
    judged_timestamp: int | None
    fired_at: float | None = None
    fired_times: int = 0
    reach: int = 0
    """Seconds that the rule looks back."""


@dataclass(frozen=True, slots=True)
class SilenceView:
    """A silence; ``ended_by`` names who ended it early."""

    id: str
    matchers: tuple[str, ...]
    who: str
    at: float
    until: float
    why: str
    ended_by: str | None = None


@dataclass(frozen=True, slots=True)
class StatusView:
    """Everything on the page at one judged moment. ``problems`` say why the service is not ready; empty means ready."""

    network: str
    block: int | None
    timestamp: int | None
    judged_at: float | None
    problems: tuple[str, ...]
    alerts: tuple[AlertView, ...] = ()
    series: tuple[SeriesView, ...] = ()
    endpoints: tuple[EndpointView, ...] = ()
    beacon: BeaconState | None = None
    collectors: tuple[CollectorView, ...] = ()
    readiness: tuple[ReadinessView, ...] = ()
    incidents: tuple[Mapping[str, Any], ...] = ()
    transitions: tuple[Mapping[str, Any], ...] = ()
    pauses: tuple[Mapping[str, Any], ...] = ()
    deliveries: Mapping[str, Any] = field(default_factory=dict)
    rule_errors: tuple[str, ...] = ()
    """Rules that could not be judged at this moment, with the reason."""
    rules: int = 0
    """How many rules are loaded."""
    charts: tuple[ChartView, ...] = ()
    coverage: tuple[CoverageView, ...] = ()
    uncovered: tuple[str, ...] = ()
    """What nothing watches, and why."""
    silences: tuple[SilenceView, ...] = ()
    """Those that hold, and those that ended lately, newest first."""
