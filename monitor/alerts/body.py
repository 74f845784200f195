"""The account of an incident, the same for every receiver: what broke, how bad, since when, the evidence, and what was done.

A body is plain JSON (strings, numbers, booleans, lists, objects), so it can be stored with the message that is owed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from monitor.alerts.consequences import Consequence
from monitor.alerts.desk import ActiveSilence, Episode, OpenIncident
from monitor.alerts.links import Links
from monitor.model import Labels

MAX_ALERTS = 40
"""Alerts that a body tells in full; the rest is counted in ``more``."""
MAX_PAUSES = 8
MAX_TEXT = 1500
"""Characters of one text of a body: annotations may hold text from the chain."""
SEVERITIES = ("page", "ticket", "info")
CLOSED_WORDS = {
    "resolved": "resolved",
    "expired": "expired",
    "retracted": "retracted: the block was reorganised away",
    "withdrawn": "withdrawn: the rule was changed or removed",
    "closed": "closed",
}


def account(
    incident: OpenIncident, silences: Mapping[str, ActiveSilence], links: Links, pauses: Sequence[Consequence] = ()
) -> dict[str, Any]:
    """The body of an incident's message. ``silences`` maps a silenced episode to its silence; ``links`` lead to the status page; ``pauses`` are
    those that its alerts may lead to, led to, or are about."""
    episodes = in_order(m.episode for m in incident.members.values())
    shown = episodes[:MAX_ALERTS]
    first = min(episodes, key=lambda e: (e.since_timestamp, e.episode))
    return {
        "incident": incident.id,
        "page": links.incident(incident.id),
        "revision": incident.revision,
        "route": incident.route,
        "group": dict(incident.group),
        "title": title(episodes),
        "severity": severity(episodes),
        "state": state(episodes),
        "protocol": _shared(episodes, "protocol"),
        "zone": _shared(episodes, "zone"),
        "alerts": [_alert(e, silences.get(e.episode), links) for e in shown],
        "firing": sum(e.firing for e in episodes),
        "more": len(episodes) - len(shown),
        "pauses": [c.as_json() for c in pauses[:MAX_PAUSES]],
        "latency": {
            "block_at": first.since_timestamp,
            "seen_at": first.seen_at,
            "judged_at": first.judged_at,
            "sent_at": None,
            "acknowledged_at": incident.acknowledged_at,
        },
        "acknowledged": None if incident.acknowledged_by is None else {"who": incident.acknowledged_by, "at": incident.acknowledged_at},
        "note": None,
    }


def title(episodes: Sequence[Episode]) -> str:
    """One line that says what broke."""
    first = episodes[0]
    if len(episodes) == 1:
        return summary(first)
    names = sorted({name_of(e) for e in episodes})
    return f"{len(episodes)} alerts of {', '.join(names[:3])}{' and others' if len(names) > 3 else ''}: {summary(first)}"


def summary(episode: Episode) -> str:
    """The summary annotation, or the alert's name with its labels."""
    said = dict(episode.annotations).get("summary", "").strip()
    if said:
        return said[:MAX_TEXT]
    rest = ", ".join(f"{k}={v}" for k, v in episode.labels if k not in ("alertname", "severity", "zone", "owner"))
    return f"{name_of(episode)}{f' ({rest})' if rest else ''}"[:MAX_TEXT]


def name_of(episode: Episode) -> str:
    return dict(episode.labels).get("alertname", episode.rule)


def severity(episodes: Iterable[Episode]) -> str:
    """The worst severity of the firing alerts, or of all when none fires."""
    all_of = list(episodes)
    words = {dict(e.labels).get("severity", "") for e in [e for e in all_of if e.firing] or all_of}
    return next((s for s in SEVERITIES if s in words), min(words))


def state(episodes: Iterable[Episode]) -> str:
    """firing while one fires; else the word that all share, or ``closed`` for a mixture."""
    words = {e.state for e in episodes}
    if "firing" in words:
        return "firing"
    return words.pop() if len(words) == 1 else "closed"


def in_order(episodes: Iterable[Episode]) -> list[Episode]:
    """Firing first, then the worst, then the oldest."""

    def rank(e: Episode) -> tuple[bool, int, int, Labels, str]:
        word = dict(e.labels).get("severity", "")
        return not e.firing, SEVERITIES.index(word) if word in SEVERITIES else len(SEVERITIES), e.since_timestamp, e.labels, e.episode

    return sorted(episodes, key=rank)


def latency_line(body: Mapping[str, Any]) -> str:
    """``block 14:03:11 → seen +0.3 s → judged +0.1 s → sent +0.6 s → acknowledged +2 min``: each step's distance from the one before.

    A clock that runs ahead (the embedded chain's, when a drill warps it) cannot be compared: then it says ``block n/a``.
    """
    steps = body["latency"]
    seen = steps["seen_at"]
    ahead = steps["block_at"] > seen
    parts = [
        "block n/a" if ahead else f"block {clock(steps['block_at'])}",
        f"seen {clock(seen)}" if ahead else f"seen +{span(seen - steps['block_at'])}",
    ]
    before = seen
    for word in ("judged", "sent", "acknowledged"):
        at = steps[f"{word}_at"]
        if at is not None:
            parts.append(f"{word} +{span(max(0.0, at - before))}")
            before = max(before, at)
    return " → ".join(parts)


def clock(at: float) -> str:
    """Time of day, UTC."""
    return _utc(at).strftime("%H:%M:%S")


def moment(at: float) -> str:
    """Date and time, UTC."""
    return _utc(at).strftime("%Y-%m-%d %H:%M:%S UTC")


def span(seconds: float) -> str:
    """A length of time in its largest unit that leaves at least one whole."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds / unit:.1f}".removesuffix(".0") + f" {name}"
    return f"{seconds:.1f} s"


def _utc(at: float) -> datetime:
    return datetime.fromtimestamp(max(0.0, min(at, 253402300799.0)), UTC)


def _alert(e: Episode, silence: ActiveSilence | None, links: Links) -> dict[str, Any]:
    notes, own = dict(e.annotations), dict(e.labels)
    return {
        "episode": e.episode,
        "name": name_of(e),
        "rule": e.rule,
        "state": e.state,
        "severity": own.get("severity", ""),
        "summary": summary(e),
        "description": notes.get("description", "").strip()[:MAX_TEXT],
        "runbook": links.runbook((notes.get("runbook_url") or notes.get("runbook") or "").strip()[:MAX_TEXT]),
        "owner": own.get("owner") or notes.get("owner") or notes.get("stakewarden_owner", ""),
        "zone": own.get("zone", ""),
        "labels": {k: v for k, v in e.labels if k not in ("alertname", "severity", "zone", "owner")},
        "value": e.value,
        "since": {"block": e.since_number, "hash": e.since_hash, "at": e.since_timestamp},
        "ended": None if e.ended_number is None else {"block": e.ended_number, "at": e.ended_timestamp},
        "unknown_since": e.unknown_since if e.firing else None,
        "evidence": e.evidence,
        "silenced": None if silence is None else {"who": silence.who, "until": silence.until, "why": silence.why},
    }


def _shared(episodes: Iterable[Episode], label: str) -> str:
    values = sorted({dict(e.labels).get(label, "") for e in episodes} - {""})
    return ", ".join(values[:3]) + (" and others" if len(values) > 3 else "")
