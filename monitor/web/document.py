"""The frame around every page: head, bar, tables. What goes in is HTML that is already escaped, unless said otherwise."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from monitor.web.style import SCRIPT, STYLE
from monitor.web.view import StatusView
from monitor.web.words import clock, length

_SHORT = (
    "state", "since", "value", "decided", "told", "ended", "age", "head", "head slot", "pause by", "target", "endpoint", "node", "receiver",
    "until", "judged", "fired here", "severity",
)  # fmt: skip

_NUMBERS = ("head", "head slot", "behind", "errors", "disputes", "sent", "waiting", "given up")
"""Columns of numbers: they stand under each other by their last digit."""

_PLAIN = ("state", "alert", "what", "risk", "severity", "matchers", "end")
"""Columns whose cells say on a phone what they are, without the column's name."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks. ``who`` is empty for somebody who has not signed in; ``may`` whether signing in is possible at all."""

    who: str = ""
    csrf: str = ""
    may: bool = False


NOBODY = Viewer()


def document(title: str, bar: str, body: str, *, live: bool = False) -> str:
    """A whole page. ``live``: it keeps itself fresh, by script or, without one, by loading itself again."""
    fresh = f"<noscript><meta http-equiv=refresh content=5></noscript><script>{SCRIPT}</script>" if live else ""
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content='width=device-width,initial-scale=1'>"
        f"<title>{escape(title)}</title><style>{STYLE}</style>{fresh}</head><body>"
        f"<header><div class=bar>{bar}</div></header><main>{body}</main></body></html>"
    )


def bar(view: StatusView, viewer: Viewer) -> str:
    """What must be seen at once on every page: how much fires, whether we can be relied on, and of when this is."""
    firing = sum(a.state == "firing" for a in view.alerts)
    fires = f'<span class="pill bad">{firing} firing</span>' if firing else ""
    state = '<span class="pill good">ready</span>' if not view.problems else '<span class="pill bad">not ready</span>'
    when = (
        f"block {view.block:,} &middot; <span>{clock(view.timestamp)}</span>{_ago(view.judged_at)}"
        if view.block is not None and view.timestamp is not None
        else "no block judged yet"
    )
    person = ""
    if viewer.who:
        person = f"<form method=post action=/sign-out>{token(viewer)}<button class=quiet>{escape(viewer.who)}: sign out</button></form>"
    elif viewer.may:
        person = "<a href=/sign-in>Sign in</a>"
    return (
        f"<a class=brand href=/>Stakewarden</a>{fires}{state}<span class='pill bad late'>no answer: this is old</span>"
        f"<span class=when>{escape(view.network)} &middot; {when}</span>"
        f"<nav><a href=/>Overview</a><a href=/silences>Silences</a><a href=/series>Series</a>{person}</nav>"
    )


def _ago(judged_at: float | None) -> str:
    """How old the verdict is; nothing when the clock cannot tell."""
    ago = -1.0 if judged_at is None else time.time() - judged_at
    return f" &middot; <span>judged {length(ago)} ago</span>" if 0 <= ago < 1e9 else ""


def token(viewer: Viewer) -> str:
    """The hidden field without which no form is taken."""
    return f"<input type=hidden name=csrf value='{escape(viewer.csrf)}'>"


def pill(kind: str, text: str) -> str:
    """A word in a coloured field; ``text`` is escaped here."""
    return f'<span class="pill {kind}">{escape(text)}</span>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows of cells. On a phone each row is a block, and a cell carries its column's name."""
    header = "".join(f"<th class=n>{h}</th>" if h in _NUMBERS else f"<th>{h}</th>" for h in head)
    body = "".join(f"<tr>{''.join(_cell(i, h, cell) for i, (h, cell) in enumerate(zip(head, row, strict=True)))}</tr>" for row in rows)
    return f"<table><tr class=h>{header}</tr>{body}</table>"


def _cell(index: int, head: str, cell: str) -> str:
    kind = " class=n" if head in _NUMBERS else " class=k" if head in _SHORT else ""
    return f"<td{kind}>{cell}</td>" if index == 0 or head in _PLAIN or not cell else f'<td{kind} data-l="{head}">{cell}</td>'
