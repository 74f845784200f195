"""The owed messages as rows: which one is next, and what became of an attempt. Short transactions, no waiting, no sending.

Order within an incident and receiver: an attempt with unknown outcome is cleared up first; then messages and notes by
revision; a note waits for the message that it belongs to.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, update

from monitor.alerts.desk import DELIVERIES, Unit
from monitor.model import Delivery

_D = DELIVERIES.c
UNSETTLED = ("owed", "sending", "unsure")
MAX_ERROR = 500


@dataclass(frozen=True, slots=True)
class Taken:
    """The message to work on now. ``look_first``: an earlier attempt's outcome is unknown, so the receiver is asked before it is sent again."""

    delivery: Delivery
    look_first: bool


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing can be done before ``until`` (wall time), or at all when None."""

    until: float | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What one receiver has not accepted yet: how many messages, and the age of the oldest in seconds (0 when none)."""

    owed: int
    oldest_seconds: float
    dead: int


def take(unit: Unit, receiver: str, now: float) -> Taken | Wait:
    """The next message of a receiver. One that is about to be sent is ``sending`` from here on, before the attempt is made."""
    light = select(_D.id, _D.incident, _D.kind, _D.revision, _D.state, _D.next_at, _D.owed_at, _D.urgency)
    rows = [dict(r) for r in unit.conn.execute(light.where(_D.receiver == receiver, _D.state.in_(UNSETTLED))).mappings()]
    heads: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=_place):
        heads.setdefault(row["incident"], row)
    until: float | None = None
    for head in sorted(heads.values(), key=lambda r: (r["urgency"], r["owed_at"], r["id"])):
        if head["next_at"] > now:
            until = head["next_at"] if until is None else min(until, head["next_at"])
            continue
        remote = _remote(unit, head["incident"], receiver)
        if head["kind"] == "note" and remote is None and head["state"] == "owed":
            later = [r for r in rows if r["incident"] == head["incident"] and r["kind"] != "note"]
            if not later:
                _set(unit, head["id"], state="dead", error="the incident's message was never accepted")
                return Wait(now)
            head = later[0]
            if head["next_at"] > now:
                until = head["next_at"] if until is None else min(until, head["next_at"])
                continue
        return _taken(unit, head, remote, now)
    return Wait(until)


def sent(unit: Unit, delivery: Delivery, remote: str, at: float) -> None:
    _set(unit, delivery.id, state="sent", remote=remote, sent_at=at, error=None)


def not_sent(unit: Unit, delivery: Delivery, next_at: float, error: str | None) -> None:
    """Certainly not there: owed again, or superseded when there is a newer account by now."""
    newer = select(_D.id).where(
        _D.incident == delivery.incident, _D.receiver == delivery.receiver, _D.kind != "note", _D.revision > delivery.revision
    )
    stale = delivery.kind != "note" and unit.conn.execute(newer.limit(1)).first() is not None
    _set(unit, delivery.id, state="superseded" if stale else "owed", next_at=next_at, error=error)


def unsure(unit: Unit, delivery: Delivery, next_at: float, error: str) -> None:
    """It may be there or not; the receiver is asked again at ``next_at``."""
    _set(unit, delivery.id, state="unsure", next_at=next_at, error=error)


def dead(unit: Unit, delivery: Delivery, error: str) -> None:
    """The receiver will never take it."""
    _set(unit, delivery.id, state="dead", error=error)


def waiting(unit: Unit, receivers: Iterable[str], now: float) -> dict[str, Waiting]:
    """The figures behind ``stakewarden_deliveries_owed`` and ``stakewarden_delivery_oldest_seconds``, for each named receiver."""
    found = {name: Waiting(0, 0.0, 0) for name in receivers}
    counts = select(_D.receiver, _D.state, func.count().label("n"), func.min(_D.owed_at).label("oldest"))
    for row in unit.conn.execute(counts.where(_D.state.in_((*UNSETTLED, "dead"))).group_by(_D.receiver, _D.state)).mappings():
        was = found.get(row["receiver"], Waiting(0, 0.0, 0))
        if row["state"] == "dead":
            found[row["receiver"]] = Waiting(was.owed, was.oldest_seconds, row["n"])
        else:
            found[row["receiver"]] = Waiting(was.owed + row["n"], max(was.oldest_seconds, now - row["oldest"]), was.dead)
    return found


def _place(row: Mapping[str, Any]) -> tuple[bool, int, bool]:
    return row["state"] == "owed", row["revision"], row["kind"] == "note"


def _taken(unit: Unit, head: Mapping[str, Any], remote: str | None, now: float) -> Taken:
    look_first = head["state"] != "owed"
    if not look_first:
        unit.conn.execute(update(DELIVERIES).where(_D.id == head["id"]).values(state="sending", attempted_at=now, attempts=_D.attempts + 1))
    row = unit.conn.execute(select(DELIVERIES).where(_D.id == head["id"])).mappings().one()
    body = json.loads(row["body"])
    first = select(func.min(_D.sent_at)).where(_D.incident == row["incident"], _D.receiver == row["receiver"], _D.kind != "note")
    body["latency"]["sent_at"] = unit.conn.execute(first).scalar() or now
    return Taken(
        Delivery(
            id=row["id"],
            incident=row["incident"],
            receiver=row["receiver"],
            kind=row["kind"],
            revision=row["revision"],
            body=body,
            state=row["state"],
            attempted_at=row["attempted_at"],
            attempts=row["attempts"],
            remote=remote,
        ),
        look_first,
    )


def _remote(unit: Unit, incident: str, receiver: str) -> str | None:
    known = select(_D.remote).where(_D.incident == incident, _D.receiver == receiver, _D.kind != "note", _D.remote.is_not(None))
    return unit.conn.execute(known.order_by(_D.revision.desc()).limit(1)).scalar()


def _set(unit: Unit, identity: str, **values: Any) -> None:
    if values.get("error"):
        values["error"] = str(values["error"])[:MAX_ERROR]
    unit.conn.execute(update(DELIVERIES).where(_D.id == identity).values(**values))
