"""The canary: a message that says nothing is wrong, sent through every real channel once a day, so that a dead channel is found on a quiet one.

It takes the way of every other message (owed in the database, the outbox, the receiver), and its receipt is what counts.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, insert, select, update

from monitor.alerts.desk import DELIVERIES, Unit
from monitor.alerts.way import NAMESPACE, urgency

_D = DELIVERIES.c
TITLE = "Test of this channel: nothing is wrong"


class CanarySettings(BaseModel):
    """When the canary is sent: every ``every_seconds``, counted from ``utc_hour`` of the day. ``patience_seconds``: how long its receipt may take."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    every_seconds: float = Field(default=86_400.0, ge=60)
    utc_hour: int = Field(default=8, ge=0, le=23)
    patience_seconds: float = Field(default=900.0, gt=0)


@dataclass(frozen=True, slots=True)
class Canary:
    """How the canaries of one receiver fare. ``age_seconds``: since one was accepted, None when none ever was."""

    age_seconds: float | None
    failed: bool


def owe_canaries(unit: Unit, settings: CanarySettings, receivers: Iterable[str], now: float) -> int:
    """Owe each receiver the canary of this period, unless it is owed or sent already. Returns the messages newly owed."""
    period = math.floor((now - 3600 * settings.utc_hour) / settings.every_seconds)
    incident = str(uuid.uuid5(NAMESPACE, f"canary|{settings.every_seconds!r}|{period}"))
    there = {row[0] for row in unit.conn.execute(select(_D.receiver).where(_D.incident == incident))}
    owed = [_row(incident, receiver, now) for receiver in receivers if receiver not in there]
    for row in owed:
        older = _D.kind == "canary", _D.receiver == row["receiver"], _D.state == "owed"
        unit.conn.execute(update(DELIVERIES).where(*older).values(state="superseded"))
    if owed:
        unit.conn.execute(insert(DELIVERIES), owed)
    return len(owed)


def canaries(unit: Unit, settings: CanarySettings, receivers: Iterable[str], now: float) -> dict[str, Canary]:
    """What became of the canaries of each receiver: failed, when one since the last that was accepted waits for longer than it may."""
    return {receiver: _fares(unit, receiver, settings.patience_seconds, now) for receiver in receivers}


def _fares(unit: Unit, receiver: str, patience: float, now: float) -> Canary:
    own = _D.receiver == receiver, _D.kind == "canary"
    owed_at, sent_at = unit.conn.execute(select(func.max(_D.owed_at), func.max(_D.sent_at)).where(*own, _D.state == "sent")).one()
    waits = select(func.min(_D.owed_at)).where(*own, _D.state != "sent", _D.owed_at > (owed_at or 0.0))
    since = unit.conn.execute(waits).scalar()
    return Canary(None if sent_at is None else max(0.0, now - sent_at), since is not None and now - since > patience)


def _row(incident: str, receiver: str, now: float) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid5(uuid.UUID(incident), receiver)),
        "incident": incident,
        "receiver": receiver,
        "kind": "canary",
        "revision": 1,
        "urgency": urgency("info", "canary"),
        "body": json.dumps(body(incident, now)),
        "state": "owed",
        "owed_at": now,
        "next_at": 0.0,
        "attempts": 0,
    }


def body(incident: str, now: float) -> Mapping[str, Any]:
    """An account like that of an incident, without an alert: every receiver can tell it."""
    return {
        "incident": incident,
        "page": None,
        "revision": 1,
        "route": "",
        "group": {},
        "title": TITLE,
        "severity": "info",
        "state": "closed",
        "protocol": "",
        "zone": "monitor",
        "alerts": [],
        "firing": 0,
        "more": 0,
        "latency": {"block_at": now, "seen_at": now, "judged_at": now, "sent_at": None, "acknowledged_at": None},
        "acknowledged": None,
        "note": None,
    }
