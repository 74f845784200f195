"""The far ends, and what must hold between them: the Slack inbox, the chain, and the database as a third reads it.

Nothing here asks the service: what it says of itself is no proof.
"""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from monitor.alerts.routes import Routes, load_routes
from monitor.devnet.drills import Drill, Ground
from monitor.model import labels
from monitor.service.settings import load

SPOKEN = {"resolved": "Resolved", "expired": "Expired", "retracted": "Retracted"}
OPEN_PAUSES = "('decided', 'signed', 'gathered', 'simulated', 'sent', 'replaced', 'mined', 'verified', 'orphaned')"


class Database:
    """Reads the service's database without taking part: a connection a question, so none outlives a kill of the service."""

    busy = (sqlite3.Error, psycopg.Error)
    """What a question may raise while the service starts or migrates."""

    def __init__(self, url: str) -> None:
        self.url = url

    def rows(self, query: str) -> list[dict[str, Any]]:
        """The answer, a mapping a row."""
        with self._connection() as connection:
            cursor = connection.execute(query)
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def number(self, query: str) -> int:
        """The only value of the answer."""
        (row,) = self.rows(query)
        return int(next(iter(row.values())) or 0)

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Any]:
        if self.url.startswith("sqlite:///"):
            path = self.url.removeprefix("sqlite:///")
            with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as connection:
                yield connection
        else:
            with psycopg.connect(self.url, autocommit=True) as server:
                yield server

    def under_way(self) -> str:
        """What was going on, for the account of a kill: open pauses by state, and messages whose attempt was written."""
        try:
            pauses = [row["state"] for row in self.rows(f"SELECT state FROM guardian_pause WHERE state IN {OPEN_PAUSES}")]
            sending = self.number("SELECT count(*) FROM delivery WHERE state IN ('sending', 'unsure')")
            owed = self.number("SELECT count(*) FROM delivery WHERE state = 'owed'")
        except self.busy:
            return "no tables yet"
        parts = [f"pause {state}" for state in pauses] + [f"{sending} attempted"] * bool(sending) + [f"{owed} owed"] * bool(owed)
        return ", ".join(parts) or "nothing under way"

    def unfinished(self, head: int) -> list[str]:
        """What keeps the service from being idle: messages, pauses, incidents, episodes that are not at their end, and blocks to judge."""
        found = []
        for what, query in (
            ("messages unsettled", "SELECT count(*) FROM delivery WHERE state IN ('owed', 'sending', 'unsure')"),
            ("pauses open", f"SELECT count(*) FROM guardian_pause WHERE state IN {OPEN_PAUSES}"),
            ("incidents open", "SELECT count(*) FROM incident WHERE closed_at IS NULL"),
            ("episodes firing", "SELECT count(*) FROM alert_episode WHERE state = 'firing'"),
        ):
            if count := self.number(query):
                found.append(f"{count} {what}")
        judged = self.number("SELECT max(number) FROM journal WHERE kind = 'block' AND orphaned_by IS NULL")
        return [*found, f"block {head} not judged, only {judged}"] if judged < head else found


@dataclass(frozen=True, order=True)
class Final:
    """What is left of one incident for its reader: the outcome, and the texts without numbers, addresses and times."""

    alerts: tuple[str, ...]
    outcome: str
    text: str
    notes: tuple[str, ...]


HELD_UP = "GuardianPauseFailed"
"""Told as well where the kills held up a pause for so many blocks that people had to be paged; the machine goes on."""


def finals(ground: Ground, database: Database, known: frozenset[str]) -> list[Final]:
    """The final messages of all incidents that are not ``known``, in a fixed order; without that a pause was held up, where one was."""
    told = {i["id"]: i for i in database.rows("SELECT id, outcome FROM incident WHERE told IS NOT NULL") if i["id"] not in known}
    names = alerts_of(database)
    held_up = database.number("SELECT count(*) FROM guardian_pause WHERE paged_at IS NOT NULL") > 0
    found = []
    for message in ground.messages():
        incident = incident_of(message)
        if incident in told and not (held_up and names[incident] == (HELD_UP,)):
            notes = tuple(sorted(normal(note["text"]) for note in message["thread"]))
            found.append(Final(names[incident], str(told[incident]["outcome"]), normal(message["text"]), notes))
    return sorted(found)


def normal(text: str) -> str:
    """A text without what differs from one time to another: addresses, hashes, numbers, durations."""
    text = re.sub(r"0x[0-9a-fA-F]+", "0x…", text)
    text = re.sub(r"\d+(?:[.,:]\d+)*(?: (?:ms|s|min|h|d)\b)?", "#", text)
    return re.sub(r"#(?: #)+", "#", text)


