"""The working copy of all open incidents: read at the start of a transaction, changed by the steps, written at its end.

Nothing is remembered between transactions, so a rollback, a lost lease or a kill at any instruction leaves no trace.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

from sqlalchemy import Connection, Double, Table, bindparam, delete, insert, or_, select, update

from monitor.alerts.consequences import Consequence, Consequences, none
from monitor.alerts.links import Links
from monitor.alerts.matchers import Matcher, all_match, parse_matcher
from monitor.model import Labels, labels
from monitor.store.tables.alerts import AlertEpisode, DeliveryRow, Incident, IncidentEpisode, SilenceRow

EPISODES: Table = AlertEpisode.__table__  # type: ignore[attr-defined]
INCIDENTS: Table = Incident.__table__  # type: ignore[attr-defined]
MEMBERS: Table = IncidentEpisode.__table__  # type: ignore[attr-defined]
DELIVERIES: Table = DeliveryRow.__table__  # type: ignore[attr-defined]
SILENCES: Table = SilenceRow.__table__  # type: ignore[attr-defined]


# Built once, since every block asks: to build such a statement takes longer than to run it.
_OPEN_INCIDENTS = select(INCIDENTS).where(INCIDENTS.c.closed_at.is_(None)).order_by(INCIDENTS.c.id)
_OPEN_MEMBERS = select(MEMBERS).join(INCIDENTS, INCIDENTS.c.id == MEMBERS.c.incident).where(INCIDENTS.c.closed_at.is_(None))
_is_firing = EPISODES.c.state == "firing"
_FIRING = select(EPISODES).where(_is_firing)
_FIRING_OR_OPEN = select(EPISODES).where(or_(_is_firing, EPISODES.c.episode.in_(_OPEN_MEMBERS.with_only_columns(MEMBERS.c.episode))))
_now = bindparam("now", type_=Double)
_ACTIVE_SILENCES = (
    select(SILENCES).where(SILENCES.c.until > _now, SILENCES.c.at <= _now, SILENCES.c.ended_by.is_(None)).order_by(SILENCES.c.id)
)


class Unit(Protocol):
    """What is used of the store's unit of work: its connection, in one transaction."""

    @property
    def conn(self) -> Connection: ...


@dataclass(eq=False)
class Episode:
    """A row of ``alert_episode`` with its JSON read. ``muted`` is None or a pair: by what, and its name."""

    episode: str
    life: int
    fingerprint: str
    rule: str
    labels: Labels
    annotations: Labels
    value: str
    evidence: str
    state: str
    since_number: int
    since_hash: str
    since_timestamp: int
    seen_at: float
    judged_at: float
    ended_number: int | None = None
    ended_timestamp: int | None = None
    unknown_since: int | None = None
    muted: tuple[str, str] | None = None

    @property
    def firing(self) -> bool:
        return self.state == "firing"

    def row(self) -> dict[str, Any]:
        own = dict(vars(self))
        return {**own, "labels": pairs_text(self.labels), "annotations": pairs_text(self.annotations), "muted": _or_none(self.muted)}


@dataclass(eq=False)
class Member:
    """An episode's place in an incident. ``announced`` once a message has named it."""

    episode: Episode
    life: int
    joined_timestamp: int
    announced: bool = False


@dataclass(eq=False)
class OpenIncident:
    """A row of ``incident`` with its members by episode. ``told`` maps each episode to what was last said of it."""

    id: str
    route: str
    group: Labels
    receivers: tuple[str, ...]
    opened_at: float
    opened_timestamp: int
    closed_at: float | None = None
    outcome: str | None = None
    revision: int = 0
    told: Mapping[str, Any] | None = None
    told_at: float | None = None
    reminded_at: float | None = None
    acknowledged_by: str | None = None
    acknowledged_at: float | None = None
    members: dict[str, Member] = field(default_factory=dict)

    @property
    def announced(self) -> bool:
        return self.told is not None

    def row(self) -> dict[str, Any]:
        own = {k: v for k, v in vars(self).items() if k not in ("members", "group")}
        more = {"group_labels": pairs_text(self.group), "receivers": json.dumps(self.receivers), "told": _or_none(self.told)}
        return {**own, **more}


@dataclass(frozen=True)
class ActiveSilence:
    """A silence that mutes now."""

    id: str
    matchers: tuple[Matcher, ...]
    who: str
    until: float
    why: str

    def mutes(self, alert: Mapping[str, str]) -> bool:
        return all_match(self.matchers, alert)


