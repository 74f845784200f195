"""The book of incidents: what alerts do becomes what is owed to people.

``admit`` runs inside the transaction that judges a block; ``tick`` and the commands run in short ones of their own.
All state is in the database: a rolled-back call has never happened, and repeating it gives the same ids.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import insert, select, update

from monitor.alerts.consequences import Consequences, none
from monitor.alerts.desk import SILENCES, Desk, Episode, OpenIncident, Unit
from monitor.alerts.fallback import fall_back
from monitor.alerts.links import Links
from monitor.alerts.matchers import BadMatcher, parse_matcher
from monitor.alerts.routes import Routes
from monitor.alerts.way import NAMESPACE, advance, leave, number, owe, unknown_block
from monitor.model import Acknowledge, AlertInstance, Moment, Silence, Tick, Transition
from monitor.store.tables.alerts import Acknowledgement

_ENDED = {"judged": "resolved", "made_up": "resolved", "expired": "expired", "reorg": "retracted", "reload": "withdrawn"}
MAX_WORDS = 500


class CommandRefused(Exception):
    """A person's command that cannot be done: what is wrong, and what to do instead."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What is known about the judged moment. ``seen_at`` and ``judged_at`` are wall time: the head came, its verdict stood.

    ``live`` are all instances after this moment, by episode: they tell which results are not known, and the present values.
    """

    at: Moment
    seen_at: float
    judged_at: float
    live: Mapping[str, AlertInstance] = field(default_factory=dict)


class Book:
    """Incidents, routes, silences and inhibition. Holds no state of its own but the last values seen, which are wording only."""

    def __init__(
        self,
        routes: Routes,
        drawing: Collection[str] = (),
        links: Links = Links(),  # noqa: B008 (never changes)
        consequences: Consequences = none,
    ) -> None:
        """``drawing``: receivers that tell nobody (Grafana), so that their receipts keep no fallback from being told. ``consequences``: what
        alerts lead to beside messages."""
        self.routes, self.consequences = routes, consequences
        self._links = links
        self._drawing = drawing
        self._live: Mapping[str, AlertInstance] = {}

    def admit(self, unit: Unit, transitions: Sequence[Transition], judged: Judged) -> int:
        """Take in what one judged moment changed. Returns the number of messages newly owed; wake the outbox after the commit."""
        self._live = judged.live
        desk = Desk(unit.conn, judged.judged_at, judged.at.timestamp, self._links, self.consequences)
        opened: set[str] = set()
        for transition in transitions:
            if transition.episode in opened and transition.new != "firing":
                # Opened and ended in one go (made up after an outage): it is told as fired before it is told as over.
                advance(desk, self.routes, judged.live)
            if transition.new == "firing":
                _open(desk, transition, judged)
                opened.add(transition.episode)
            elif transition.old == "firing":
                self._end(desk, transition)
        for episode in desk.firing():
            if episode.episode in judged.live:
                episode.unknown_since = unknown_block(judged.live[episode.episode])
        advance(desk, self.routes, judged.live)
        return desk.save()

    def tick(self, unit: Unit, now: float) -> int:
        """Do what wall time makes due: the next channel, waits that are over, silences that ended, reminders. Returns the messages newly owed."""
        fallen = fall_back(unit, self.routes, now, self._drawing)
        desk = Desk(unit.conn, now, links=self._links, consequences=self.consequences)
        advance(desk, self.routes, self._live)
        return fallen + desk.save()

    # ------------------------------------------------------------ what people do

    def acknowledge(self, unit: Unit, command: Acknowledge) -> int:
        """Note that somebody has taken the incident: no more reminders. Raises CommandRefused when it is not open."""
        desk = Desk(unit.conn, command.at, links=self._links, consequences=self.consequences)
        incident = desk.incidents.get(command.incident)
        if incident is None or not incident.announced:
            raise CommandRefused(_not_open(desk, command.incident))
        who, why = words(command.who, "who acknowledges"), command.why.strip()[:MAX_WORDS]
        identity = str(uuid.uuid5(NAMESPACE, f"{command.incident}|{who}|{command.at!r}"))
        if incident.acknowledged_by == who:
            return 0
        incident.acknowledged_by, incident.acknowledged_at = who, command.at
        row = {"id": identity, "incident": incident.id, "who": who, "at": command.at, "why": clean(why)}
        unit.conn.execute(insert(Acknowledgement.__table__), [row])  # type: ignore[attr-defined]
        owe(desk, incident, self._live, [f"Acknowledged by {who}{f': {clean(why)}' if why else ''}."], "acknowledgement")
        return desk.save()

    def silence(self, unit: Unit, command: Silence) -> int:
        """Mute alerts for a bounded time. Raises CommandRefused when the silence is not exact, not bounded, or has no reason."""
        row = _silence_row(command)
        if unit.conn.execute(select(SILENCES.c.id).where(SILENCES.c.id == row["id"])).first() is not None:
            return 0
        unit.conn.execute(insert(SILENCES), [row])
        return self.tick(unit, command.at)

    def end_silence(self, unit: Unit, silence: str, who: str, at: float) -> int:
        """End a silence now. Ending it twice is no error; an unknown one is."""
        found = unit.conn.execute(select(SILENCES.c.ended_by).where(SILENCES.c.id == silence)).first()
        if found is None:
            raise CommandRefused(f"there is no silence {silence!r}: see the list of silences")
        if found[0] is None:
            unit.conn.execute(update(SILENCES).where(SILENCES.c.id == silence).values(ended_by=words(who, "who ends the silence")))
        return self.tick(unit, at)

    def _end(self, desk: Desk, transition: Transition) -> None:
        episode = desk.bring(transition.episode)
        if episode is None or not episode.firing:
            return
        episode.state = _ENDED[transition.cause]
        episode.ended_number, episode.ended_timestamp = _block(transition.at), transition.at.timestamp
        episode.unknown_since = None
        leave(desk, self.routes, episode, transition.cause)


def _open(desk: Desk, transition: Transition, judged: Judged) -> None:
    """A new episode, another life of one that was taken back, or the same one seen from another branch."""
    before = desk.bring(transition.episode)
    if before is not None and before.firing and transition.cause != "reorg":
        return
    at = transition.at
    again = before is not None and not before.firing
    fresh = Episode(
        episode=transition.episode,
        life=1 if before is None else before.life + again,
        fingerprint=f"{transition.fingerprint & 0xFFFFFFFFFFFFFFFF:016x}",
        rule=transition.rule,
        labels=transition.labels,
        annotations=transition.annotations,
        value=number(transition.value),
        evidence=transition.evidence,
        state="firing",
        since_number=_block(at),
        since_hash=at.last.hash if isinstance(at, Tick) else at.hash,
        since_timestamp=at.timestamp,
        seen_at=judged.seen_at,
        judged_at=judged.judged_at,
    )
    if before is None:
        desk.episodes[fresh.episode] = fresh
        return
    if not again:
        fresh.seen_at, fresh.judged_at, fresh.muted = before.seen_at, before.judged_at, before.muted
    vars(before).update(vars(fresh))


def _block(at: Moment) -> int:
    return at.last.number if isinstance(at, Tick) else at.number


def _not_open(desk: Desk, incident: str) -> str:
    if desk.taken(incident):
        return f"incident {incident} is closed already: nothing to acknowledge"
    return f"there is no open incident {incident!r}: take the id from the message or the status page"


def open_incidents(unit: Unit, now: float) -> list[OpenIncident]:
    """The open incidents with their episodes, for the status page. Read only."""
    return [i for i in Desk(unit.conn, now).incidents.values() if i.announced]


def pauses_of(unit: Unit, consequences: Consequences) -> dict[str, list[dict[str, Any]]]:
    """What the open incidents say of pauses now, by incident, as it stands in a body. Read only."""
    desk = Desk(unit.conn, 0.0, consequences=consequences)
    return {i.id: [c.as_json() for c in desk.leads_to(i)] for i in desk.incidents.values()}


def _silence_row(command: Silence) -> dict[str, object]:
    try:
        matchers = [parse_matcher(m) for m in command.matchers]
    except BadMatcher as error:
        raise CommandRefused(str(error)) from None
    if not matchers or all(m.matches({}) for m in matchers):
        raise CommandRefused('a silence needs a matcher that not everything matches, such as alertname="OracleReportLate"')
    if not (math.isfinite(command.at) and math.isfinite(command.until)) or command.until <= command.at:
        raise CommandRefused("a silence must end after it begins: give an end in the future")
    why = words(command.why, "the reason of a silence")
    who = words(command.who, "who silences")
    texts = json.dumps([str(m) for m in matchers])
    return {"id": command.id, "matchers": texts, "who": who, "at": command.at, "until": command.until, "why": why, "ended_by": None}


def words(text: str, what: str) -> str:
    """A person's words, made safe to store. Raises CommandRefused when there are none."""
    found = clean(text.strip())[:MAX_WORDS]
    if not found:
        raise CommandRefused(f"{what} is missing")
    return found


def clean(text: str) -> str:
    """Without control characters and lone surrogates, which PostgreSQL and JSON receivers refuse."""
    return "".join(c for c in text if c == "\n" or (c.isprintable() and not "\ud800" <= c <= "\udfff"))
