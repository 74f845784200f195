"""Incidents as responders read them: what broke, since when, the evidence, how fast it was told, who has it, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import urlencode

from monitor.alerts.body import latency_line
from monitor.rules.runbooks import page_of
from monitor.web.document import Viewer, pill, table, token
from monitor.web.view import AlertView, SilenceView, StatusView
from monitor.web.words import clock, labels, length, limit, number, prose, said, utc

SEVERITIES = ("page", "ticket", "info")
KINDS = {"page": "bad", "ticket": "warn", "info": "info"}
SHOWN = 8
"""Alerts of one incident that the overview tells in full; its own page has all."""
RECENT = 10
"""Incidents that are over, and pauses, that the overview lists."""
SILENCED_BY = (
    "alertname", "protocol", "contract", "role", "venue", "operator", "oracle", "target", "collector", "endpoint", "node",
)  # fmt: skip
"""Labels of an incident's first alert that the form for a silence begins with."""
NOT_EVIDENCE = ("alertname", "severity", "zone", "owner", "protocol", "seq")


def sections(view: StatusView, viewer: Viewer) -> str:
    """Open incidents first, the most urgent on top; then what fires untold and what is about to fire."""
    opened = sorted((i for i in view.incidents if i.get("closed_at") is None), key=_urgency)
    live = {a.episode: a for a in view.alerts if a.episode}
    count = f"{len(opened)} open" if opened else ""
    cards = "".join(card(i, live, viewer) for i in opened)
    quiet = "<div class='note good'><p class=good>No incident is open.</p></div>" if view.block is not None else ""
    named = {str(a.get("episode")) for i in opened for a in i.get("alerts", ())}
    return f"<h2>Incidents <small>{count}</small></h2>{cards or quiet}{_untold([a for a in view.alerts if a.episode not in named], view.silences)}"


def card(incident: Mapping[str, Any], live: Mapping[str, AlertView], viewer: Viewer, *, alone: bool = False) -> str:
    """One incident. ``live`` has what its alerts are at this moment, by episode. ``alone``: on its own page, with all its alerts."""
    shown = None if alone else SHOWN
    alerts = sorted(incident.get("alerts", ()), key=lambda a: (a.get("state") != "firing", _severity(a), a.get("since_timestamp") or 0))
    worst = _worst(incident)
    parts = [_head(incident, alerts, worst)]
    parts += [_alert(a, live.get(str(a.get("episode"))), len(alerts) == 1) for a in alerts[:shown]]
    if shown is not None and len(alerts) > shown:
        parts.append(f"<p class=alert><a href='{_page_of(incident)}'>and {len(alerts) - shown:,} more alerts</a></p>")
    parts += [_pause(pause) for pause in incident.get("pauses", ())]
    parts += [_way(incident, alerts), _taken(incident), _messages(incident), _acts(incident, alerts, viewer, alone)]
    kind = "over" if incident.get("closed_at") is not None else worst if worst in SEVERITIES else ""
    return f"<article class='inc {kind}' id='{_anchor(incident)}'>{''.join(parts)}</article>"


def _head(incident: Mapping[str, Any], alerts: Sequence[Mapping[str, Any]], worst: str) -> str:
    own = [a.get("labels") or {} for a in alerts]
    words = [", ".join(sorted({str(o.get(key, "")) for o in own} - {""})[:3]) for key in ("protocol", "zone")]
    where = " &middot; ".join(escape(w) for w in words if w)
    over = pill("good", str(incident.get("outcome") or "over")) if incident.get("closed_at") is not None else ""
    who = incident.get("acknowledged_by")
    taken = pill("good", f"taken by {who}") if who else "" if over else pill("bad" if worst == "page" else "warn", "not taken")
    return f"<div class=top>{pill(KINDS.get(worst, ''), worst or 'alert')}{over}<span>{where}</span><span class=grow></span>{taken}</div>"


