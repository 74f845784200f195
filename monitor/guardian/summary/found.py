"""Everything that the store has about one pause: by a decision, made or only in shadow, or by people. Reads only."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import or_, select
from sqlmodel import SQLModel, col

from monitor.guardian.execution import ledger
from monitor.guardian.execution.ledger import Pause
from monitor.model import Event, EventId, Series
from monitor.store import Unit
from monitor.store.stamps import json_labels, json_stamp
from monitor.store.tables.alerts import Acknowledgement, AlertEpisode, DeliveryRow, Incident, IncidentEpisode
from monitor.store.tables.decisions import DecisionRow
from monitor.store.tables.guardian import PauseRow, PauseTransactionRow, SignatureRow
from monitor.store.tables.journal import EventRow, JournalRow

PAUSED = "GuardianTargetPaused"
EVENTS = ("guardian_pause", "guardian_resumed", "guardian_pause_moved")
BEFORE_SECONDS = 6 * 3600
"""How long before a pause an alert about it may have come: as long as a proposal is told."""
MOST_CANDIDATES = 8


class NotFound(Exception):
    """No pause goes by that name, or several do: which, and what to give instead."""


@dataclass(frozen=True)
class Episode:
    """One alert's firing life."""

    row: AlertEpisode

    @cached_property
    def labels(self) -> Mapping[str, str]:
        return _mapping(self.row.labels)

    @cached_property
    def annotations(self) -> Mapping[str, str]:
        return _mapping(self.row.annotations)

    @property
    def name(self) -> str:
        return self.labels.get("alertname", self.row.rule)


@dataclass(frozen=True)
class Told:
    """An incident with what was sent about it and who took it."""

    row: Incident
    alerts: tuple[str, ...]
    deliveries: tuple[DeliveryRow, ...]
    taken: tuple[Acknowledgement, ...]


@dataclass(frozen=True)
class Found:
    """One pause. ``decision``: None where people paused without one. ``cause``: the alert behind the decision; ``paused``: that the target was paused.

    ``beside``: other alerts of that time; ``events``: of the target's pause; ``troubles``: gaps and reorganisations of that time; ``seen``: wall time at
    which each named block was seen. ``since``, ``until``: block time that it spans; ``until`` None while it goes on.
    """

    target: str
    decision: Pause | None
    document: Mapping[str, Any] | None
    signatures: tuple[SignatureRow, ...]
    transactions: tuple[PauseTransactionRow, ...]
    cause: Episode | None
    paused: Episode | None
    incidents: tuple[Told, ...]
    beside: tuple[Episode, ...]
    events: tuple[Event, ...]
    troubles: tuple[JournalRow, ...]
    seen: Mapping[int, float]
    since: int
    until: int | None

    @property
    def execution(self) -> Mapping[str, Any]:
        """What was done, as it was reported; empty where nothing was."""
        text = None if self.decision is None else self.decision.row.execution
        return {} if text is None else dict(json.loads(text))

    def of(self, family: str) -> list[Event]:
        """The events of a family, in order."""
        return [e for e in self.events if e.series.family == family]


def find(unit: Unit, name: str) -> Found:
    """The pause by a decision's id or an incident's, or how either begins. Raises NotFound."""
    decisions = _starting(unit, PauseRow, name)
    incidents = _starting(unit, Incident, name)
    if len(decisions) + len(incidents) > 1:
        known = [*(f"decision {d.id}" for d in decisions), *(f"incident {i.id}" for i in incidents)][:MOST_CANDIDATES]
        raise NotFound(f"several begin with {name}: {', '.join(known)}")
    if decisions:
        return _of_decision(unit, decisions[0])
    if incidents:
        return _of_incident(unit, incidents[0])
    raise NotFound(f"no decision and no incident begins with {name}: `stakewarden alerts list` and the status page name them")


# ---------------------------------------------------------------- which pause is meant


def _of_decision(unit: Unit, row: PauseRow) -> Found:
    cause = _episode(unit, row.episode)
    return _whole(unit, row.target, row, cause, next((e for e in _episodes_of(unit, PAUSED, row.target) if _is_about(row, e)), None))


