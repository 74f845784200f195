"""The status page as one HTML document: no script, no outside asset, readable on a phone and in the dark."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

from monitor.web.view import AlertView, BeaconState, CollectorView, EndpointView, ReadinessView, SeriesView, StatusView

STYLE = """
:root{color-scheme:light dark;--bad:#b3261e;--warn:#8a5a00;--good:#1b6e3c;--dim:#6a6a6a;--line:#8884}
@media (prefers-color-scheme:dark){:root{--bad:#ff8a80;--warn:#ffcc66;--good:#7bd88f;--dim:#9a9a9a}}
*{box-sizing:border-box}body{font:15px/1.45 system-ui,sans-serif;overflow-wrap:anywhere;margin:0 auto;max-width:1200px;padding:1rem}
h1{font-size:1.3rem;margin:.2rem 0}h2{font-size:1.05rem;margin:1.6rem 0 .4rem}p{margin:.3rem 0}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .8rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:500;color:var(--dim);font-size:.85em}td{overflow-wrap:anywhere}td.k{white-space:nowrap;font-variant-numeric:tabular-nums}
.wide{overflow-x:auto}small,.dim{color:var(--dim)}code{font-size:.9em;overflow-wrap:anywhere}
.bad{color:var(--bad);font-weight:600}.warn{color:var(--warn);font-weight:600}.good{color:var(--good)}
@media (max-width:640px){
table,tbody,tr,td{display:block;width:100%}tr.h{display:none}tr{border-bottom:1px solid var(--line);padding:.45rem 0}
td,td.k{border:0;padding:.05rem 0;white-space:normal}td[data-l]:before{content:attr(data-l) " ";color:var(--dim);font-size:.85em}td:empty{display:none}
}
"""
SHOWN = 10
"""Series of one family that the page lists at most; all are in /api/status."""
RECENT = 10
"""Pauses and ended incidents that the page lists at most."""


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
        f"{_rule_errors(view.rule_errors)}{_alerts(view.alerts)}{_pauses(view.pauses)}{_readiness(view.readiness)}"
        f"{_endpoints(view.endpoints)}{_beacon(view.beacon)}{_deliveries(view)}{_collectors(view.collectors)}{_ended(view.incidents)}{_series(view.series)}</html>"
    )


def utc(timestamp: float | None) -> str:
    """A time for people: UTC to the second. A contract may give any number as a time: what is no date is shown as the number."""
    if timestamp is None:
        return "never"
    try:
        return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"{timestamp:g} (no date)"


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


def _rule_errors(errors: Sequence[str]) -> str:
    if not errors:
        return ""
    return "<h2>Rules that cannot be judged</h2>" + "".join(f"<p class=bad>{escape(e)}</p>" for e in errors)


def _pauses(pauses: Sequence[Mapping[str, Any]]) -> str:
    if not pauses:
        return ""
    rows = []
    for p in pauses[:RECENT]:
        kind = {"verified": "good", "failed": "bad", "refused": "bad", "orphaned": "dim"}.get(p.get("state") or "", "warn")
        mined = f"block {p['mined_number']:,}<br><code>{escape(str(p.get('mined_tx')))}</code>" if p.get("mined_number") is not None else ""
        rows.append(
            [
                f"<b>{escape(str(p.get('target')))}</b>",
                f'<span class="{kind}">{escape(str(p.get("state")))}</span> <small>{escape(str(p.get("mode")))}</small>',
                utc(p.get("decided_at")),
                escape(f"{p.get('rule') or ''}: {p.get('reason') or ''}")
                + (f"<br><b>{escape(str(p['note']))}</b>" if p.get("note") else ""),
                mined,
            ]
        )
    return "<h2>Pauses</h2>" + _table(("target", "state", "decided", "why", "transaction"), rows)


def _readiness(readiness: Sequence[ReadinessView]) -> str:
    if not readiness:
        return "<h2>Guardian</h2><p class=dim>Nothing is known about a guardian: none is configured, or no block was judged yet.</p>"
    said = {True: "<span class=good>ready</span>", False: "<span class=bad>not ready</span>", None: "<span class=warn>unknown</span>"}
    rows = [[f"<b>{escape(r.target)}</b>", escape(r.by), said[r.ready], escape("; ".join(r.failing))] for r in readiness]
    return "<h2>Guardian</h2>" + _table(("target", "pause by", "state", "what fails"), rows)


def _collectors(collectors: Sequence[CollectorView]) -> str:
    """One row a collector; of a blind scope, one row each."""
    rows = []
    for name in dict.fromkeys(c.name for c in collectors):
        scopes = [c for c in collectors if c.name == name]
        seen = [c for c in scopes if not c.blind]
        if seen:
            ages = [c.age_seconds for c in seen if c.age_seconds is not None]
            failing = next((c for c in seen if c.reason), None)
            state = "<span class=good>ok</span>" if failing is None else f"<span class=warn>{escape(failing.status)}</span>"
            rows.append(
                [
                    f"<b>{escape(name)}</b>",
                    _scopes(seen),
                    state,
                    f"{max(ages)} s" if ages else "never",
                    escape(failing.reason if failing else ""),
                ]
            )
        for c in scopes:
            if c.blind:
                age = "never" if c.age_seconds is None else f"{c.age_seconds} s"
                rows.append([f"<b>{escape(name)}</b>", escape(c.scope), "<span class=bad>blind</span>", age, escape(c.reason)])
    rows.sort(key=lambda row: "blind" not in row[2])
    return "<h2>Collectors</h2>" + _table(("collector", "scope", "state", "age", "reason"), rows)


def _scopes(scopes: Sequence[CollectorView]) -> str:
    return escape(scopes[0].scope) if len(scopes) == 1 else f"{len(scopes)} scopes"


def _endpoints(endpoints: Sequence[EndpointView]) -> str:
    rows = [
        [
            f"<b>{escape(e.name)}</b>" + (f" <small>{escape(e.operator)}</small>" if e.operator != e.name else ""),
            "<span class=good>up</span>" if e.up else "<span class=bad>down</span>",
            "unknown" if e.head is None else f"{e.head:,}",
            "unknown" if e.lag is None else f"{e.lag:,}",
            f"{e.errors:,}",
            f"{e.disputes:,}",
            f"<span class=warn>{escape(e.note)}</span>" if e.note else "",
        ]
        for e in endpoints
    ]
    return "<h2>Endpoints</h2>" + _table(("endpoint", "state", "head", "behind", "errors", "disputes", "note"), rows)


def _beacon(beacon: BeaconState | None) -> str:
    if beacon is None:
        return ""
    rows = [
        [
            f"<b>{escape(n.name)}</b>" + (f" <small>{escape(n.operator)}</small>" if n.operator != n.name else ""),
            "<span class=good>up</span>" if n.up else "<span class=bad>down</span>",
            "unknown" if n.head is None else f"{n.head:,}",
            "unknown" if n.lag is None else f"{n.lag:,}",
            f"{n.errors:,}",
            f"<span class=warn>{escape(n.note)}</span>" if n.note else "",
        ]
        for n in beacon.nodes
    ]
    epoch = "none evaluated yet" if beacon.epoch is None else f"epoch {beacon.epoch:,} evaluated"
    waiting = f", {beacon.epochs_behind} more complete" if beacon.epochs_behind else ""
    head = "no agreed head" if beacon.head is None else f"agreed head at slot {beacon.head:,}"
    return f"<h2>Beacon nodes</h2><p>{head}, {epoch}{waiting}</p>" + _table(
        ("node", "state", "head slot", "behind", "errors", "note"), rows
    )


def _deliveries(view: StatusView) -> str:
    """How many messages each receiver took or still owes, and what it said last when one is stuck."""
    if not view.deliveries:
        return ""
    errors: dict[str, str] = {}
    for message in (m for i in view.incidents for m in i.get("messages", ())):
        if message.get("error") and message.get("state") not in ("sent", "superseded"):
            errors.setdefault(str(message.get("receiver")), str(message["error"]))
    rows = []
    for receiver, states in sorted(view.deliveries.items()):
        waiting = sum(n for state, n in states.items() if state not in ("sent", "superseded", "dead"))
        dead = states.get("dead", 0)
        rows.append(
            [
                f"<b>{escape(receiver)}</b>",
                f"{states.get('sent', 0):,}",
                f"<span class=warn>{waiting:,}</span>" if waiting else "0",
                f"<span class=bad>{dead:,}</span>" if dead else "0",
                escape(errors.get(receiver, "")),
            ]
        )
    return "<h2>Messages</h2>" + _table(("receiver", "sent", "waiting", "given up", "last error"), rows)


def _ended(incidents: Sequence[Mapping[str, Any]]) -> str:
    """What was told and is over, newest first: a reader at night sees what came before."""
    over = [i for i in incidents if i.get("closed_at") is not None][:RECENT]
    rows = []
    for i in over:
        names = ", ".join(dict.fromkeys(str(a.get("labels", {}).get("alertname", "")) for a in i.get("alerts", ()))) or _labels(
            i.get("group", {})
        )
        rows.append([f"<b>{escape(names)}</b>", utc(i.get("opened_at")), utc(i.get("closed_at")), escape(str(i.get("outcome") or ""))])
    return "<h2>Over</h2>" + _table(("incident", "told", "ended", "how"), rows) if rows else ""


def _series(series: Sequence[SeriesView]) -> str:
    """The families in order, unknown series first; a family with many is cut, not hidden."""
    families: dict[str, list[SeriesView]] = {}
    for s in series:
        families.setdefault(s.name, []).append(s)
    rows: list[list[str]] = []
    for name, found in families.items():
        found.sort(key=lambda s: s.value is not None)
        rows += [[f"<code>{escape(name)}</code><br><small>{_labels(s.labels)}</small>", _value(s)] for s in found[:SHOWN]]
        if len(found) > SHOWN:
            rows.append([f"<code>{escape(name)}</code><br><small>and {len(found) - SHOWN:,} more: /api/status has all</small>", ""])
    unknown = sum(s.value is None for s in series)
    count = f"{len(series):,} series" + (f", <span class=warn>{unknown:,} unknown</span>" if unknown else "")
    return f"<h2>Signals <small>{count}</small></h2>" + _table(("series", "value"), rows)


def _value(series: SeriesView) -> str:
    if series.value is None:
        return "<span class=warn>unknown</span>"
    if series.unit == "timestamp":
        return utc(series.value)
    return number(series.value) + ("" if series.unit in ("bool", "count") else f" <small>{escape(series.unit)}</small>")


def _labels(labels: Mapping[str, str]) -> str:
    return escape(", ".join(f"{k}={v}" for k, v in labels.items() if k != "alertname"))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows of HTML that is already escaped. On a phone each row is a block, and a cell carries its column's name."""
    header = "".join(f"<th>{h}</th>" for h in head)
    body = "".join(f"<tr>{''.join(_cell(i, h, cell) for i, (h, cell) in enumerate(zip(head, row, strict=True)))}</tr>" for row in rows)
    return f"<div class=wide><table><tr class=h>{header}</tr>{body}</table></div>"


def _cell(index: int, head: str, cell: str) -> str:
    plain = head in ("state", "alert") or index == 0
    kind = (
        " class=k"
        if head in ("state", "since", "value", "decided", "told", "ended", "age", "head", "pause by", "target", "endpoint", "receiver")
        else ""
    )
    return f"<td{kind}>{cell}</td>" if plain or not cell else f'<td{kind} data-l="{head}">{cell}</td>'