def _alert(alert: Mapping[str, Any], now: AlertView | None, only: bool) -> str:
    """``only``: the incident's state is its state, and is said already."""
    own, notes = dict(alert.get("labels") or {}), dict(alert.get("annotations") or {})
    state = str(alert.get("state") or "")
    ended = "" if state == "firing" or only else " " + pill("good", state)
    unknown = alert.get("unknown_since") if now is None else now.unknown_since
    blind = f" {pill('warn', f'not known since block {unknown:,}')}" if state == "firing" and unknown is not None else ""
    name = str(own.get("alertname") or alert.get("rule") or "")
    facts = [*_value(alert, now), ("since", _since(alert, now))]
    if alert.get("ended_number") is not None:
        facts.append(("ended", f"block {alert['ended_number']:,}, {utc(alert.get('ended_timestamp'))}"))
    runbook = str(notes.get("runbook_url") or notes.get("runbook") or "")
    if runbook:
        facts.append(("runbook", link(runbook)))
    listed = "".join(f"<dt>{k}</dt><dd>{v}</dd>" for k, v in facts)
    chips = "".join(f"<span class=chip><i>{escape(k)}</i> {escape(str(v))}</span>" for k, v in own.items() if k not in NOT_EVIDENCE)
    more = str(notes.get("description") or "")
    description = f"<p class=dim>{prose(more)}</p>" if more else ""
    return (
        f"<div class=alert><p class=say>{escape(str(notes.get('summary') or name))}</p><h4 class=dim>{escape(name)}{ended}{blind}</h4>"
        f"<dl class=facts>{listed}</dl><div class=chips>{chips}</div>{description}</div>"
    )


def _pause(pause: Mapping[str, Any]) -> str:
    """What may be paused or is, what that means, and what to type."""
    title = str(pause["title"])
    facts = "".join(f"<dt>{escape(fact['name'])}</dt><dd>{escape(fact['text'])}</dd>" for fact in pause["facts"])
    typed = "".join(f"<dt>{escape(c['for'])}</dt><dd><code>{escape(c['command'])}</code></dd>" for c in pause["commands"])
    return f"<div class='alert pause'><p class=say>{escape(title[:1].upper() + title[1:])}</p><dl class=facts>{facts}{typed}</dl></div>"


def _value(alert: Mapping[str, Any], now: AlertView | None) -> list[tuple[str, str]]:
    """The value against what it is compared with, or, of an event, nothing: its labels are the evidence."""
    if now is None or not now.threshold:
        return [] if now is None or now.value == 1 else [("value", escape(number(now.value)))]
    if now.unit == "bool":
        return []
    return [("value", f"<b>{escape(said(now.value, now.unit))}</b> <span class=dim>alert {escape(_limit(now))}</span>")]


def _since(alert: Mapping[str, Any], now: AlertView | None) -> str:
    block, at = alert.get("since_number"), alert.get("since_timestamp")
    lasts = f" <span class=dim>&middot; true for {escape(length(now.for_seconds))}</span>" if now is not None and now.for_seconds else ""
    return f"block {block:,}, {utc(at)}{lasts}" if isinstance(block, int) else f"{utc(at)}{lasts}"


def latency(incident: Mapping[str, Any]) -> str:
    """``block 14:03:11 → seen +0.3 s → judged +0.1 s → sent +0.6 s → acknowledged +2 min``; empty before anything was judged."""
    alerts = [a for a in incident.get("alerts", ()) if a.get("seen_at") is not None and a.get("judged_at") is not None]
    if not alerts:
        return ""
    first = min(alerts, key=lambda a: (a["since_timestamp"], str(a.get("episode"))))
    sent = [m["sent_at"] for m in incident.get("messages", ()) if m.get("sent_at") is not None]
    steps = {"block_at": first["since_timestamp"], "seen_at": first["seen_at"], "judged_at": first["judged_at"]}
    more = {"sent_at": min(sent, default=None), "acknowledged_at": incident.get("acknowledged_at")}
    return latency_line({"latency": steps | more})


def _way(incident: Mapping[str, Any], alerts: Sequence[Mapping[str, Any]]) -> str:
    line = latency(incident)
    if not line:
        return ""
    steps = (step.partition(" ") for step in line.split(" → "))
    return "<ol class=way>" + "".join(f"<li>{escape(word)}<b>{escape(rest)}</b></li>" for word, _, rest in steps) + "</ol>"


