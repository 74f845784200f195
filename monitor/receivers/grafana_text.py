"""An incident's account as a Grafana annotation: text, tags, and the time that it spans.

Grafana shows the text as (sanitised) HTML in one place and as it is in another, and names, labels and annotations may hold text from
the chain, which anybody can write: so no angle bracket ever gets there, which needs no escaping in either. Tags hold what to filter by;
all tags of an annotation together may have 500 characters (Grafana's setting ``annotations.tags_length``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from monitor.alerts import consequences
from monitor.alerts.body import CLOSED_WORDS, clock, moment, span

TEXT_LIMIT = 4000
LINE_LIMIT = 400
TAG_LIMIT = 100
TAGS_LIMIT = 450
MAX_ALERTS = 8
MAX_PAUSES = 2
OURS = "stakewarden"
SIGNS = {"page": "🚨", "ticket": "⚠️", "info": "ℹ️"}


@dataclass(frozen=True, slots=True)
class Note:
    """What is put on Grafana's charts. Times are milliseconds; ``time_end`` is None for a point in time, and while an incident fires."""

    text: str
    tags: tuple[str, ...]
    time: int
    time_end: int | None


def incident_note(body: Mapping[str, Any], own_tags: Iterable[str] = ()) -> Note:
    """The region of an incident: from the block at which its first alert fired to that at which the last one ended."""
    begun = int(body["latency"]["block_at"])
    over = body["state"] != "firing"
    ended = max((a["ended"]["at"] for a in body["alerts"] if a["ended"]), default=begun) if over else None
    names = sorted({a["name"] for a in body["alerts"]})
    tags = [OURS, "incident", f"incident:{body['incident']}", *own_tags, f"state:{body['state']}", *_kind_tags(body)]
    tags += [f"alert:{name}" for name in names]
    return Note(_text(_incident_lines(body)), fitting(tags), begun * 1000, None if ended is None else max(begun, int(ended)) * 1000)


def point_note(body: Mapping[str, Any], delivery: str, own_tags: Iterable[str] = ()) -> Note:
    """News of an incident (who took it, what joined it) at the moment at which it came."""
    note = body["note"]
    tags = [OURS, "note", f"note:{delivery}", f"of:{body['incident']}", *own_tags, note["about"], *_kind_tags(body)]
    return Note(_text([*note["lines"], f"about: {body['title']}"]), fitting(tags), int(note["at"] * 1000), None)


def happening_note(body: Mapping[str, Any], own_tags: Iterable[str] = ()) -> Note:
    """Something that is no alert: a pause, which lasts, or other rules."""
    what, ends = body["happening"], body["ends"]
    tags = [OURS, what, f"{what}:{body['identity']}", *own_tags, *(f"{k}:{v}" for k, v in sorted(body["labels"].items()))]
    return Note(_text(body["lines"]), fitting(tags), int(body["at"] * 1000), None if ends is None else int(max(body["at"], ends) * 1000))


def safe(text: str, limit: int = LINE_LIMIT) -> str:
    """One line without control, direction and surrogate characters, and without anything that could be a tag of HTML."""
    found = "".join(c for c in " ".join(str(text).split()) if c.isprintable() and not "\ud800" <= c <= "\udfff")
    found = found.replace("<", "‹").replace(">", "›")
    return found if len(found) <= limit else found[: limit - 1] + "…"


def fitting(tags: Iterable[str]) -> tuple[str, ...]:
    """The first tags that fit, each once; the first ones are those that annotations are found by. Commas would be read as separators."""
    kept: list[str] = []
    left = TAGS_LIMIT
    for tag in tags:
        one = safe(tag, TAG_LIMIT).replace(",", ";").strip()
        if one and one not in kept and len(one.encode()) <= left:
            kept.append(one)
            left -= len(one.encode())
    return tuple(kept)


def _kind_tags(body: Mapping[str, Any]) -> list[str]:
    return [f"{key}:{body[key]}" for key in ("severity", "protocol", "zone") if body[key]]


def _incident_lines(body: Mapping[str, Any]) -> list[str]:
    word = "Firing" if body["state"] == "firing" else CLOSED_WORDS[body["state"]].capitalize()
    sign = SIGNS.get(body["severity"], "🔔") if body["state"] == "firing" else "✅"
    lines = [f"{sign} {body['title']}", " · ".join([word, *(str(body[key]) for key in ("severity", "protocol", "zone") if body[key])])]
    if body["acknowledged"]:
        lines.append(f"Acknowledged by {body['acknowledged']['who']} at {moment(body['acknowledged']['at'])}")
    alone = len(body["alerts"]) == 1
    for alert in body["alerts"][:MAX_ALERTS]:
        lines += _alert_lines(alert, alone)
    more = body["more"] + max(0, len(body["alerts"]) - MAX_ALERTS)
    if more:
        lines.append(f"… and {more} more alert{'s' * (more != 1)} of this incident")
    for pause in body.get("pauses", ())[:MAX_PAUSES]:  # not in messages of before there were any
        lines += consequences.lines(pause)
    page = body.get("page")  # not in messages that were owed before there was one
    lines.append(f"incident {body['incident'][:8]}" + (f" · {page}" if page else ""))
    return lines


def _alert_lines(alert: Mapping[str, Any], alone: bool) -> list[str]:
    lines = [] if alone else [f"• {alert['summary']}"]
    if alone and alert["description"]:
        lines.append(alert["description"])
    said = f"since block {alert['since']['block']} ({moment(alert['since']['at'])})"
    if alert["ended"]:
        after = span(max(0, alert["ended"]["at"] - alert["since"]["at"]))
        said += f" · {CLOSED_WORDS[alert['state']]} at block {alert['ended']['block']} ({clock(alert['ended']['at'])}), after {after}"
    elif alert["unknown_since"] is not None:
        said += f" · not known since block {alert['unknown_since']}"
    lines.append(f"{said} · value {alert['value']}")
    if alert["labels"]:
        lines.append(" ".join(f"{k}={v}" for k, v in sorted(alert["labels"].items())[:12]))
    if alone and alert["runbook"]:
        lines.append(f"runbook {alert['runbook']}")
    return lines


def _text(lines: Iterable[str]) -> str:
    """Never empty, since Grafana refuses that."""
    said = [line for line in (safe(line) for line in lines) if line]
    return "\n".join(said)[:TEXT_LIMIT] or "(nothing that can be shown)"
