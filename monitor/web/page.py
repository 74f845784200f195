"""The status page as one HTML document: no script, no outside asset, readable on a phone and in the dark."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape

from monitor.web.view import AlertView, CollectorView, EndpointView, ReadinessView, SeriesView, StatusView

STYLE = """
:root{color-scheme:light dark;--bad:#b3261e;--warn:#8a5a00;--good:#1b6e3c;--dim:#6a6a6a;--line:#8884}
@media (prefers-color-scheme:dark){:root{--bad:#ff8a80;--warn:#ffcc66;--good:#7bd88f;--dim:#9a9a9a}}
body{font:15px/1.45 system-ui,sans-serif;margin:0 auto;max-width:1100px;padding:1rem}
h1{font-size:1.3rem;margin:.2rem 0}h2{font-size:1.05rem;margin:1.6rem 0 .4rem}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.25rem .6rem .25rem 0;border-bottom:1px solid var(--line);vertical-align:top}
td.n{font-variant-numeric:tabular-nums;text-align:right}.wrap{overflow-x:auto}small,.dim{color:var(--dim)}
.bad{color:var(--bad);font-weight:600}.warn{color:var(--warn);font-weight:600}.good{color:var(--good)}
details summary{cursor:pointer}code{font-size:.9em;overflow-wrap:anywhere}
"""


def render(view: StatusView) -> str:
    """The whole document. Every value is escaped: chain data is written by strangers."""
    block = (
        f"block {view.block:,} of {utc(view.timestamp)}" if view.block is not None and view.timestamp is not None else "no block judged yet"
    )
    state = '<b class="good">ready</b>' if not view.problems else '<b class="bad">not ready</b>'
    problems = "".join(f'<p class="bad">{escape(p)}</p>' for p in view.problems)
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width,initial-scale=1'>"
        f"<meta http-equiv=refresh content=5><title>{_title(view)}</title><style>{STYLE}</style>"
        f"<h1>Stakewarden <small>{escape(view.network)}</small></h1><p>{state} &middot; {block} &middot; {view.rules} rules</p>{problems}"
        f"{_alerts(view.alerts)}{_pauses(view.pauses)}{_readiness(view.readiness)}{_collectors(view.collectors)}"
        f"{_endpoints(view.endpoints)}{_series(view.series)}</html>"
    )


def utc(timestamp: float | None) -> str:
    """A time for people: UTC to the second."""
    return "never" if timestamp is None else datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def number(value: float | None) -> str:
    """A sample for people; None is said, never shown as zero."""
    if value is None:
        return "unknown"
    if not math.isfinite(value) or value == 0:
        return str(value) if value else "0"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.4f}" if 1e-3 <= abs(value) < 1e9 else f"{value:.6g}"


def _title(view: StatusView) -> str:
    firing = sum(a.state == "firing" for a in view.alerts)
    return f"({firing}) Stakewarden" if firing else "Stakewarden"


def _alerts(alerts: Sequence[AlertView]) -> str:
    if not alerts:
        return "<h2>Alerts</h2><p class=good>None is firing or pending.</p>"
    rows = []
    for a in sorted(alerts, key=lambda a: (a.state != "firing", a.severity != "page", a.since_timestamp)):
        kind = "bad" if a.state == "firing" and a.severity == "page" else "warn"
        unknown = f" <span class=warn>not known since block {a.unknown_since:,}</span>" if a.unknown_since is not None else ""
        since = f"block {a.since_block:,}" if a.since_block is not None else utc(a.since_timestamp)
        rows.append(
            [
                f'<span class="{kind}">{a.state}</span><br><small>{escape(a.severity)}</small>',
                f"<b>{escape(a.name)}</b>{unknown}<br>{escape(a.summary)}<br><small>{_labels(a.labels)}</small>",
                f"{since}<br><small>true for {a.for_seconds:,} s</small>",
                number(a.value),
                f"<code>{escape(a.runbook)}</code>",
            ]
        )
    return "<h2>Alerts</h2>" + _table(("state", "alert", "since", "value", "runbook"), rows)


def _pauses(pauses: Sequence[Mapping[str, object]]) -> str:
    if not pauses:
        return ""
    rows = [[escape(str(p.get(k) if p.get(k) is not None else "")) for k in ("target", "state", "mode", "reason", "mined_number", "mined_tx")] for p in pauses]
    return "<h2>Pauses</h2>" + _table(("target", "state", "mode", "why", "block", "transaction"), rows)


def _readiness(readiness: Sequence[ReadinessView]) -> str:
    if not readiness:
        return "<h2>Guardian</h2><p class=dim>No guardian is configured: nothing can be paused from here.</p>"
    rows = [
        [
            escape(r.target),
            escape(r.by),
            "<span class=good>ready</span>" if r.ready else "<span class=bad>not ready</span>",
            escape("; ".join(r.failing)),
        ]
        for r in readiness
    ]
    return "<h2>Guardian</h2>" + _table(("target", "pause by", "state", "what fails"), rows)


def _collectors(collectors: Sequence[CollectorView]) -> str:
    rows = [
        [
            escape(c.name),
            escape(c.scope),
            "<span class=bad>blind</span>" if c.blind else f"<span class=good>{escape(c.status)}</span>",
            "" if c.age_seconds is None else f"{c.age_seconds} s",
            escape(c.reason),
        ]
        for c in collectors
    ]
    return "<h2>Collectors</h2>" + _table(("collector", "scope", "state", "age", "reason"), rows)


def _endpoints(endpoints: Sequence[EndpointView]) -> str:
    rows = [
        [
            f"{escape(e.name)}<br><small>{escape(e.operator)}</small>",
            "<span class=good>up</span>" if e.up else "<span class=bad>down</span>",
            "" if e.head is None else f"{e.head:,}",
            "" if e.lag is None else f"{e.lag}",
            f"{e.errors:,}",
            f"{e.disputes:,}",
            escape(e.note),
        ]
        for e in endpoints
    ]
    return "<h2>Endpoints</h2>" + _table(("endpoint", "state", "head", "behind", "errors", "disputes", ""), rows)


def _series(series: Sequence[SeriesView]) -> str:
    rows = [[f"<code>{escape(s.name)}</code><br><small>{_labels(s.labels)}</small>", _value(s), escape(s.unit)] for s in series]
    return f"<h2>Signals</h2><details open><summary>{len(rows)} series</summary>" + _table(("series", "value", "unit"), rows) + "</details>"


def _value(series: SeriesView) -> str:
    if series.value is None:
        return "<span class=warn>unknown</span>"
    return utc(series.value) if series.unit == "timestamp" else number(series.value)


def _labels(labels: Mapping[str, str]) -> str:
    return escape(", ".join(f"{k}={v}" for k, v in labels.items() if k != "alertname"))


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Rows of HTML that is already escaped."""
    header = "".join(f"<th>{h}</th>" for h in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<div class=wrap><table><tr>{header}</tr>{body}</table></div>"
