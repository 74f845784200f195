"""The next channel: when nobody takes the messages of an incident in time, the route's next receiver is told, once.

An alert counts as told when one receiver has accepted an account that names it. Receivers that only draw (Grafana) tell nobody, so their
receipts do not count. Who was told as a fallback belongs to the incident from then on: it hears of changes and of the end.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import insert, select, update

from monitor.alerts.body import span
from monitor.alerts.deliveries import UNSETTLED
from monitor.alerts.desk import DELIVERIES, INCIDENTS, Unit
from monitor.alerts.routes import Route, Routes

_D = DELIVERIES.c
ACCOUNTS = ("open", "update", "close")
STALE_SECONDS = 86_400.0
"""What was owed before is history: nobody is told of it in another way now."""
Row = Mapping[str, Any]


def fall_back(unit: Unit, routes: Routes, now: float, drawing: Collection[str] = ()) -> int:
    """Owe a message to the next receiver of each incident that waited too long. Returns the number of messages newly owed.

    ``drawing``: receivers that tell nobody. An incident that somebody has acknowledged is known, and left alone; so is a silenced alert.
    """
    if not any(route.fallback for route in routes.all):
        return 0
    waits = _D.state.in_((*UNSETTLED, "dead")), _D.receiver.in_(sorted(routes.receivers)), _D.kind.in_(ACCOUNTS)
    waiting = select(_D.incident).where(*waits, _D.owed_at > now - STALE_SECONDS)
    unknown = select(INCIDENTS).where(INCIDENTS.c.id.in_(waiting), INCIDENTS.c.acknowledged_by.is_(None)).order_by(INCIDENTS.c.id)
    owed: list[dict[str, Any]] = []
    for incident in unit.conn.execute(unknown).mappings().all():
        route = routes.by_key(incident["route"]) or routes.root
        if now >= incident["opened_at"] + route.fallback_after:
            owed += _next(unit, dict(incident), route, now, drawing)
    if owed:
        unit.conn.execute(insert(DELIVERIES), owed)
    return len(owed)


def _next(unit: Unit, incident: Row, route: Route, now: float, drawing: Collection[str]) -> list[dict[str, Any]]:
    """The messages for the incident's next receiver, if it is time and there is one."""
    receivers: list[str] = json.loads(incident["receivers"])
    left = [name for name in route.fallback if name not in receivers]
    if not left:
        return []
    accounts = select(DELIVERIES).where(_D.incident == incident["id"], _D.kind.in_(ACCOUNTS)).order_by(_D.revision, _D.receiver)
    rows = [dict(row) for row in unit.conn.execute(accounts).mappings()]
    untold = _untold(rows, drawing)
    if untold is None:
        return []
    tried = [min(r["owed_at"] for r in rows if r["receiver"] == name) for name in receivers if name in route.fallback]
    if now < max([untold, *tried]) + route.fallback_after:
        return []
    unit.conn.execute(update(INCIDENTS).where(INCIDENTS.c.id == incident["id"]).values(receivers=json.dumps([*receivers, left[0]])))
    silent = [name for name in receivers if name not in drawing]
    return _messages(rows[-1], incident, left[0], f"Told here since {', '.join(silent)} took no message for {span(now - untold)}.", now)


def _untold(rows: Sequence[Row], drawing: Collection[str]) -> float | None:
    """When the first message with an alert that nobody has taken notice of was owed; None when all is told."""
    taken = [r for r in rows if r["state"] == "sent" and r["receiver"] not in drawing]
    known = _named(taken[-1]) if taken else frozenset()
    known |= _named(rows[-1], silenced=True)  # a person knows of it
    reached = taken[-1]["revision"] if taken else 0
    return min((r["owed_at"] for r in rows if r["revision"] > reached and _named(r) - known), default=None)


def _named(row: Row, silenced: bool = False) -> frozenset[str]:
    alerts = json.loads(row["body"])["alerts"]
    return frozenset(alert["episode"] for alert in alerts if alert["silenced"] or not silenced)


def _messages(latest: Row, incident: Row, receiver: str, why: str, now: float) -> list[dict[str, Any]]:
    """The incident's newest account as a first message, and the reason in its thread."""
    body = json.loads(latest["body"])
    note = {**body, "alerts": [], "note": {"lines": [why], "broadcast": False, "about": "change", "at": now}}
    common = {"incident": incident["id"], "receiver": receiver, "revision": latest["revision"], "state": "owed"}
    common |= {"owed_at": now, "next_at": 0.0, "attempts": 0}
    first = "open" if incident["closed_at"] is None else "close"
    made = ((first, latest["urgency"], latest["body"]), ("note", latest["urgency"] + 1, json.dumps(note)))
    return [
        {**common, "id": str(uuid.uuid5(uuid.UUID(incident["id"]), f"{receiver}|{kind == 'note'}|{latest['revision']}"))}
        | {"kind": kind, "urgency": urgency, "body": text}
        for kind, urgency, text in made
    ]
