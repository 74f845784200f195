"""The page's content, gathered from the pipeline's state in memory and a short look into the database."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import func, select
from sqlmodel import col

from monitor.alerts import pauses_of
from monitor.alerts.consequences import Consequences, none
from monitor.chain import EndpointHealth
from monitor.model import AlertInstance, Disputed, Failed, Family, Frame, Labels, Moment, Tick, Transition
from monitor.promql.expr import Expr, selectors, spans
from monitor.samples import NAME, FrameWindow, Selector
from monitor.service.beacon import BeaconWatch
from monitor.service.charts import evidence
from monitor.service.parts import Progress
from monitor.service.pipeline import Pipeline
from monitor.store import Unit, replay
from monitor.store.tables.alerts import Acknowledgement, AlertEpisode, DeliveryRow, Incident, IncidentEpisode, SilenceRow
from monitor.store.tables.guardian import PauseRow
from monitor.turns import Steps
from monitor.web.view import (
    AlertView,
    BeaconState,
    ChartView,
    CollectorView,
    CoverageView,
    EndpointView,
    NodeView,
    ReadinessView,
    SeriesView,
    SilenceView,
    StatusView,
)

T = TypeVar("T")
ENDED_SECONDS = 24 * 3600
"""How long the page still lists a silence that is over."""
NOTHING: Mapping[str, Any] = {
    "incidents": (), "muted": {}, "fired": {}, "silences": (), "pauses": (), "deliveries": {}, "transitions": (),
}  # fmt: skip
"""What :func:`kept` gives for an empty database."""
LISTED = 200
"""Incidents and pauses that the page's JSON lists at most, newest first."""


def problems(
    pipeline: Pipeline | None, progress: Progress, standing_by: bool, stale_seconds: float, waiting: int = 0, now: float | None = None
) -> tuple[str, ...]:
    """Why the service is not ready; empty when it is. ``waiting``: heads that are agreed and not judged yet."""
    if standing_by:
        return ("another process holds the lease: standing by",)
    if pipeline is None or progress.judged_at is None or progress.last_block is None:
        return ("no block was judged yet: waiting for a head that a majority of the endpoints knows",)
    found = []
    age = (time.time() if now is None else now) - (progress.seen_at or 0.0)
    if age > stale_seconds:
        found.append(
            f"judging is {waiting} blocks behind: the last judged one was seen {age:.0f} seconds ago"
            if waiting > 1
            else f"no agreed head for {age:.0f} seconds: see the endpoints"
        )
    blind = [f"{b.collector} {_text(b.scope)}".strip() for b in pipeline.window.blind(_time(progress.at))]
    if blind:
        found.append(f"blind on {', '.join(sorted(set(blind))[:10])}")
    return tuple(found)


def view(
    network: str,
    at: Moment | None,
    pipeline: Pipeline | None,
    progress: Progress,
    why: tuple[str, ...],
    health: Iterable[EndpointHealth],
    kept: Mapping[str, Any],
    watch: BeaconWatch | None = None,
    charts: tuple[ChartView, ...] = (),
    uncovered: tuple[str, ...] = (),
) -> Steps[StatusView]:
    """The whole page at a moment; blocks may be judged between two steps.

    ``kept`` is what :func:`kept` read from the database; ``uncovered`` is what the settings leave unwatched.
    """
    ready = None if pipeline is None or at is None else (pipeline, at)
    block = progress.last_block
    alerts = () if ready is None else (yield from _each(_alerts(ready[0], kept["muted"])))
    series = () if ready is None else (yield from _each(_series(ready[0].window, ready[1])))
    collectors = () if ready is None else (yield from _each(_collectors(ready[0].window, progress, ready[1])))
    coverage = () if pipeline is None else (yield from _each(_coverage(pipeline, progress, kept["fired"])))
    return StatusView(
        network=network,
        block=None if block is None else block.number,
        timestamp=None if at is None else at.timestamp,
        judged_at=progress.judged_at,
        problems=why,
        alerts=alerts,
        series=series,
        endpoints=tuple(_endpoint(e) for e in health),
        beacon=None if watch is None else _beacon(watch),
        collectors=collectors,
        readiness=() if ready is None else tuple(_readiness(ready[0], ready[1])),
        incidents=kept["incidents"],
        pauses=kept["pauses"],
        deliveries=kept["deliveries"],
        transitions=kept["transitions"],
        rule_errors=tuple(f"{v.rule}: {v.error}" for v in progress.verdicts if v.error is not None),
        rules=0 if pipeline is None else len(pipeline.setup.ruleset),
        charts=charts,
        coverage=coverage,
        uncovered=uncovered,
        silences=kept["silences"],
    )