def _taken(incident: Mapping[str, Any]) -> str:
    taken = incident.get("acknowledgements") or ()
    return "".join(
        f"<p><b>{escape(str(a.get('who')))}</b> took it at {clock(a.get('at'))}"
        + (f": {escape(str(a['why']))}" if a.get("why") else "")
        + "</p>"
        for a in taken
    )


def _messages(incident: Mapping[str, Any]) -> str:
    """Whether those who should know were told, when it is not so."""
    stuck = [m for m in incident.get("messages", ()) if m.get("state") not in ("sent", "superseded")]
    if not incident.get("announced", True):
        return "<p class=dim>Not told yet: it waits for others of its group.</p>"
    on_the_way = sorted({str(m.get("receiver")) for m in stuck if m.get("state") in ("owed", "sending") and not m.get("error")})
    lines = {
        f"{m.get('receiver')}: {m.get('state')}" + (f", {m['error']}" if m.get("error") else "")
        for m in stuck
        if m.get("error") or str(m.get("receiver")) not in on_the_way
    }
    told = f"<p class=dim>On the way to {escape(', '.join(on_the_way))}</p>" if on_the_way else ""
    return told + "".join(f"<p class=warn>Not told to {escape(line)}</p>" for line in sorted(lines))


def _acts(incident: Mapping[str, Any], alerts: Sequence[Mapping[str, Any]], viewer: Viewer, alone: bool) -> str:
    """What can be done about it; on its own page the form below takes it, and nothing leads to where one is."""
    here = escape(str(incident.get("id") or ""))
    details = "" if alone else f"<a href='{_page_of(incident)}'>Incident {here[:8]}</a>"
    if incident.get("closed_at") is not None or not viewer.may:
        return f"<div class=acts>{details}</div>" if details else ""
    if not viewer.who:
        return f"<div class=acts><a class=button href='/sign-in?next=/incidents/{here}'>Sign in to take it</a>{details}</div>"
    own = dict((alerts[0].get("labels") if alerts else None) or {})
    matchers = [("matcher", f'{k}="{_quoted(str(v))}"') for k, v in own.items() if k in SILENCED_BY]
    silence = f"<a class=button href='/silences?{escape(urlencode(matchers))}#new'>Silence&hellip;</a>"
    hidden = f"{token(viewer)}<input type=hidden name=incident value='{here}'>"
    form = f"<form method=post action=/acknowledge>{hidden}<button class=main>{_take(incident)}</button></form>"
    take = form if not alone and _may_take(incident, viewer) else ""
    return f"<div class=acts>{take}{silence}{details}</div>"


def note_form(incident: Mapping[str, Any], viewer: Viewer) -> str:
    """The form on an incident's own page: taking it with a word on what is being done."""
    if not _may_take(incident, viewer):
        return ""
    here = escape(str(incident.get("id") or ""))
    return (
        f"<h2>Take it</h2><form class=form method=post action=/acknowledge>{token(viewer)}<input type=hidden name=incident value='{here}'>"
        "<label>What you are doing about it <small>(it stands in the message)</small><input name=why maxlength=500 autocomplete=off></label>"
        f"<div><button class=main>{_take(incident)}</button></div></form>"
    )


def _may_take(incident: Mapping[str, Any], viewer: Viewer) -> bool:
    """Somebody who signed in, what is open and told, and not theirs already."""
    is_open = incident.get("closed_at") is None and bool(incident.get("announced", True))
    return bool(viewer.who) and is_open and incident.get("acknowledged_by") != viewer.who


def _take(incident: Mapping[str, Any]) -> str:
    return "I take it over" if incident.get("acknowledged_by") else "I take it"