def _of_incident(unit: Unit, incident: Incident) -> Found:
    members = [
        e for e in (_episode(unit, m.episode) for m in _rows(unit, IncidentEpisode, col(IncidentEpisode.incident) == incident.id)) if e
    ]
    led = _rows(unit, PauseRow, col(PauseRow.episode).in_([e.row.episode for e in members]))
    if len(led) > 1:
        raise NotFound(f"incident {incident.id} led to several decisions: name one of {', '.join(p.id for p in led)}")
    if led:
        return _of_decision(unit, led[0])
    about = next((e for e in members if "target" in e.labels), None)
    if about is None:
        raise NotFound(
            f"incident {incident.id} is about {', '.join(sorted({e.name for e in members}))}, and led to no pause: nothing to sum up"
        )
    return _of_target(unit, about)


def _of_target(unit: Unit, about: Episode) -> Found:
    """An alert of the guardian's names its target: the decision that it is about, or the pause that people made."""
    target, at = about.labels["target"], about.row.since_timestamp
    ours = [row for row in _rows(unit, PauseRow, col(PauseRow.target) == target) if _is_about(row, about)]
    if ours:
        return _of_decision(unit, max(ours, key=lambda row: row.observed_timestamp))
    paused = (
        about
        if about.name == PAUSED
        else next((e for e in reversed(_episodes_of(unit, PAUSED, target)) if e.row.since_timestamp <= at), None)
    )
    if paused is None:
        raise NotFound(f"{about.name} of {target} is about no pause that the store has")
    return _whole(unit, target, None, None, paused)


def _is_about(row: PauseRow, about: Episode) -> bool:
    """A pause belongs to the block that made it; what was left to people, or failed, to what came of it in the hours afterwards."""
    if row.mined_number is not None and about.name == PAUSED:
        return row.mined_number == about.row.since_number
    begun = row.mined_number or row.observed_number
    return begun <= about.row.since_number and 0 <= about.row.since_timestamp - row.observed_timestamp <= BEFORE_SECONDS


# ---------------------------------------------------------------- all about it


def _whole(unit: Unit, target: str, row: PauseRow | None, cause: Episode | None, paused: Episode | None) -> Found:
    starts = [e.row.since_timestamp for e in (cause, paused) if e is not None] + ([row.observed_timestamp] if row else [])
    since, until = min(starts), _end(row, cause, paused)
    mine = {e.row.episode for e in (cause, paused) if e is not None}
    overlapping = _overlapping(unit, since, until)
    beside = [e for e in overlapping if e.row.episode not in mine]
    wanted = mine | {e.row.episode for e in beside if e.labels.get("target") == target}
    events = [e for e in _events(unit, since, until) if dict(e.series.labels).get("target") == target]
    numbers = {e.row.since_number for e in overlapping} | {e.row.ended_number for e in overlapping if e.row.ended_number is not None}
    numbers |= {e.stamp.number for e in events}
    numbers |= {n for n in (row.observed_number, row.mined_number) if n is not None} if row else set()
    return Found(
        target, ledger.pause(unit, row.id) if row else None, _document(unit, row), _signatures(unit, row), _transactions(unit, row), cause, paused,
        tuple(_told(unit, wanted)), tuple(beside), tuple(events), tuple(_troubles(unit, since, until)), _seen(unit, numbers), since, until,
    )  # fmt: skip


def _end(row: PauseRow | None, cause: Episode | None, paused: Episode | None) -> int | None:
    """Block time at which all of it is over; None while something goes on."""
    found = [e.row.ended_timestamp for e in (cause, paused) if e is not None]
    if not found and row is not None:
        return row.observed_timestamp
    return None if None in found else max(t for t in found if t is not None)


def _document(unit: Unit, row: PauseRow | None) -> Mapping[str, Any] | None:
    """The decision's canonical document."""
    if row is None:
        return None
    query = select(col(DecisionRow.document)).where(col(DecisionRow.pause) == row.id, col(DecisionRow.digest) == row.evidence)
    text = unit.conn.execute(query).scalar_one_or_none()
    return None if text is None else dict(json.loads(text))


def _signatures(unit: Unit, row: PauseRow | None) -> tuple[SignatureRow, ...]:
    if row is None or row.order is None:
        return ()
    return tuple(sorted(_rows(unit, SignatureRow, col(SignatureRow.digest) == row.order), key=lambda s: (s.seen_at, s.signer)))


def _transactions(unit: Unit, row: PauseRow | None) -> tuple[PauseTransactionRow, ...]:
    found = [] if row is None else _rows(unit, PauseTransactionRow, col(PauseTransactionRow.pause) == row.id)
    return tuple(sorted(found, key=lambda t: (t.signed_at, t.hash)))