def incident_of(message: Mapping[str, Any]) -> str:
    """The incident that a message says to be of."""
    return str(((message.get("metadata") or {}).get("event_payload") or {}).get("incident_id", "no incident"))


def alerts_of(database: Database) -> dict[str, tuple[str, ...]]:
    """The names of the alerts of each incident, each once."""
    query = "SELECT m.incident, e.labels FROM incident_episode m JOIN alert_episode e ON e.episode = m.episode"
    found: dict[str, set[str]] = {}
    for row in database.rows(query):
        found.setdefault(row["incident"], set()).add(json.loads(row["labels"])["alertname"])
    return {incident: tuple(sorted(names)) for incident, names in found.items()}


# ---------------------------------------------------------------- what must hold


def violations(ground: Ground, database: Database, pauses: Mapping[str, int], since: int) -> list[str]:
    """All that is wrong between the ends. ``pauses``: how many by whom there must be on the chain after block ``since``."""
    return [
        *_messages(ground, database),
        *_annotations(ground, database),
        *_episodes(ground, database),
        *_pauses(ground, database, pauses, since),
    ]


def _messages(ground: Ground, database: Database) -> Iterator[str]:
    messages = ground.messages()
    names = alerts_of(database)
    incidents = {row["id"]: row for row in database.rows("SELECT id, outcome, told, closed_at FROM incident")}
    deliveries = database.rows("SELECT id, incident, kind, revision, state FROM delivery WHERE receiver = 'slack'")
    count = Counter(incident_of(m) for m in messages)
    for stranger in count.keys() - incidents.keys():
        yield f"{count[stranger]} messages of an unknown incident ({stranger})"
    for incident, row in incidents.items():
        own = [d for d in deliveries if d["incident"] == incident]
        name = f"incident {incident[:8]} ({', '.join(names.get(incident, ()))})"
        if count[incident] != (1 if own else 0):
            yield f"{name}: {count[incident]} messages in the channel, {1 if own else 0} expected"
        if row["told"] is None and own:
            yield f"{name}: messages are owed for what was never told"
        for message in messages:
            if incident_of(message) == incident and own:
                yield from (f"{name}: {problem}" for problem in _message(message, row, own))


def _annotations(ground: Ground, database: Database) -> Iterator[str]:
    """Each told incident is one annotation that shows the last account of it; each pause that was made is one too."""
    annotations = ground.annotations()
    deliveries = database.rows("SELECT id, incident, kind, revision, state FROM delivery WHERE receiver = 'grafana'")
    incidents = {row["id"]: row for row in database.rows("SELECT id, outcome, closed_at FROM incident WHERE told IS NOT NULL")}
    for stranger in {t for a in annotations for t in a["tags"] if t.startswith("incident:")} - {f"incident:{i}" for i in incidents}:
        yield f"an annotation of an unknown incident ({stranger})"
    for incident, row in incidents.items():
        found = [a for a in annotations if f"incident:{incident}" in a["tags"]]
        own = [d for d in deliveries if d["incident"] == incident and d["kind"] != "note"]
        if len(found) != 1:
            yield f"incident {incident[:8]}: {len(found)} annotations, one expected"
        elif found[0]["data"]["delivery"] != max(own, key=lambda d: d["revision"])["id"]:
            yield f"incident {incident[:8]}: its annotation shows revision {found[0]['data']['revision']}, not the last"
        elif row["closed_at"] is not None and f"state:{row['outcome']}" not in found[0]["tags"]:
            yield f"incident {incident[:8]} ended as {row['outcome']}, and its annotation does not say so"
    made = Counter(t for a in annotations for t in a["tags"] if t.startswith(("pause:", "reload:", "note:")))
    yield from (f"{count} annotations of {name}" for name, count in made.items() if count != 1)
    for row in database.rows("SELECT id FROM guardian_pause WHERE state = 'reported'"):
        if not made[f"pause:{row['id']}.verified"]:
            yield f"the pause {row['id'][:8]} is no annotation"


def _message(message: Mapping[str, Any], incident: Mapping[str, Any], own: list[dict[str, Any]]) -> Iterator[str]:
    for row in own:
        if row["state"] not in ("sent", "superseded") or (row["kind"] == "note" and row["state"] != "sent"):
            yield f"its {row['kind']} of revision {row['revision']} is {row['state']}"
    payload = message["metadata"]["event_payload"]
    last = max((d for d in own if d["kind"] != "note"), key=lambda d: d["revision"])
    if payload["delivery_id"] != last["id"]:
        yield f"the message shows revision {payload['rev']}, the last account is {last['revision']} ({last['kind']})"
    if incident["closed_at"] is not None and SPOKEN.get(incident["outcome"], "?") not in message["text"]:
        yield f"it ended as {incident['outcome']}, and the message says: {message['text']}"
    noted = Counter(note["metadata"]["event_payload"]["delivery_id"] for note in message["thread"])
    owed = Counter(d["id"] for d in own if d["kind"] == "note")
    if noted != owed:
        yield f"notes in the thread: {sum((noted - owed).values())} too many, {sum((owed - noted).values())} missing"


