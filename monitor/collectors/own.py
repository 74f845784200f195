"""What Stakewarden knows about itself, as frames: no reads, so that it speaks also when no head comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from monitor.catalogue.shipped import OWN
from monitor.collectors.emit import Samples
from monitor.model import BlockStamp, Event, EventId, Frame, Moment, Series, Tick, labels, ok_frame
from monitor.samples import UNKNOWN

NAME = "own"
FAMILIES = OWN
SCOPES = (labels(),)


@dataclass(frozen=True, slots=True)
class ScopeHealth:
    """One scope of a collector. ``age``: seconds since its newest ok frame, None before the first; ``fresh``: whether that still speaks."""

    collector: str
    protocol: str
    age: int | None
    fresh: bool


@dataclass(frozen=True, slots=True)
class EndpointFacts:
    """One endpoint. ``lag_blocks``: None when its head is not known; ``errors`` by kind, and ``disputes``, since the service started."""

    name: str
    up: bool
    lag_blocks: int | None
    errors: Mapping[str, int]
    disputes: int
    dissent: bool


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """One beacon node. ``lag_slots``: None when its head is not known; ``errors`` by kind since the service started."""

    name: str
    up: bool
    lag_slots: int | None
    errors: Mapping[str, int]
    dissent: bool


@dataclass(frozen=True, slots=True)
class BeaconFacts:
    """The consensus side, where beacon nodes are configured. ``head_age_seconds`` and ``epochs_behind``: None before the first head.

    ``keys``: by protocol, whether all keys of its operators were read.
    """

    nodes: Sequence[NodeFacts]
    agreeing_ratio: float
    head_age_seconds: float | None = None
    epochs_behind: int | None = None
    keys: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeliveryFacts:
    """What a receiver has not accepted yet; ``oldest_seconds`` is 0 when nothing waits.

    ``canary_age_seconds``: since a canary was accepted, None before the first; ``canary_failed``: None without canaries.
    """

    receiver: str
    owed: int
    oldest_seconds: float
    canary_age_seconds: float | None = None
    canary_failed: bool | None = None


@dataclass(frozen=True, slots=True)
class OwnFacts:
    """All that the service knows about itself at one moment. Totals count since the service started.

    ``failed_frames``: by (collector, protocol, "failed" or "disputed"). ``agreeing_ratio``: endpoints with the majority, late
    answers included, at the last block whose answers are all in; None before the first.
    ``gaps``: first and last block of each gap since the moment before. ``losses``: last judged block of each chain lost since then. ``members``: whether an Alertmanager took the
    last push, by (receiver, member). ``decisions``: recent decisions about pauses by (target, outcome). ``causes``: alerts for which a target may have been
    paused, by (target, cause, state). ``causes_since``: since when there has been any (block time), by (target, cause).
    """

    endpoints: Sequence[EndpointFacts]
    agreeing_ratio: float | None
    scopes: Sequence[ScopeHealth]
    failed_frames: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    head_age_seconds: float = 0.0
    judge_lag_blocks: int = 0
    gap_blocks: int = 0
    reorgs: int = 0
    rule_errors: int = 0
    deliveries: Sequence[DeliveryFacts] = ()
    members: Mapping[tuple[str, str], bool] = field(default_factory=dict)
    gaps: Sequence[tuple[int, int]] = ()
    losses: Sequence[int] = ()
    decisions: Mapping[tuple[str, str], int] = field(default_factory=dict)
    causes: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    causes_since: Mapping[tuple[str, str], int] = field(default_factory=dict)
    beacon: BeaconFacts | None = None
    senders: Mapping[str, float | None] = field(default_factory=dict)
    """By account, seconds for which a transaction of its waits to be mined; None where that cannot be told."""


def own_frames(facts: OwnFacts, at: Moment) -> Frame:
    """The one frame of this moment, block or tick. Scopes of one collector and protocol are one series: blind if any is."""
    samples = Samples(SCOPES[0])
    _put_scopes(samples, facts)
    for endpoint in facts.endpoints:
        _put_endpoint(samples, endpoint)
    if facts.agreeing_ratio is not None:
        samples.put("stakewarden_endpoints_agreeing_ratio", facts.agreeing_ratio)
    if facts.beacon is not None:
        _put_beacon(samples, facts.beacon)
    samples.put("stakewarden_head_age_seconds", facts.head_age_seconds)
    samples.put("stakewarden_judge_lag_blocks", facts.judge_lag_blocks)
    samples.put("stakewarden_gap_blocks_total", facts.gap_blocks)
    samples.put("stakewarden_reorgs_total", facts.reorgs)
    samples.put("stakewarden_rule_errors", facts.rule_errors)
    for delivery in facts.deliveries:
        _put_delivery(samples, delivery)
    for (receiver, member), up in facts.members.items():
        samples.put("stakewarden_alertmanager_up", up, receiver=receiver, member=member)
    for (target, cause, state), number in facts.causes.items():
        samples.put("guardian_pause_cause", number, target=target, cause=cause, state=state)
    for (target, cause), since in facts.causes_since.items():
        samples.put("guardian_pause_cause_since_timestamp_seconds", since, target=target, cause=cause)
    for (target, outcome), number in facts.decisions.items():
        samples.put("guardian_pause_decisions", number, target=target, outcome=outcome)
    for account, seconds in facts.senders.items():
        samples.put("guardian_sender_waiting_seconds", UNKNOWN if seconds is None else seconds, account=account)
    read_at = at.last if isinstance(at, Tick) else at
    events = [_gap(first, last, read_at) for first, last in dict.fromkeys(facts.gaps)]
    events += [_loss(block, read_at) for block in dict.fromkeys(facts.losses)]
    return ok_frame(NAME, SCOPES[0], read_at, samples.found, events, admitted=at)


def _gap(first: int, last: int, seen: BlockStamp) -> Event:
    """A gap has no log of its own: its blocks name it, so that the same gap found again after a restart is the same event."""
    series = Series("stakewarden_state_gap", labels(first=str(first), last=str(last)))
    return Event(EventId(f"stakewarden_state_gap/{first}/{last}"), series, seen)


def _loss(block: int, seen: BlockStamp) -> Event:
    series = Series("stakewarden_chain_lost", labels(block=str(block)))
    return Event(EventId(f"stakewarden_chain_lost/{block}"), series, seen)


def _put_scopes(samples: Samples, facts: OwnFacts) -> None:
    by_series: dict[tuple[str, str], list[ScopeHealth]] = {}
    for scope in facts.scopes:
        by_series.setdefault((scope.collector, scope.protocol), []).append(scope)
    for (collector, protocol), scopes in by_series.items():
        samples.put("stakewarden_blind", any(not s.fresh for s in scopes), collector=collector, protocol=protocol)
        ages = [s.age for s in scopes if s.age is not None]
        if len(ages) == len(scopes):
            samples.put("stakewarden_frame_age_seconds", max(ages), collector=collector, protocol=protocol)
    for (collector, protocol, status), number in facts.failed_frames.items():
        samples.put("stakewarden_frames_failed_total", number, collector=collector, protocol=protocol, status=status)


def _put_endpoint(samples: Samples, endpoint: EndpointFacts) -> None:
    samples.put("stakewarden_endpoint_up", endpoint.up, endpoint=endpoint.name)
    samples.put("stakewarden_endpoint_dissent", endpoint.dissent, endpoint=endpoint.name)
    samples.put("stakewarden_endpoint_disputes_total", endpoint.disputes, endpoint=endpoint.name)
    if endpoint.lag_blocks is not None:
        samples.put("stakewarden_endpoint_lag_blocks", endpoint.lag_blocks, endpoint=endpoint.name)
    for kind, number in endpoint.errors.items():
        samples.put("stakewarden_endpoint_errors_total", number, endpoint=endpoint.name, kind=kind)


def _put_delivery(samples: Samples, delivery: DeliveryFacts) -> None:
    samples.put("stakewarden_deliveries_owed", delivery.owed, receiver=delivery.receiver)
    samples.put("stakewarden_delivery_oldest_seconds", delivery.oldest_seconds, receiver=delivery.receiver)
    if delivery.canary_age_seconds is not None:
        samples.put("stakewarden_canary_age_seconds", delivery.canary_age_seconds, receiver=delivery.receiver)
    if delivery.canary_failed is not None:
        samples.put("stakewarden_canary_failed", delivery.canary_failed, receiver=delivery.receiver)


def _put_beacon(samples: Samples, beacon: BeaconFacts) -> None:
    for node in beacon.nodes:
        samples.put("stakewarden_beacon_node_up", node.up, node=node.name)
        samples.put("stakewarden_beacon_node_dissent", node.dissent, node=node.name)
        if node.lag_slots is not None:
            samples.put("stakewarden_beacon_node_lag_slots", node.lag_slots, node=node.name)
        for kind, number in node.errors.items():
            samples.put("stakewarden_beacon_node_errors_total", number, node=node.name, kind=kind)
    samples.put("stakewarden_beacon_nodes_agreeing_ratio", beacon.agreeing_ratio)
    if beacon.head_age_seconds is not None:
        samples.put("stakewarden_beacon_head_age_seconds", beacon.head_age_seconds)
    if beacon.epochs_behind is not None:
        samples.put("stakewarden_epochs_behind", beacon.epochs_behind)
    for protocol, complete in beacon.keys.items():
        samples.put("stakewarden_keys_incomplete", not complete, protocol=protocol)
