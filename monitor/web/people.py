"""The pages with forms: signing in, and silences."""

from __future__ import annotations

import time
from collections.abc import Sequence
from html import escape

from monitor.web.document import Viewer, bar, document, pill, table, token
from monitor.web.view import SilenceView, StatusView
from monitor.web.words import length, utc

LASTING = {"30 min": 1800, "1 h": 3600, "2 h": 7200, "4 h": 4 * 3600, "8 h": 8 * 3600, "1 d": 86_400, "3 d": 3 * 86_400}
"""How long a silence may last, as offered."""


def sign_in(view: StatusView, viewer: Viewer, following: str = "", problem: str = "", who: str = "") -> str:
    """The form that asks for a name and the token. Without a token in the settings it says that the page is for reading."""
    if not viewer.may:
        said = "This page is for reading only: the settings have no <code>web.token</code>. The command line can acknowledge and silence."
        return document("Sign in", bar(view, viewer), f"<h2>Sign in</h2><p>{said}</p>")
    form = (
        f"<form class=form method=post action=/sign-in><input type=hidden name=next value='{escape(following)}'>"
        f"<label>Your name <small>(it stands in messages and silences)</small><input name=who required maxlength=80 autocomplete=username value='{escape(who)}'></label>"
        "<label>Token <small>(web.token of the settings)</small><input name=token type=password required maxlength=500 autocomplete=current-password></label>"
        "<div><button class=main>Sign in</button></div></form>"
    )
    return document("Sign in", bar(view, viewer), f"<h2>Sign in</h2>{_problem(problem)}{form}")


def silences(
    view: StatusView, viewer: Viewer, matchers: Sequence[str] = (), why: str = "", problem: str = "", now: float | None = None
) -> str:
    """What is silenced, what was, and the form for another one."""
    at = time.time() if now is None else now
    holds = [s for s in view.silences if s.ended_by is None and s.until > at]
    ended = [s for s in view.silences if s not in holds]
    head = ("state", "until", "matchers", "why", "who", "end")
    rows = [
        [
            pill("warn", "silent"),
            f"{utc(s.until)}<br><small>{escape(length(max(0.0, s.until - at)))} left</small>",
            *_words(s),
            _end(s, viewer),
        ]
        for s in holds
    ]
    body = f"<h2>Silences{f' <small>{len(holds)} hold</small>' if holds else ''}</h2>" + _problem(problem)
    body += f"<div class=box>{table(head, rows)}</div>" if rows else "<p class=dim>Nothing is silenced.</p>"
    body += _form(viewer, matchers, why)
    if ended:
        over = [[pill("", "over"), utc(s.until), *_words(s), f"ended by {escape(s.ended_by)}" if s.ended_by else "ran out"] for s in ended]
        body += f"<h2>Over <small>the last day</small></h2><div class=box>{table(('state', 'until', 'matchers', 'why', 'who', 'how'), over)}</div>"
    return document("Silences", bar(view, viewer), body)


def refused(view: StatusView, viewer: Viewer, title: str, problem: str) -> str:
    """A command that was not done, and why."""
    return document(title, bar(view, viewer), f"<h2>{escape(title)}</h2>{_problem(problem)}<p><a href=/>Overview</a></p>")


def _words(silence: SilenceView) -> list[str]:
    chips = "".join(f"<span class=chip>{escape(m)}</span> " for m in silence.matchers)
    return [chips, escape(silence.why), escape(silence.who)]


def _end(silence: SilenceView, viewer: Viewer) -> str:
    if not viewer.who:
        return ""
    hidden = f"{token(viewer)}<input type=hidden name=silence value='{escape(silence.id)}'>"
    return f"<form method=post action=/silences/end>{hidden}<button>End now</button></form>"


def _form(viewer: Viewer, matchers: Sequence[str], why: str) -> str:
    if not viewer.may:
        return "<p class=dim>To silence from here, set <code>web.token</code>; the command line can: <code>stakewarden silences add</code>.</p>"
    if not viewer.who:
        return "<p><a class=button href='/sign-in?next=/silences'>Sign in to silence</a></p>"
    options = "".join(
        f"<option value={seconds}{' selected' if seconds == 7200 else ''}>{word}</option>" for word, seconds in LASTING.items()
    )
    return (
        f"<h2 id=new>Silence alerts</h2><p class=dim>Messages stop; the alert still fires, the page shows it, and it can still lead to a pause.</p>"
        f"<form class=form method=post action=/silences>{token(viewer)}"
        f"<label>Matchers, one a line; all must match<textarea name=matchers rows={max(3, len(matchers))} required maxlength=4000 spellcheck=false class=mono>"
        f"{escape(chr(10).join(matchers))}</textarea></label>"
        f"<label>For how long<select name=seconds>{options}</select></label>"
        f"<label>Why <small>(it stands in the messages)</small><input name=why required maxlength=500 autocomplete=off value='{escape(why)}'></label>"
        "<div><button class=main>Silence</button></div></form>"
    )


def _problem(problem: str) -> str:
    return f"<div class='note bad'><p>{escape(problem)}</p></div>" if problem else ""