def _each(made: Iterable[T]) -> Steps[tuple[T, ...]]:
    """All that is made, one a step."""
    found: list[T] = []
    for one in made:
        found.append(one)
        yield
    return tuple(found)


# ---------------------------------------------------------------- from the database


def kept(unit: Unit, consequences: Consequences = none) -> dict[str, Any]:
    """Incidents with their episodes, messages and (while they are open) ``consequences``, and pauses, newest first, as plain JSON."""
    rows = unit.conn.execute(select(Incident.__table__).order_by(col(Incident.opened_at).desc()).limit(LISTED)).mappings().all()  # type: ignore[attr-defined]
    ids = [r["id"] for r in rows]
    pauses = unit.conn.execute(select(PauseRow.__table__).order_by(col(PauseRow.decided_at).desc()).limit(LISTED)).mappings()  # type: ignore[attr-defined]
    by_state = (col(DeliveryRow.receiver), col(DeliveryRow.state))
    counts: dict[str, dict[str, int]] = {}
    for receiver, state, count in unit.conn.execute(select(*by_state, func.count()).group_by(*by_state)):
        counts.setdefault(receiver, {})[state] = count
    leads = pauses_of(unit, consequences)
    episodes, messages, taken = _episodes(unit, ids), _messages(unit, ids), _acknowledgements(unit, ids)
    return {
        "incidents": tuple(
            _incident(dict(r), episodes.get(r["id"], []), messages.get(r["id"], []), taken.get(r["id"], []))
            | {"pauses": leads.get(r["id"], [])}
            for r in rows
        ),
        "muted": _muted(unit),
        "fired": _fired(unit),
        "silences": _silences(unit, time.time()),
        "pauses": tuple({k: _parsed(k, v) for k, v in p.items()} for p in pauses),
        "deliveries": counts,
        "transitions": tuple(_transition(t) for t in replay.transitions(unit, limit=LISTED)),
    }


def _incident(
    row: Mapping[str, Any], episodes: list[dict[str, Any]], messages: list[dict[str, Any]], taken: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "id": row["id"],
        "group": json.loads(row["group_labels"]),
        "opened_at": row["opened_at"],
        "closed_at": row["closed_at"],
        "outcome": row["outcome"],
        "acknowledged_by": row["acknowledged_by"],
        "acknowledged_at": row["acknowledged_at"],
        "acknowledgements": taken,
        "announced": row["told"] is not None,
        "alerts": episodes,
        "messages": messages,
    }


