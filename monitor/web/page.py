"""The pages that only show: the overview, one incident, all series. No outside asset; readable on a phone, in the dark, without script.

Every value is escaped: chain data is written by strangers.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from monitor.web import incidents, signals, tables
from monitor.web.document import NOBODY, Viewer, bar, document, table
from monitor.web.view import SeriesView, StatusView
from monitor.web.words import amount, labels, number, utc

SHOWN = 200
"""Series of one family that the list of all shows at most; /api/status has every one."""


def render(view: StatusView, viewer: Viewer = NOBODY) -> str:
    """The overview: what a responder needs, in the order in which it is needed."""
    body = "".join(
        (
            _problems(view.problems),
            incidents.sections(view, viewer),
            tables.unknown(view),
            tables.guardian(view.readiness, view.pauses),
            signals.sections(view.charts),
            f"<div class=two><section>{tables.endpoints(view.endpoints)}</section><section>{tables.beacon(view.beacon)}</section></div>",
            tables.deliveries(view),
            incidents.over(view.incidents),
            tables.coverage(view),
            tables.collectors(view.collectors),
        )
    )
    return document(_title(view), bar(view, viewer), body, live=True)


def incident(view: StatusView, identity: str, viewer: Viewer = NOBODY) -> str | None:
    """One incident with all its alerts, its history and its messages; None when there is no such incident."""
    found = next((i for i in view.incidents if i.get("id") == identity), None)
    if found is None:
        return None
    live = {a.episode: a for a in view.alerts if a.episode}
    told = [
        [
            escape(str(m.get("receiver"))),
            escape(str(m.get("kind") or "")),
            escape(str(m.get("state") or "")),
            utc(m.get("owed_at")),
            utc(m.get("sent_at")) if m.get("sent_at") else "",
            escape(str(m.get("error") or "")),
        ]
        for m in found.get("messages", ())
    ]
    messages = table(("receiver", "message", "state", "owed at", "sent at", "error"), told)
    body = incidents.card(found, live, viewer, alone=True) + incidents.note_form(found, viewer)
    episodes = {str(a.get("episode")) for a in found.get("alerts", ())}
    pauses = [p for p in view.pauses if p.get("episode") in episodes]
    body += tables.pause_list(pauses)
    if pauses or any("target" in dict(a.get("labels") or {}) for a in found.get("alerts", ())):
        body += f"<p><a href='/incidents/{escape(identity)}/summary.md'>Account of the pause</a> as Markdown, for the report after the incident.</p>"
    body += f"<h2>Messages</h2><div class=box>{messages}</div>" if told else ""
    return document(f"Incident {identity[:8]}", bar(view, viewer), f"<h2>Incident {escape(identity[:8])}</h2>{body}")


def series(view: StatusView, viewer: Viewer = NOBODY) -> str:
    """Every live series by family, unknown ones first; a family with very many is cut, and says so."""
    families: dict[str, list[SeriesView]] = {}
    for s in view.series:
        families.setdefault(s.name, []).append(s)
    unknown = sum(s.value is None for s in view.series)
    count = f"{len(view.series):,} series" + (f", <span class=warn>{unknown:,} unknown</span>" if unknown else "")
    listed = "".join(_family(name, found) for name, found in families.items())
    return document("Series", bar(view, viewer), f"<h2>Series <small>{count}</small></h2>{listed}")


def _family(name: str, found: list[SeriesView]) -> str:
    ordered = sorted(found, key=lambda s: s.value is not None)
    rows = [[f"<span class=mono>{labels(s.labels) or '&mdash;'}</span>", _value(s)] for s in ordered[:SHOWN]]
    if len(found) > SHOWN:
        rows.append([f"and {len(found) - SHOWN:,} more: /api/status has all", ""])
    unknown = sum(s.value is None for s in found)
    said = f"{len(found):,}" + (f", <span class=warn>{unknown:,} unknown</span>" if unknown else "")
    return f"<details class=box id='{escape(name)}'{' open' if len(found) <= 3 else ''}><summary><code>{escape(name)}</code><small>{said}</small></summary>{table(('labels', 'value'), rows)}</details>"


def _value(series: SeriesView) -> str:
    if series.value is None:
        return "<span class=warn>unknown</span>"
    if series.unit == "timestamp":
        return utc(series.value)
    plain = number(series.value) + ("" if series.unit in ("bool", "count") else f" <small>{escape(series.unit)}</small>")
    read, unit = amount(series.value, series.unit)
    return plain + (f" <small>({escape(read)}{' ' + escape(unit) if unit else ''})</small>" if series.unit in ("ratio", "seconds") else "")


def _problems(problems: Sequence[str]) -> str:
    return f"<div class='note bad'>{''.join(f'<p>{escape(p)}</p>' for p in problems)}</div>" if problems else ""


def _title(view: StatusView) -> str:
    firing = sum(a.state == "firing" for a in view.alerts)
    return f"({firing}) Stakewarden" if firing else "Stakewarden"
