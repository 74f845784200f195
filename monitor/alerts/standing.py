"""What stands at a receiver that must be told again and again, or forgets: alerts that fire, and those that ended lately."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from sqlalchemy import or_, select

from monitor.alerts.consequences import Consequence, Consequences, none
from monitor.alerts.desk import EPISODES, INCIDENTS, MEMBERS, Episode, Unit, episode_of_row


@dataclass(frozen=True, slots=True)
class Standing:
    """An alert that a message has named at a receiver, as it is now."""

    episode: Episode
    incident: str
    acknowledged_by: str | None
    pauses: tuple[Consequence, ...] = ()
    """Those that it may lead to, led to, or is about."""


def standing(unit: Unit, receiver: str, since: float, incident: str = "", consequences: Consequences = none) -> list[Standing]:
    """Alerts of the receiver's incidents that fire, or that ended after ``since`` (Unix seconds); and all of one ``incident``, however old."""
    teller = consequences(unit.conn)
    return [replace(one, pauses=teller([one.episode])) for one in _standing(unit, receiver, since, incident)]


def _standing(unit: Unit, receiver: str, since: float, incident: str) -> list[Standing]:
    told = INCIDENTS.c.told.is_not(None)
    lately = or_(INCIDENTS.c.closed_at.is_(None), INCIDENTS.c.closed_at > since, INCIDENTS.c.id == incident)
    columns = (INCIDENTS.c.id, INCIDENTS.c.receivers, INCIDENTS.c.acknowledged_by)
    rows = unit.conn.execute(select(*columns).where(told, lately)).mappings()
    acknowledged = {row["id"]: row["acknowledged_by"] for row in rows if receiver in json.loads(row["receivers"])}
    if not acknowledged:
        return []
    members = select(EPISODES, MEMBERS.c.incident.label("incident")).join(MEMBERS, MEMBERS.c.episode == EPISODES.c.episode)
    named = MEMBERS.c.incident.in_(sorted(acknowledged)), MEMBERS.c.announced
    found: list[Standing] = []
    for row in unit.conn.execute(members.where(*named).order_by(EPISODES.c.episode, MEMBERS.c.incident)).mappings():
        own = dict(row)
        place = own.pop("incident")
        episode = episode_of_row(own)
        if episode.firing or place == incident or (episode.ended_timestamp or 0) > since:
            found.append(Standing(episode, place, acknowledged[place]))
    return found
