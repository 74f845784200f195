"""What the service knows about itself at a judged moment, gathered from the rooms for the ``own`` collector. No I/O."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from monitor.alerts.canary import Canary
from monitor.alerts.deliveries import Waiting
from monitor.chain import EndpointHealth, Execution
from monitor.collectors.own import BeaconFacts, DeliveryFacts, EndpointFacts, NodeFacts, OwnFacts, ScopeHealth
from monitor.model import Collector, Labels, Moment
from monitor.samples import FrameWindow
from monitor.service.beacon import BeaconWatch
from monitor.service.parts import Progress


@dataclass(slots=True)
class Gauge:
    """What waits at the receivers and what became of pauses, refreshed by the schedule: counting needs the database.

    ``members``: whether each member of each Alertmanager receiver took the last push.
    """

    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    decisions: Mapping[tuple[str, str], int] = field(default_factory=dict)
    canaries: Mapping[str, Canary] = field(default_factory=dict)
    members: Mapping[tuple[str, str], bool] = field(default_factory=dict)
    senders: Mapping[str, float | None] = field(default_factory=dict)
    """For how long a transaction of each sender waits (``Waits.look``)."""


def fact_finder(
    execution: Execution,
    collectors: Sequence[Collector],
    gauge: Gauge,
    clock: Callable[[], float] = time.time,
    watch: BeaconWatch | None = None,
) -> Callable[[Progress, FrameWindow, Moment], OwnFacts]:
    """A function that tells the facts at a moment; the moment's own frames of collectors must be in the window already.

    It takes the fresh gaps and losses out of the progress: one moment shows them.
    """

    def facts(progress: Progress, window: FrameWindow, at: Moment) -> OwnFacts:
        health = execution.health()
        gaps, progress.fresh_gaps = progress.fresh_gaps, []
        losses, progress.fresh_losses = progress.fresh_losses, []
        return OwnFacts(
            endpoints=[_endpoint(e) for e in health],
            agreeing_ratio=None if progress.last_block is None else execution.agreeing_ratio,
            scopes=_scopes(collectors, window, progress, at),
            failed_frames=dict(progress.failures),
            head_age_seconds=0.0 if progress.seen_at is None else max(0.0, clock() - progress.seen_at),
            judge_lag_blocks=execution.waiting,
            gap_blocks=progress.gap_blocks,
            reorgs=progress.reorgs,
            rule_errors=sum(v.error is not None for v in progress.verdicts),
            deliveries=[_delivery(name, waiting, gauge.canaries.get(name)) for name, waiting in gauge.waiting.items()],
            members=dict(gauge.members),
            gaps=gaps,
            losses=losses,
            decisions=dict(gauge.decisions),
            beacon=None if watch is None else _beacon(watch, at, clock()),
            senders=dict(gauge.senders),
        )

    return facts


def _delivery(receiver: str, waiting: Waiting, canary: Canary | None) -> DeliveryFacts:
    found = DeliveryFacts(receiver, waiting.owed, waiting.oldest_seconds)
    return found if canary is None else replace(found, canary_age_seconds=canary.age_seconds, canary_failed=canary.failed)


def _endpoint(health: EndpointHealth) -> EndpointFacts:
    return EndpointFacts(health.name, health.up, health.lag, dict(health.errors), health.disputes, health.dissent)


def _beacon(watch: BeaconWatch, at: Moment, now: float) -> BeaconFacts:
    since, complete = watch.beacon.head_at, watch.complete(at.timestamp)
    return BeaconFacts(
        nodes=[NodeFacts(n.name, n.up, n.lag, dict(n.errors), n.dissent) for n in watch.beacon.health()],
        agreeing_ratio=watch.beacon.agreeing_ratio() or 0.0,
        head_age_seconds=None if since is None else max(0.0, now - since),
        epochs_behind=watch.epochs_behind,
        keys={protocol: protocol in complete for protocol in watch.protocols},
    )


def _scopes(collectors: Sequence[Collector], window: FrameWindow, progress: Progress, at: Moment) -> list[ScopeHealth]:
    blind = {(b.collector, b.scope) for b in window.blind(at.timestamp)}
    return [
        ScopeHealth(c.name, dict(scope).get("protocol", ""), _age(progress, c.name, scope, at), (c.name, scope) not in blind)
        for c in collectors
        for scope in c.scopes
    ]


def _age(progress: Progress, collector: str, scope: Labels, at: Moment) -> int | None:
    newest = progress.newest_ok.get((collector, scope))
    return None if newest is None else max(0, at.timestamp - newest)