def _told(unit: Unit, episodes: Iterable[str]) -> Iterable[Told]:
    members = _rows(unit, IncidentEpisode, col(IncidentEpisode.episode).in_(sorted(episodes)))
    for row in sorted(_rows(unit, Incident, col(Incident.id).in_({m.incident for m in members})), key=lambda i: (i.opened_at, i.id)):
        own = [m.episode for m in _rows(unit, IncidentEpisode, col(IncidentEpisode.incident) == row.id)]
        names = sorted({e.name for e in (_episode(unit, id) for id in own) if e is not None})
        sent = sorted(_rows(unit, DeliveryRow, col(DeliveryRow.incident) == row.id), key=lambda d: (d.owed_at, d.receiver, d.revision))
        taken = sorted(_rows(unit, Acknowledgement, col(Acknowledgement.incident) == row.id), key=lambda a: a.at)
        yield Told(row, tuple(names), tuple(sent), tuple(taken))


def _episode(unit: Unit, id: str) -> Episode | None:
    found = _rows(unit, AlertEpisode, col(AlertEpisode.episode) == id)
    return Episode(found[0]) if found else None


def _episodes_of(unit: Unit, name: str, target: str) -> list[Episode]:
    """An alert's episodes about a target that were not taken back, the oldest first."""
    rows = _rows(unit, AlertEpisode, col(AlertEpisode.rule).endswith("/" + name), col(AlertEpisode.state) != "retracted")
    found = [e for e in map(Episode, rows) if e.labels.get("target") == target]
    return sorted(found, key=lambda e: e.row.since_timestamp)


def _overlapping(unit: Unit, since: int, until: int | None) -> list[Episode]:
    later = or_(col(AlertEpisode.ended_timestamp).is_(None), col(AlertEpisode.ended_timestamp) >= since)
    within = [] if until is None else [col(AlertEpisode.since_timestamp) <= until]
    return sorted(map(Episode, _rows(unit, AlertEpisode, later, *within)), key=lambda e: (e.row.since_timestamp, e.row.episode))


def _events(unit: Unit, since: int, until: int | None) -> list[Event]:
    """Each event once, from the branch that stands."""
    table = _columns(EventRow)
    query = select(*table).join(JournalRow, col(JournalRow.seq) == col(EventRow.seq)).where(col(JournalRow.orphaned_by).is_(None))
    query = query.where(col(EventRow.family).in_(EVENTS), col(EventRow.timestamp) >= since)
    query = query if until is None else query.where(col(EventRow.timestamp) <= until)
    found = {row["id"]: _event(row) for row in unit.conn.execute(query.order_by(col(EventRow.seq).desc())).mappings()}
    return sorted(found.values(), key=lambda e: (e.stamp.timestamp, e.series.family, e.id))


def _event(row: Any) -> Event:
    return Event(EventId(row["id"]), Series(row["family"], json_labels(row["labels"])), json_stamp(row["stamp"]), dict(row["details"]))


def _troubles(unit: Unit, since: int, until: int | None) -> list[JournalRow]:
    within = [] if until is None else [col(JournalRow.timestamp) <= until]
    kinds = col(JournalRow.kind).in_(("gap", "lost", "rewind"))
    return sorted(_rows(unit, JournalRow, kinds, col(JournalRow.timestamp) >= since, *within), key=lambda j: j.seq)


def _seen(unit: Unit, numbers: Iterable[int]) -> dict[int, float]:
    query = select(col(JournalRow.number), col(JournalRow.seen_at)).where(
        col(JournalRow.kind) == "block", col(JournalRow.orphaned_by).is_(None), col(JournalRow.number).in_(sorted(numbers))
    )
    return {row.number: row.seen_at for row in unit.conn.execute(query).all()}


def _starting(unit: Unit, table: type[Any], name: str) -> list[Any]:
    """Rows whose id is that, else those whose id begins so."""
    exact = _rows(unit, table, col(table.id) == name)
    return exact or (_rows(unit, table, col(table.id).startswith(name, autoescape=True)) if name else [])


def _rows(unit: Unit, table: type[Any], *conditions: Any) -> list[Any]:
    return [table(**row) for row in unit.conn.execute(select(*_columns(table)).where(*conditions)).mappings()]


def _columns(table: type[SQLModel]) -> Sequence[Any]:
    return list(table.__table__.columns)  # type: ignore[attr-defined]


def _mapping(text: str) -> dict[str, str]:
    return {str(k): str(v) for k, v in dict(json.loads(text)).items()}
