"""What can be relied on: what is unknown and why, the brake, endpoints and beacon nodes, messages, and what each rule watches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from monitor.web.document import pill, table
from monitor.web.incidents import RECENT
from monitor.web.view import BeaconState, CollectorView, CoverageView, EndpointView, NodeView, ReadinessView, StatusView
from monitor.web.words import clock, length, utc


def unknown(view: StatusView) -> str:
    """What cannot be known now, and why; said too when there is nothing."""
    rows = [
        [
            pill("bad", "blind"),
            f"<b>{escape(c.name)}</b> <small>{escape(c.scope)}</small>",
            escape("never" if c.age_seconds is None else length(c.age_seconds)),
            escape(c.reason or ("not read yet" if c.age_seconds is None else "nothing new came")),
        ]
        for c in view.collectors
        if c.blind
    ]
    named = [c.rule for c in view.coverage]
    broken = [[pill("bad", "rule"), escape(e), "", ""] for e in view.rule_errors if not e.startswith(tuple(f"{rule}: " for rule in named))]
    unjudged = [c for c in view.coverage if c.error or c.outcome == "unknown"]
    broken += [[pill("bad", "rule"), _named(c), "", escape(c.error)] for c in unjudged if c.error]
    waiting = [[_named(c), escape(_why(c))] for c in unjudged if not c.error]
    parts = [
        f"<h2 id=unknown>Unknown <small>{len(rows) + len(unjudged):,}</small></h2>"
        if rows or unjudged or broken
        else "<h2 id=unknown>Unknown</h2>"
    ]
    if rows or broken:
        parts.append(f"<div class=box>{table(('state', 'what', 'age', 'why'), [*broken, *rows])}</div>")
    if waiting:
        said = "1 rule cannot be judged" if len(waiting) == 1 else f"{len(waiting):,} rules cannot be judged"
        said += "<small>none of them resolves an alert or leads to a pause</small>"
        parts.append(f"<details class=box id=unjudged><summary>{said}</summary>{table(('rule', 'why'), waiting)}</details>")
    if len(parts) == 1:
        fine = view.block is not None
        said = "Nothing is unknown: every scope was read, every rule was judged." if fine else "No block was judged yet."
        parts.append(f"<p class={'good' if fine else 'dim'}>{said}</p>")
    return "".join(parts)


def _named(rule: CoverageView) -> str:
    return f"<b>{escape(rule.name)}</b> <small>{escape(rule.protocol)}</small>"


def _why(rule: CoverageView) -> str:
    """Why a rule without an error cannot be judged."""
    return f"looks back {length(rule.reach)}: not all of that is known" if rule.reach else "what it needs is not known"


# ---------------------------------------------------------------- the brake


def guardian(readiness: Sequence[ReadinessView], pauses: Sequence[Mapping[str, Any]]) -> str:
    if not readiness:
        said = "Nothing is known about a guardian: none is configured, or no block was judged yet."
        return f"<h2>Guardian</h2><p class=dim>{said}</p>{pause_list(pauses)}"
    said_of = {True: pill("good", "ready"), False: pill("bad", "not ready"), None: pill("warn", "unknown")}
    rows = [
        [
            f"<b>{escape(r.target)}</b>",
            escape(r.by),
            said_of[r.ready],
            "<br>".join(escape(f) for f in r.failing) or "a pause would work now",
        ]
        for r in readiness
    ]
    return f"<h2>Guardian</h2><div class=box>{table(('target', 'pause by', 'state', 'why'), rows)}</div>{pause_list(pauses)}"


def pause_list(pauses: Sequence[Mapping[str, Any]]) -> str:
    """What was paused, on whose word, and the transaction; nothing when nothing was."""
    rows = []
    for p in pauses[:RECENT]:
        kind = {"verified": "good", "reported": "good", "failed": "bad", "refused": "bad", "orphaned": ""}.get(p.get("state") or "", "warn")
        mined = (
            f"block {p['mined_number']:,}<br><code class=hash>{escape(str(p.get('mined_tx')))}</code>"
            if p.get("mined_tx") is not None
            else ""
        )
        until = f"<br><small>until {utc(p['resumes_timestamp'])}</small>" if p.get("resumes_timestamp") is not None else ""
        rows.append(
            [
                f"<b>{escape(str(p.get('target')))}</b>",
                f"{pill(kind, str(p.get('state')))} <small>{escape(str(p.get('mode')))}</small>{until}",
                utc(p.get("decided_at")),
                escape(f"{p.get('rule') or ''}: {p.get('reason') or ''}")
                + (f"<br><b>{escape(str(p['note']))}</b>" if p.get("note") else ""),
                mined,
            ]
        )
    return f"<h3>Pauses</h3><div class=box>{table(('target', 'state', 'decided', 'why', 'transaction'), rows)}</div>" if rows else ""


# ---------------------------------------------------------------- endpoints


def endpoints(found: Sequence[EndpointView]) -> str:
    head = ("endpoint", "state", "head", "behind", "errors", "disputes", "note")
    rows = [[*_node(e), f"{e.errors:,}", f"{e.disputes:,}", _note(e.note)] for e in found]
    return f"<h2>Endpoints</h2><div class=box>{table(head, rows)}</div>"


def beacon(state: BeaconState | None) -> str:
    if state is None:
        return ""
    epoch = "no epoch evaluated yet" if state.epoch is None else f"epoch {state.epoch:,} evaluated"
    waiting = f", {state.epochs_behind} more complete" if state.epochs_behind else ""
    head = "no agreed head" if state.head is None else f"agreed head at slot {state.head:,}"
    rows = [[*_node(n), f"{n.errors:,}", _note(n.note)] for n in state.nodes]
    columns = ("node", "state", "head slot", "behind", "errors", "note")
    return f"<h2>Beacon nodes <small>{head}, {epoch}{waiting}</small></h2><div class=box>{table(columns, rows)}</div>"


def _node(n: EndpointView | NodeView) -> list[str]:
    return [
        f"<b>{escape(n.name)}</b>" + (f" <small>{escape(n.operator)}</small>" if n.operator != n.name else ""),
        pill("good", "up") if n.up else pill("bad", "down"),
        "unknown" if n.head is None else f"{n.head:,}",
        "unknown" if n.lag is None else f"{n.lag:,}",
    ]


def _note(text: str) -> str:
    return f"<span class=warn>{escape(text)}</span>" if text else ""


def deliveries(view: StatusView) -> str:
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
    return f"<h2>Messages</h2><div class=box>{table(('receiver', 'sent', 'waiting', 'given up', 'last error'), rows)}</div>"


# ---------------------------------------------------------------- coverage


def coverage(view: StatusView) -> str:
    """Which rule watches which risk, what it came to when it was judged last, when it fired here; and what nothing watches."""
    parts = [f"<h2>Coverage <small>{view.rules} rules</small></h2>"]
    if view.uncovered:
        lines = "".join(f"<li>{escape(line)}</li>" for line in view.uncovered)
        parts.append(f"<div class='note warn'><p><b>Not watched</b></p><ul>{lines}</ul></div>")
    for protocol in dict.fromkeys(c.protocol for c in view.coverage):
        of = [c for c in view.coverage if c.protocol == protocol]
        rows = [[f"<b>{escape(c.name)}</b>", escape(c.zone), escape(c.severity), _outcome(c), _judged(c), _fired(c)] for c in of]
        words = ", ".join(f"{n} {word}" for word in ("true", "unknown", "waiting", "false") if (n := sum(c.outcome == word for c in of)))
        words = words.replace("true", "firing or pending").replace("false", "quiet")
        listed = table(("rule", "risk", "severity", "state", "judged", "fired here"), rows)
        parts.append(
            f"<details class=box id='coverage-{escape(protocol)}'><summary>{escape(protocol)}<small>{len(of)} rules: {words}</small></summary>{listed}</details>"
        )
    return "".join(parts)


def _outcome(c: CoverageView) -> str:
    if c.error:
        return f"{pill('bad', 'error')} {escape(c.error)}"
    return {"true": pill("bad", "true"), "unknown": pill("warn", "unknown"), "waiting": pill("", "waiting")}.get(
        c.outcome, pill("good", "quiet")
    )


def _judged(c: CoverageView) -> str:
    return "never" if c.judged_block is None else f"block {c.judged_block:,}, {clock(c.judged_timestamp)}"


def _fired(c: CoverageView) -> str:
    return (
        "<span class=dim>never</span>"
        if c.fired_at is None
        else f"{utc(c.fired_at)}" + (f" <small>{c.fired_times:,} times</small>" if c.fired_times > 1 else "")
    )


def collectors(found: Sequence[CollectorView]) -> str:
    """One row a collector; of a blind scope, one row each."""
    rows = [row for name in dict.fromkeys(c.name for c in found) for row in _collector(name, [c for c in found if c.name == name])]
    rows.sort(key=lambda row: "blind" not in row[2])
    blind = sum(c.blind for c in found)
    said = f"{len(found):,} scopes, " + (f"<span class=bad>{blind} blind</span>" if blind else "none blind")
    head = ("collector", "scope", "state", "age", "reason")
    return f"<details class=box id=collectors><summary>Collectors<small>{said}</small></summary>{table(head, rows)}</details>"


def _collector(name: str, scopes: Sequence[CollectorView]) -> Iterable[list[str]]:
    seen = [c for c in scopes if not c.blind]
    if seen:
        ages = [c.age_seconds for c in seen if c.age_seconds is not None]
        failing = next((c for c in seen if c.reason), None)
        state = pill("good", "ok") if failing is None else pill("warn", failing.status)
        where = escape(seen[0].scope) if len(seen) == 1 else f"{len(seen)} scopes"
        yield [
            f"<b>{escape(name)}</b>",
            where,
            state,
            escape(length(max(ages)) if ages else "never"),
            escape(failing.reason if failing else ""),
        ]
    for c in (c for c in scopes if c.blind):
        age = "never" if c.age_seconds is None else length(c.age_seconds)
        yield [f"<b>{escape(name)}</b>", escape(c.scope), pill("bad", "blind"), escape(age), escape(c.reason)]
