"""What happens and is no alert (a pause, other rules), owed to the receivers that keep a record of such things.

Each is one message of its own, with an id that follows from what happened: owed again, it is the same message.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, insert, select

from monitor.alerts.deliveries import UNSETTLED
from monitor.alerts.desk import DELIVERIES, Unit
from monitor.alerts.way import NAMESPACE

URGENCY = 9
"""After everything that is an alert."""


@dataclass(frozen=True, slots=True)
class Happening:
    """``what`` (pause, reload) with ``identity`` is its name. Times are Unix seconds on the chain's clock; ``ends`` when it lasts."""

    what: str
    identity: str
    title: str
    at: float
    ends: float | None = None
    lines: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


def owe(unit: Unit, receivers: Sequence[str], happenings: Iterable[Happening], now: float) -> int:
    """Owe each happening to each receiver, unless it was owed before. Returns the number of messages newly owed."""
    rows = [_row(h, receiver, now) for h in happenings for receiver in receivers]
    known = set(unit.conn.execute(select(DELIVERIES.c.id).where(DELIVERIES.c.id.in_([r["id"] for r in rows]))).scalars()) if rows else set()
    fresh = [r for r in rows if r["id"] not in known]
    if fresh:
        unit.conn.execute(insert(DELIVERIES), fresh)
    return len(fresh)


def forget(unit: Unit, before: float) -> None:
    """Delete what was told before a wall time: it belongs to no incident, with which it would be forgotten."""
    ours, settled = DELIVERIES.c.urgency == URGENCY, DELIVERIES.c.state.not_in(UNSETTLED)
    unit.conn.execute(delete(DELIVERIES).where(ours, settled, DELIVERIES.c.owed_at < before))


def _row(happening: Happening, receiver: str, now: float) -> dict[str, Any]:
    name = f"{happening.what}:{happening.identity}"
    body = {
        "happening": happening.what, "identity": happening.identity, "title": happening.title, "at": happening.at, "ends": happening.ends,
        "lines": [happening.title, *happening.lines], "labels": dict(happening.labels), "latency": {}, "note": None,
    }  # fmt: skip
    return {
        "id": str(uuid.uuid5(NAMESPACE, f"{receiver}|{name}")), "incident": str(uuid.uuid5(NAMESPACE, name)), "receiver": receiver, "kind": "open",
        "revision": 1, "urgency": URGENCY, "body": json.dumps(body), "state": "owed", "owed_at": now, "next_at": 0.0, "attempts": 0,
    }  # fmt: skip
