"""Messages for people to look after: what was not accepted, and sending again what was given up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, select, update

from monitor.alerts.deliveries import UNSETTLED
from monitor.alerts.desk import DELIVERIES, Unit

_D = DELIVERIES.c
_SHOWN = (
    _D.id, _D.incident, _D.receiver, _D.kind, _D.revision, _D.state, _D.owed_at, _D.next_at, _D.attempts, _D.sent_at, _D.error, _D.body,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Message:
    """One owed or settled message. ``*_at`` are wall time; ``title`` is its incident's."""

    id: str
    incident: str
    receiver: str
    kind: str
    revision: int
    state: str
    owed_at: float
    next_at: float
    attempts: int
    sent_at: float | None
    error: str | None
    title: str


def messages(unit: Unit, receiver: str | None = None, *, settled: bool = False, most: int = 200) -> list[Message]:
    """The newest first: those that nobody accepted (owed, under way, of unknown outcome, dead); with ``settled`` all."""
    wanted = select(*_SHOWN).order_by(_D.owed_at.desc(), _D.id).limit(most)
    if not settled:
        wanted = wanted.where(_D.state.in_((*UNSETTLED, "dead")))
    if receiver is not None:
        wanted = wanted.where(_D.receiver == receiver)
    return [_message(row) for row in unit.conn.execute(wanted).mappings()]


def again(unit: Unit, chosen: Sequence[str], now: float) -> tuple[list[str], list[str]]:
    """Owe these messages (whole ids) again: those that were sent off, and those that a newer one has replaced meanwhile.

    A dead message was certainly not accepted, so it cannot come twice. One of unknown outcome may; it is the caller's to ask. Others are left.
    """
    owed: list[str] = []
    replaced: list[str] = []
    rows = unit.conn.execute(select(*_SHOWN).where(_D.id.in_(chosen), _D.state.in_(("dead", "unsure"))).order_by(_D.revision)).mappings()
    for row in rows.all():
        if row["kind"] != "note" and _newer(unit, row):
            _change(unit, row["id"], state="superseded")
            replaced.append(row["id"])
        else:
            _change(unit, row["id"], state="owed", next_at=now, error=None)
            owed.append(row["id"])
    return owed, replaced


def _newer(unit: Unit, row: RowMapping) -> bool:
    """Whether a later account of the incident was accepted, or is on its way: an older one would take the message back."""
    same = (_D.incident == row["incident"], _D.receiver == row["receiver"], _D.kind != "note", _D.revision > row["revision"])
    return unit.conn.execute(select(_D.id).where(*same, _D.state.in_((*UNSETTLED, "sent"))).limit(1)).first() is not None


def _change(unit: Unit, identity: str, **values: Any) -> None:
    unit.conn.execute(update(DELIVERIES).where(_D.id == identity).values(**values))


def _message(row: RowMapping) -> Message:
    plain = {k: v for k, v in row.items() if k != "body"}
    return Message(**plain, title=str(json.loads(row["body"]).get("title", "")))