def _episodes(unit: Unit, incidents: list[str]) -> dict[str, list[dict[str, Any]]]:
    query = (
        select(col(IncidentEpisode.incident), AlertEpisode.__table__)  # type: ignore[attr-defined]
        .join(AlertEpisode, col(AlertEpisode.episode) == col(IncidentEpisode.episode))
        .where(col(IncidentEpisode.incident).in_(incidents))
        .order_by(col(AlertEpisode.since_timestamp), col(AlertEpisode.episode))
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for row in unit.conn.execute(query).mappings():
        of = {k: _parsed(k, row[k]) for k in row if k != "incident"}
        found.setdefault(row["incident"], []).append(of)
    return found


def _messages(unit: Unit, incidents: list[str]) -> dict[str, list[dict[str, Any]]]:
    columns = [DeliveryRow.id, DeliveryRow.incident, DeliveryRow.receiver, DeliveryRow.kind, DeliveryRow.revision, DeliveryRow.state]
    columns += [DeliveryRow.owed_at, DeliveryRow.attempted_at, DeliveryRow.sent_at, DeliveryRow.remote, DeliveryRow.error]
    query = select(*(col(c) for c in columns)).where(col(DeliveryRow.incident).in_(incidents)).order_by(col(DeliveryRow.revision))
    found: dict[str, list[dict[str, Any]]] = {}
    for row in unit.conn.execute(query).mappings():
        found.setdefault(row["incident"], []).append(dict(row))
    return found


def _acknowledgements(unit: Unit, incidents: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Who took each incident, when and why, oldest first."""
    query = (
        select(col(Acknowledgement.incident), col(Acknowledgement.who), col(Acknowledgement.at), col(Acknowledgement.why))
        .where(col(Acknowledgement.incident).in_(incidents))
        .order_by(col(Acknowledgement.at))
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for incident, who, at, why in unit.conn.execute(query):
        found.setdefault(incident, []).append({"who": who, "at": at, "why": why})
    return found


def _muted(unit: Unit) -> dict[str, tuple[str, str]]:
    """Why nobody is told of a firing episode: by what it is muted, and its name."""
    query = select(col(AlertEpisode.episode), col(AlertEpisode.muted)).where(
        col(AlertEpisode.state) == "firing", col(AlertEpisode.muted).is_not(None)
    )
    return {episode: tuple(json.loads(muted or "[]")) for episode, muted in unit.conn.execute(query)}


def _fired(unit: Unit) -> dict[str, tuple[float, int]]:
    """When each rule fired last here (wall time), and how often."""
    query = select(col(AlertEpisode.rule), func.max(col(AlertEpisode.judged_at)), func.count()).group_by(col(AlertEpisode.rule))
    return {rule: (at, count) for rule, at, count in unit.conn.execute(query)}


def _silences(unit: Unit, now: float) -> tuple[SilenceView, ...]:
    table = SilenceRow.__table__  # type: ignore[attr-defined]
    query = select(table).where(table.c.until > now - ENDED_SECONDS).order_by(table.c.at.desc()).limit(LISTED)
    return tuple(
        SilenceView(r["id"], tuple(json.loads(r["matchers"])), r["who"], r["at"], r["until"], r["why"], r["ended_by"])
        for r in unit.conn.execute(query).mappings()
    )


def _parsed(key: str, value: Any) -> Any:
    return json.loads(value) if key in ("labels", "annotations", "agreed", "muted") and isinstance(value, str) else value


def _transition(t: Transition) -> dict[str, Any]:
    block = t.at.last if isinstance(t.at, Tick) else t.at
    return {
        "episode": t.episode, "alert": dict(t.labels).get("alertname", ""), "labels": dict(t.labels), "old": t.old, "new": t.new,
        "cause": t.cause, "block": block.number, "timestamp": t.at.timestamp, "value": t.value if math.isfinite(t.value) else None,
    }  # fmt: skip


# ---------------------------------------------------------------- from memory


def _alerts(pipeline: Pipeline, muted: Mapping[str, tuple[str, str]]) -> Iterable[AlertView]:
    rules = {rule.id: rule for rule in pipeline.setup.ruleset.alerts}
    compared: dict[str, tuple[str, str]] = {}
    for instance in pipeline.live:
        rule = rules.get(instance.rule)
        if instance.rule not in compared:
            compared[instance.rule] = ("", "") if rule is None else evidence(rule, pipeline.window)
        yield _alert(instance, *compared[instance.rule], muted.get(instance.episode or ""))


def _alert(instance: AlertInstance, threshold: str, unit: str, muted: tuple[str, str] | None) -> AlertView:
    own, said = dict(instance.labels), dict(instance.annotations)
    since, unknown = instance.since, instance.unknown_since
    return AlertView(
        name=own.get("alertname", instance.rule),
        state=instance.state,
        severity=own.get("severity", ""),
        labels=own,
        summary=said.get("summary", ""),
        value=instance.value,
        since_block=None if isinstance(since, Tick) else since.number,
        since_timestamp=since.timestamp,
        for_seconds=instance.true_for,
        unknown_since=None if unknown is None else (unknown.last if isinstance(unknown, Tick) else unknown).number,
        runbook=said.get("runbook_url", ""),
        episode=instance.episode or "",
        unit=unit,
        threshold=threshold,
        muted=muted,
    )


def _coverage(pipeline: Pipeline, progress: Progress, fired: Mapping[str, tuple[float, int]]) -> Iterable[CoverageView]:
    """Each alert rule: which risk it watches, what it came to when it was judged last, and when it was seen to fire."""
    for rule in pipeline.setup.ruleset.alerts:
        verdict = progress.judged.get(rule.id)
        last, times = fired.get(rule.id, (None, 0))
        block = None if verdict is None else verdict.at.last if isinstance(verdict.at, Tick) else verdict.at
        yield CoverageView(
            rule=rule.id,
            name=rule.name,
            protocol=_watched(rule.expr)[0],
            zone=rule.label("zone") or "",
            severity=rule.label("severity") or "",
            outcome="waiting" if verdict is None else verdict.outcome,
            error="" if verdict is None else verdict.error or "",
            judged_block=None if block is None else block.number,
            judged_timestamp=None if verdict is None else verdict.at.timestamp,
            fired_at=last,
            fired_times=times,
            reach=_watched(rule.expr)[1],
        )


@lru_cache(maxsize=4096)
def _watched(expr: Expr) -> tuple[str, int]:
    """The protocol that a condition selects (ourselves when it names none), and the seconds that it looks back."""
    named = (m.value for s in selectors(expr) for m in s.selector.matchers if m.name == "protocol" and m.op == "=")
    return next(named, "stakewarden"), max((seconds for _, seconds in spans(expr)), default=0)


def _series(window: FrameWindow, at: Moment) -> Iterable[SeriesView]:
    for family in window.catalogue:
        if family.name in window.catalogue:  # a reload between two steps may have taken it away
            yield from _family(window, family, at)


def _family(window: FrameWindow, family: Family, at: Moment) -> Iterable[SeriesView]:
    vector = window.instant(Selector(family.name, ()), at.timestamp)
    shown = vector.labels.derive("shown", lambda: [{k: v for k, v in row if k != NAME} for row in vector.labels.rows])
    for row, value, is_known in zip(shown, vector.values.tolist(), vector.known.tolist(), strict=True):
        yield SeriesView(family.name, row, value if is_known else None, family.unit)


def _collectors(window: FrameWindow, progress: Progress, at: Moment) -> Iterable[CollectorView]:
    blind = {(b.collector, b.scope) for b in window.blind(at.timestamp)}
    for (collector, scope), frame in sorted(progress.latest.items(), key=lambda item: item[0]):
        newest = progress.newest_ok.get((collector, scope))
        age = None if newest is None else max(0, at.timestamp - newest)
        yield CollectorView(collector, _text(scope), _status(frame), _reason(frame), age, (collector, scope) in blind)


def _readiness(pipeline: Pipeline, at: Moment) -> Iterable[ReadinessView]:
    ready = pipeline.window.instant(Selector("guardian_ready", ()), at.timestamp)
    why: Mapping[str, Mapping[str, Mapping[str, str]]] = pipeline.memory.known.get("guardian", {}).get("reasons", {})
    for row, value, is_known in zip(ready.labels.rows, ready.values.tolist(), ready.known.tolist(), strict=True):
        of = dict(row)
        said = why.get(of["target"], {}).get(of["by"], {})
        failing = tuple(f"{check}: {reason}" for check, reason in said.items())
        yield ReadinessView(of["target"], of["by"], bool(value) if is_known else None, failing)


def _endpoint(health: EndpointHealth) -> EndpointView:
    note = health.refused or ("differs from the majority" if health.dissent else "")
    return EndpointView(
        health.name, health.operator, health.up, health.head, health.lag, sum(health.errors.values()), health.disputes, note
    )


def _beacon(watch: BeaconWatch) -> BeaconState:
    known = watch.view()
    nodes = tuple(NodeView(n.name, n.operator, n.up, n.head, n.lag, sum(n.errors.values()), n.note) for n in watch.beacon.health())
    head = None if known.head is None else int(known.head.slot)
    return BeaconState(head, None if known.epoch is None else int(known.epoch.epoch), watch.epochs_behind, nodes)


def _status(frame: Frame) -> str:
    return type(frame.status).__name__.lower()


def _reason(frame: Frame) -> str:
    match frame.status:
        case Failed(reason):
            return reason
        case Disputed(votes):
            return "endpoints disagree: " + ", ".join(f"{name} says {digest}" for name, digest in votes)
    return ""


def _text(scope: Labels) -> str:
    return ", ".join(f"{k}={v}" for k, v in scope)


def _time(at: Moment | None) -> int:
    return 0 if at is None else at.timestamp
