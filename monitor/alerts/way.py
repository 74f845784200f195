"""The way of an alert, read from top to bottom: silenced? inhibited? route, group, incident, owed message.

Each step takes the desk and changes it; nothing here waits, sends or reads a clock.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from monitor.alerts.body import CLOSED_WORDS, SEVERITIES, account, moment, span, state, summary
from monitor.alerts.desk import ActiveSilence, Desk, Episode, Member, OpenIncident, pairs_text
from monitor.alerts.routes import Route, Routes
from monitor.model import AlertInstance, Tick

NAMESPACE = uuid.UUID("6c1d7f0e-5f0b-5d0e-9d9b-3a5f1f6f0a11")
MAX_LINES = 20
About = Literal["change", "acknowledgement", "reminder"]
"""What a note tells: one with several kinds of news tells a change."""


def advance(desk: Desk, routes: Routes, live: Mapping[str, AlertInstance]) -> None:
    """Take every firing episode one round further."""
    firing = desk.firing()
    held = desk.held()
    for episode in firing:
        episode.muted = silenced(desk, episode) or inhibited(routes, episode, firing)
        if episode.muted is None:
            place(desk, routes, episode, held.get(episode.episode, frozenset()))
    for incident in list(desk.incidents.values()):
        if incident.closed_at is None:
            tell(desk, routes, incident, live)


# ---------------------------------------------------------------- silenced? inhibited?


def silenced(desk: Desk, episode: Episode) -> tuple[str, str] | None:
    silence = silence_of(desk, episode)
    return ("silence", silence.id) if silence else None


def silence_of(desk: Desk, episode: Episode) -> ActiveSilence | None:
    if not desk.silences:
        return None
    own = dict(episode.labels)
    return next((s for s in desk.silences if s.mutes(own)), None)


def inhibited(routes: Routes, episode: Episode, firing: Sequence[Episode]) -> tuple[str, str] | None:
    """An alert mutes others also while it is silenced itself, as in Alertmanager."""
    source = routes.inhibited_by(episode.labels, (e.labels for e in firing if e is not episode))
    return ("inhibition", dict(source).get("alertname", "")) if source is not None else None


# ---------------------------------------------------------------- route, group, incident


def place(desk: Desk, routes: Routes, episode: Episode, held: frozenset[str]) -> None:
    """Put the episode into the open incident of its group at each of its routes but those that hold it already.

    One that is told at a route that the file lost since stays there, and is told nowhere else.
    """
    if any(routes.by_key(key) is None for key in held):
        return
    for route in routes.match(episode.labels):
        if route.key not in held:
            incident = _open_incident(desk, route, episode)
            earlier = incident.members.get(episode.episode)
            named = earlier is not None and earlier.announced
            incident.members[episode.episode] = Member(episode, episode.life, desk.block_time, named)


def _open_incident(desk: Desk, route: Route, episode: Episode) -> OpenIncident:
    group = route.group(episode.labels)
    for incident in desk.incidents.values():
        if incident.closed_at is None and incident.route == route.key and incident.group == group:
            return incident
    fresh = OpenIncident(_incident_id(desk, route, episode), route.key, group, route.receivers, desk.now, desk.block_time)
    desk.incidents[fresh.id] = fresh
    return fresh


def _incident_id(desk: Desk, route: Route, episode: Episode) -> str:
    """The same incident has the same id in every process that judges the same blocks."""
    base = f"{route.key}|{pairs_text(route.group(episode.labels))}|{episode.episode}|{episode.life}"
    n = 0
    while desk.taken(found := str(uuid.uuid5(NAMESPACE, f"{base}|{n}"))):
        n += 1
    return found


def leave(desk: Desk, routes: Routes, episode: Episode, cause: str) -> None:
    """An episode has just ended: what was never told of it is forgotten when nobody needs to hear it.

    That is so while it was muted, when its block was reorganised away, and when it lasted (in block time) less
    than the wait of its route. An event, or what was made up after an outage, is told all the same.
    """
    for incident in desk.places(episode):
        member = incident.members[episode.episode]
        if member.announced:
            continue
        route = routes.by_key(incident.route) or routes.root
        wait = route.group_interval if incident.announced else route.group_wait
        brief = desk.block_time - member.joined_timestamp < wait and cause not in ("expired", "made_up")
        if episode.muted is not None or episode.state == "retracted" or brief:
            _remove(desk, incident, episode.episode)


def _remove(desk: Desk, incident: OpenIncident, episode: str) -> None:
    """Take back an episode that was not told, and the incident when nothing is left of it."""
    del incident.members[episode]
    if not incident.members:
        del desk.incidents[incident.id]


# ---------------------------------------------------------------- owed message


def tell(desk: Desk, routes: Routes, incident: OpenIncident, live: Mapping[str, AlertInstance]) -> None:
    """Owe the message that the incident needs now, if any: the first, a changed one, the last, or a reminder."""
    route = routes.by_key(incident.route) or routes.root
    for key, member in list(incident.members.items()):
        if not member.announced and member.episode.firing and member.episode.muted is not None:
            _remove(desk, incident, key)
    if not incident.members:
        return
    if not incident.announced:
        ended = any(not m.episode.firing for m in incident.members.values())
        if ended or desk.now >= incident.opened_at + route.group_wait:
            owe(desk, incident, live)
        return
    over = _over(incident)
    changed = _essence(desk, incident) != incident.told
    rested = desk.now >= (incident.told_at or 0.0) + route.group_interval
    if changed and (over or rested):
        owe(desk, incident, live)
    elif not over and _reminder_due(desk, incident, route):
        incident.reminded_at = desk.now
        owe(desk, incident, live, [f"Still firing, {span(desk.now - incident.opened_at)} after it was opened."], "reminder")


def owe(desk: Desk, incident: OpenIncident, live: Mapping[str, AlertInstance], lines: Sequence[str] = (), about: About = "change") -> None:
    """Owe every receiver of the incident its present account, and a note in the thread with what is new, first ``lines``, which are ``about``."""
    for member in incident.members.values():
        _refresh(member.episode, live)
    essence, first, over = _essence(desk, incident), not incident.announced, _over(incident)
    said = [] if first else [*lines, *_difference(desk, incident, essence)]
    incident.revision += 1
    body = account(incident, _silenced_members(desk, incident), desk.links, desk.leads_to(incident))
    _owe_one(desk, incident, "open" if first else "close" if over else "update", body)
    if said:
        loud = body["severity"] == "page" and (over or any(not m.announced for m in incident.members.values()) or bool(lines))
        more = [f"… and {len(said) - MAX_LINES} more changes"] if len(said) > MAX_LINES else []
        # On the chain's clock where that runs ahead of ours (drills), so that it stands after what it is about.
        at = max(desk.now, float(desk.block_time))
        note = {"lines": [*said[:MAX_LINES], *more], "broadcast": loud, "about": about if len(said) == len(lines) else "change", "at": at}
        _owe_one(desk, incident, "note", {**body, "alerts": [], "note": note})
    incident.told, incident.told_at = essence, desk.now
    incident.reminded_at = incident.reminded_at or desk.now
    for member in incident.members.values():
        member.announced = True
    if over:
        incident.closed_at, incident.outcome = desk.now, body["state"]


def _owe_one(desk: Desk, incident: OpenIncident, kind: str, body: Mapping[str, Any]) -> None:
    for receiver in incident.receivers:
        identity = str(uuid.uuid5(uuid.UUID(incident.id), f"{receiver}|{kind == 'note'}|{incident.revision}"))
        desk.owed.append(
            {
                "id": identity,
                "incident": incident.id,
                "receiver": receiver,
                "kind": kind,
                "revision": incident.revision,
                "urgency": urgency(str(body["severity"]), kind),
                "body": json.dumps(body),
                "state": "owed",
                "owed_at": desk.now,
                "next_at": 0.0,  # at once, even when the clock is set back
                "attempts": 0,
            }
        )


def _essence(desk: Desk, incident: OpenIncident) -> dict[str, Any]:
    """What a message says that is worth another message when it changes."""
    pauses = {c.target: c.essence for c in desk.leads_to(incident)}
    return {
        "alerts": {
            key: [m.episode.state, m.episode.since_hash, m.episode.unknown_since if m.episode.firing else None, m.life]
            for key, m in incident.members.items()
        },
        "silenced": {key: [s.id, s.who, s.until, s.why] for key, s in _silenced_members(desk, incident).items()},
        "acknowledged": incident.acknowledged_by,
        **({"pauses": pauses} if pauses else {}),
    }


def _difference(desk: Desk, incident: OpenIncident, new: Mapping[str, Any]) -> list[str]:
    """The news since the last message, a line each; what is not known is shown in the message alone, since it may flicker."""
    told = incident.told or {}
    lines: list[str] = []
    for key, member in sorted(incident.members.items(), key=lambda item: (item[1].episode.firing, item[0])):
        episode, before = member.episode, told.get("alerts", {}).get(key)
        if before is None or (episode.firing and before[0] != "firing"):
            lines.append(f"Also firing since block {episode.since_number}: {summary(episode)}")
        elif not episode.firing and before[0] == "firing":
            lines.append(f"{_ended(episode)}: {summary(episode)}")
        elif episode.firing and before[1] != episode.since_hash:
            lines.append(f"Still firing after a reorganisation, now since block {episode.since_number}: {summary(episode)}")
    lines += [_sentence(c.title) for c in desk.leads_to(incident) if told.get("pauses", {}).get(c.target) != c.essence]
    if new["silenced"] and not told.get("silenced"):
        _, who, until, why = next(iter(new["silenced"].values()))
        lines.append(f"Silenced by {who} until {moment(until)}: {why}")
    elif told.get("silenced") and not new["silenced"] and not _over(incident):
        lines.append("No longer silenced.")
    return lines


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _ended(episode: Episode) -> str:
    word = CLOSED_WORDS[episode.state]
    lasted = (episode.ended_timestamp or episode.since_timestamp) - episode.since_timestamp
    at = f" at block {episode.ended_number}" if episode.ended_number is not None else ""
    return f"{word[0].upper()}{word[1:]}{at}, {span(max(0, lasted))} of block time after it began"


def _silenced_members(desk: Desk, incident: OpenIncident) -> dict[str, ActiveSilence]:
    found = {key: silence_of(desk, m.episode) for key, m in incident.members.items() if m.episode.firing}
    return {key: s for key, s in found.items() if s is not None}


def _over(incident: OpenIncident) -> bool:
    return state([m.episode for m in incident.members.values()]) != "firing"


def _reminder_due(desk: Desk, incident: OpenIncident, route: Route) -> bool:
    if not route.repeat_interval or incident.acknowledged_by is not None:
        return False
    if desk.now < (incident.reminded_at or 0.0) + route.repeat_interval:
        return False
    return any(m.episode.firing and silence_of(desk, m.episode) is None for m in incident.members.values())


def _refresh(episode: Episode, live: Mapping[str, AlertInstance]) -> None:
    """Numbers and wording as of the last judged block; only a firing alert has any."""
    instance = live.get(episode.episode)
    if episode.firing and instance is not None:
        episode.value, episode.annotations = number(instance.value), instance.annotations


def urgency(severity: str, kind: str) -> int:
    """The worst first, and messages before notes: a page does not wait behind a storm of tickets."""
    rank = SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)
    return 2 * rank + (kind == "note")


def number(value: float) -> str:
    """A sample's value as short decimal text that a person can read."""
    return f"{value:.10g}"


def unknown_block(instance: AlertInstance) -> int | None:
    """The block since which an instance's result is not known."""
    at = instance.unknown_since
    return None if at is None else at.last.number if isinstance(at, Tick) else at.number