class Desk:
    """All that the steps of an alert's way need: firing episodes, open incidents, silences; and the time of this round.

    ``block_time`` is the newest judged block's timestamp, as far as it is known here; ``links`` are those of the messages that are owed, and ``consequences`` what
    their alerts lead to beside them.
    """

    def __init__(
        self,
        conn: Connection,
        now: float,
        block_time: int | None = None,
        links: Links = Links(),  # noqa: B008 (never changes)
        consequences: Consequences = none,
    ) -> None:
        self.conn = conn
        self.links = links
        self._teller = consequences(conn)
        self.now = now
        self.silences = active_silences(conn, now)
        self.episodes: dict[str, Episode] = {}
        self.incidents: dict[str, OpenIncident] = {}
        self.owed: list[dict[str, Any]] = []
        self._read()
        known = [e.since_timestamp for e in self.episodes.values()] + [e.ended_timestamp or 0 for e in self.episodes.values()]
        self.block_time = block_time if block_time is not None else max(known, default=0)
        self._before = self._rows()

    def firing(self) -> list[Episode]:
        """Firing episodes in a fixed order."""
        return sorted((e for e in self.episodes.values() if e.firing), key=lambda e: e.episode)

    def places(self, episode: Episode) -> list[OpenIncident]:
        """The incidents of which this life of the episode is, or was, a member."""
        return [i for i in self.incidents.values() if (m := i.members.get(episode.episode)) is not None and m.life == episode.life]

    def held(self) -> dict[str, frozenset[str]]:
        """For each firing episode, the routes at which this life of it has an incident."""
        found: dict[str, frozenset[str]] = {}
        for incident in self.incidents.values():
            for key, m in incident.members.items():
                if m.life == m.episode.life:
                    found[key] = found.get(key, frozenset()) | {incident.route}
        return found

    def leads_to(self, incident: OpenIncident) -> tuple[Consequence, ...]:
        """The pauses that the incident's alerts may lead to, led to, or are about."""
        return self._teller([m.episode for m in incident.members.values()])

    def bring(self, episode: str) -> Episode | None:
        """An episode by id, also a closed one."""
        if episode not in self.episodes:
            row = self.conn.execute(select(EPISODES).where(EPISODES.c.episode == episode)).mappings().first()
            if row is None:
                return None
            self.episodes[episode] = episode_of_row(dict(row))
            self._before["episodes"][episode] = self.episodes[episode].row()
        return self.episodes[episode]

    def taken(self, incident: str) -> bool:
        """Whether an incident, open or closed, has this id."""
        return incident in self.incidents or self.conn.execute(select(INCIDENTS.c.id).where(INCIDENTS.c.id == incident)).first() is not None

    # ------------------------------------------------------------ the database

    def _read(self) -> None:
        for row in self.conn.execute(_OPEN_INCIDENTS).mappings():
            self.incidents[row["id"]] = _incident(dict(row))
        members = list(self.conn.execute(_OPEN_MEMBERS).mappings()) if self.incidents else []
        for row in self.conn.execute(_FIRING_OR_OPEN if members else _FIRING).mappings():
            self.episodes[row["episode"]] = episode_of_row(dict(row))
        for m in sorted(members, key=lambda m: (m["incident"], m["episode"])):
            place = Member(self.episodes[m["episode"]], m["life"], m["joined_timestamp"], m["announced"])
            self.incidents[m["incident"]].members[m["episode"]] = place

    def _rows(self) -> dict[str, dict[Any, dict[str, Any]]]:
        return {
            "episodes": {key: e.row() for key, e in self.episodes.items()},
            "incidents": {key: i.row() for key, i in self.incidents.items()},
            "members": {
                (i.id, key): {
                    "incident": i.id,
                    "episode": key,
                    "life": m.life,
                    "joined_timestamp": m.joined_timestamp,
                    "announced": m.announced,
                }
                for i in self.incidents.values()
                for key, m in i.members.items()
            },
        }

    def save(self) -> int:
        """Write what changed. Returns the number of messages that are newly owed."""
        after = self._rows()
        for name, table in (("episodes", EPISODES), ("incidents", INCIDENTS), ("members", MEMBERS)):
            self._write(table, self._before[name], after[name])
        for row in self.owed:
            self._supersede(row)
        if self.owed:
            self.conn.execute(insert(DELIVERIES), self.owed)
        self._before = after
        count, self.owed = len(self.owed), []
        return count

    def _write(self, table: Table, before: Mapping[Any, dict[str, Any]], after: Mapping[Any, dict[str, Any]]) -> None:
        key = [c.name for c in table.primary_key.columns]
        fresh = [row for k, row in after.items() if k not in before]
        if fresh:
            self.conn.execute(insert(table), fresh)
        for k, row in after.items():
            if k in before and before[k] != row:
                self.conn.execute(update(table).where(*(table.c[c] == row[c] for c in key)).values(row))
        for k, row in before.items():
            if k not in after:
                self.conn.execute(delete(table).where(*(table.c[c] == row[c] for c in key)))

    def _supersede(self, row: Mapping[str, Any]) -> None:
        """The latest account of an incident takes the place of those that were not sent; notes all stay."""
        if row["kind"] == "note":
            return
        d = DELIVERIES.c
        older = (d.incident == row["incident"], d.receiver == row["receiver"], d.kind != "note", d.state == "owed")
        self.conn.execute(update(DELIVERIES).where(*older).values(state="superseded"))


@lru_cache(maxsize=20_000)
def pairs_text(pairs: Labels) -> str:
    """Label pairs as JSON text; ASCII, so that any database keeps it."""
    return json.dumps(dict(pairs), sort_keys=True)


def active_silences(conn: Connection, now: float) -> list[ActiveSilence]:
    """Silences that mute at ``now``, in a fixed order."""
    rows = conn.execute(_ACTIVE_SILENCES, {"now": now}).mappings()
    return [
        ActiveSilence(r["id"], tuple(parse_matcher(m) for m in json.loads(r["matchers"])), r["who"], r["until"], r["why"]) for r in rows
    ]


@lru_cache(maxsize=20_000)
def _pairs(text: str) -> Labels:
    return labels(json.loads(text))


def episode_of_row(row: Mapping[str, Any]) -> Episode:
    """The inverse of ``Episode.row``."""
    muted = json.loads(row["muted"]) if row["muted"] else None
    own = {**row, "labels": _pairs(row["labels"]), "annotations": _pairs(row["annotations"])}
    return Episode(**{**own, "muted": (muted[0], muted[1]) if muted else None})


def _incident(row: Mapping[str, Any]) -> OpenIncident:
    own = {k: v for k, v in row.items() if k != "group_labels"}
    group = _pairs(row["group_labels"])
    more = {"receivers": tuple(json.loads(row["receivers"])), "told": json.loads(row["told"]) if row["told"] else None}
    return OpenIncident(**{**own, "group": group, **more})


def _or_none(value: Any) -> str | None:
    return None if value is None else json.dumps(value, sort_keys=True)