def _episodes(ground: Ground, database: Database) -> Iterator[str]:
    """Whatever fired has an episode, and each episode was told that no other alert said already."""
    query = "SELECT DISTINCT t.episode, t.rule FROM transition t LEFT JOIN alert_episode e ON e.episode = t.episode "
    for row in database.rows(query + "WHERE t.new = 'firing' AND e.episode IS NULL"):
        yield f"{row['rule']} fired and has no episode ({row['episode'][:8]})"
    columns = "e.episode, e.rule, e.labels, e.state, e.since_timestamp, e.ended_timestamp"
    query = (
        f"SELECT {columns} FROM alert_episode e WHERE e.muted IS NULL AND NOT EXISTS "
        "(SELECT 1 FROM incident_episode m WHERE m.episode = e.episode AND "
    )
    untold = database.rows(query + "m.announced AND m.life = e.life)")
    told = database.rows(f"SELECT {columns} FROM alert_episode e JOIN incident_episode m ON m.episode = e.episode WHERE m.announced")
    settings = load(Path(ground.devnet.folder) / "settings.yaml")
    routes = load_routes(settings.rules.routes, [r.name for r in settings.receivers])
    for row in untold:
        if not _was_brief(row, told, routes):
            yield f"the episode {row['episode'][:8]} of {row['rule']} was never told"


def _was_brief(row: Mapping[str, Any], told: list[dict[str, Any]], routes: Routes) -> bool:
    """Whether an alert ended, in block time, within the wait of its route: since it fired, or since a told one ended that muted it."""
    if row["state"] == "firing":
        return False
    own = labels(**json.loads(row["labels"]))
    begins = [row["since_timestamp"]]
    for cause in told:
        overlaps = cause["ended_timestamp"] is not None and row["since_timestamp"] <= cause["ended_timestamp"] <= row["ended_timestamp"]
        if overlaps and routes.inhibited_by(own, [labels(**json.loads(cause["labels"]))]) is not None:
            begins.append(cause["ended_timestamp"])
    return all(row["ended_timestamp"] - max(begins) < route.group_wait for route in routes.match(own))


def _pauses(ground: Ground, database: Database, expected: Mapping[str, int], since: int) -> Iterator[str]:
    guardian, world = ground.world["guardian"], ground.world
    logs = world.rpc.call("eth_getLogs", {"address": guardian.address, "fromBlock": hex(since + 1), "toBlock": "latest"})
    events = [found for log in logs if (found := guardian.artifact.log(dict(log)))]
    came = Counter("sentinel" if args["bySentinels"] else "guardian" for name, args in events if name == "TargetPaused")
    if +came != Counter({who: n for who, n in expected.items() if n}):
        yield f"pauses on the chain: {dict(came)}, expected: {dict(expected)}"
    nonce = int(world.rpc.call("eth_getTransactionCount", world.account("sender"), "latest"), 16)
    if nonce != expected.get("sentinel", 0):
        yield f"the sender of orders sent {nonce} transactions, {expected.get('sentinel', 0)} expected"
    reported = database.number("SELECT count(*) FROM guardian_pause WHERE state = 'reported'")
    if reported != expected.get("sentinel", 0):
        states = Counter(row["state"] for row in database.rows("SELECT state FROM guardian_pause"))
        yield f"{expected.get('sentinel', 0)} reported pauses expected in the database: {dict(states)}"


def against_drill(drill: Drill, found: list[Final]) -> Iterator[str]:
    """Exactly the alerts of the drill, each one incident that ended as it must."""
    came = sorted((name, final.outcome) for final in found for name in final.alerts)
    if came != sorted(drill.ends):
        yield f"incidents: {came}, expected: {sorted(drill.ends)}"


def against_reference(reference: list[Final], found: list[Final]) -> Iterator[str]:
    """The same final messages as without kills."""
    for missing in (Counter(reference) - Counter(found)).elements():
        yield f"without kills there was, and now is not: {missing}"
    for extra in (Counter(found) - Counter(reference)).elements():
        yield f"there is now, and was not without kills: {extra}"
