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