def _untold(alerts: Sequence[AlertView], silences: Sequence[SilenceView]) -> str:
    if not alerts:
        return ""
    rows = []
    for a in sorted(alerts, key=lambda a: (a.state != "firing", a.severity != "page", a.since_timestamp)):
        why = _muted(a.muted, silences) if a.muted else "its condition must hold longer" if a.state == "pending" else "waits for its group"
        since = f"block {a.since_block:,}" if a.since_block is not None else utc(a.since_timestamp)
        unknown = f" {pill('warn', f'not known since block {a.unknown_since:,}')}" if a.unknown_since is not None else ""
        value = escape(said(a.value, a.unit)) + (f"<br><small>alert {escape(_limit(a))}</small>" if a.threshold else "")
        rows.append(
            [
                f"{pill(KINDS.get(a.severity, '') if a.state == 'firing' else '', a.state)} <small>{escape(a.severity)}</small>",
                f"<b>{escape(a.name)}</b>{unknown}<br>{escape(a.summary)}<br><small>{labels(a.labels, NOT_EVIDENCE)}</small>",
                f"{since}<br><small>true for {escape(length(a.for_seconds))}</small>",
                value,
                escape(why),
            ]
        )
    return f"<h2>Not told <small>what is pending, silenced or inhibited</small></h2><div class=box>{table(('state', 'alert', 'since', 'value', 'why'), rows)}</div>"


def _muted(by: tuple[str, str], silences: Sequence[SilenceView]) -> str:
    """Who or what keeps it from being told."""
    kind, name = by
    if kind != "silence":
        return f"{name} says it already"
    found = next((s for s in silences if s.id == name), None)
    return "silenced" if found is None else f"silenced by {found.who} until {clock(found.until)}: {found.why}"


def _limit(alert: AlertView) -> str:
    """What its value is compared with, in words."""
    op, _, value = alert.threshold.partition(" ")
    return limit(op, float(value), alert.unit)


def over(incidents: Iterable[Mapping[str, Any]]) -> str:
    """What was told and is over, newest first: a reader at night sees what came before."""
    ended = [i for i in incidents if i.get("closed_at") is not None][:RECENT]
    rows = []
    for i in ended:
        names = ", ".join(dict.fromkeys(str((a.get("labels") or {}).get("alertname", "")) for a in i.get("alerts", ()))) or labels(
            i.get("group") or {}
        )
        title = f"<a href='{_page_of(i)}'><b>{escape(names)}</b></a>"
        lasted = length(float(i["closed_at"]) - float(i.get("opened_at") or i["closed_at"]))
        rows.append(
            [
                title,
                utc(i.get("opened_at")),
                escape(lasted),
                escape(str(i.get("outcome") or "")),
                escape(str(i.get("acknowledged_by") or "")),
            ]
        )
    if not rows:
        return ""
    return f"<h2>Over</h2><div class=box>{table(('incident', 'told', 'lasted', 'how it ended', 'taken by'), rows)}</div>"


def link(address: str) -> str:
    """A runbook's place: a link where it is a web address, or a path whose file this page shows; else text."""
    place = address if address.startswith(("https://", "http://")) else page_of(address)
    return f"<code>{escape(address)}</code>" if place is None else f"<a href='{escape(place)}'>{escape(address)}</a>"


def _severity(alert: Mapping[str, Any]) -> int:
    word = (alert.get("labels") or {}).get("severity", "")
    return SEVERITIES.index(word) if word in SEVERITIES else len(SEVERITIES)


def _rank(incident: Mapping[str, Any]) -> int:
    return min((_severity(a) for a in incident.get("alerts", ()) if a.get("state") == "firing"), default=len(SEVERITIES))


def _urgency(incident: Mapping[str, Any]) -> tuple[int, bool, float]:
    """The worst first, of those what nobody has, of those what broke first: a cause stands above what follows from it."""
    return _rank(incident), bool(incident.get("acknowledged_by")), float(incident.get("opened_at") or 0)


def _worst(incident: Mapping[str, Any]) -> str:
    firing = [a for a in incident.get("alerts", ()) if a.get("state") == "firing"] or list(incident.get("alerts", ()))
    rank = min((_severity(a) for a in firing), default=len(SEVERITIES))
    return SEVERITIES[rank] if rank < len(SEVERITIES) else str((firing[0].get("labels") or {}).get("severity", "")) if firing else ""


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _page_of(incident: Mapping[str, Any]) -> str:
    return "/incidents/" + escape(str(incident.get("id") or ""))


def _anchor(incident: Mapping[str, Any]) -> str:
    return "incident-" + escape(str(incident.get("id") or ""))
