"""An incident's account as a Slack message: blocks within Slack's limits, and the plain text that must always go with them.

Names, labels and annotations may hold text from the chain, which anybody can write: everything is cleaned and escaped
before it is cut, cut never inside an entity, and links are made only from what looks like a plain web address.
Limits of Block Kit: header 150, section 3000, 50 blocks (ours are lower, since Slack may count UTF-16 units); all text of a message stays below 8,000 characters,
since Slack's own total is undocumented (about 12,000).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitor.alerts.body import CLOSED_WORDS, clock, latency_line, moment, span

HEADER_LIMIT = 140
SECTION_LIMIT = 2900
TEXT_LIMIT = 1500
TOTAL_LIMIT = 7500
MAX_SECTIONS = 10
MAX_PAUSES = 3
PAUSE_LIMIT = 1800
SIGNS = {"page": "🚨", "ticket": "⚠️", "info": "ℹ️"}
CLOSED_SIGNS = {"resolved": "✅", "expired": "⌛", "retracted": "↩️", "withdrawn": "✖️", "closed": "✅"}
Block = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SlackMessage:
    """``text`` is for notifications and screen readers, and is all that is sent when Slack refuses the blocks."""

    text: str
    blocks: tuple[Block, ...]


def render(body: Mapping[str, Any]) -> SlackMessage:
    """The message of an incident, or the thread reply when the body has a note."""
    return _note(body) if body["note"] else _incident(body)


def escape(text: str) -> str:
    """For mrkdwn: no mention, link or entity can be made from the text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def cut(escaped: str, limit: int) -> str:
    """At most ``limit`` characters of escaped text, with an ellipsis, and never half an entity."""
    if len(escaped) <= limit:
        return escaped
    return re.sub(r"&[a-z]{0,4}$", "", escaped[: limit - 1]) + "…"


def clean(text: str, newlines: bool = False) -> str:
    """Without control, direction and surrogate characters; line breaks become spaces unless they are wanted."""
    if not newlines:
        text = " ".join(text.split())
    return "".join(c for c in text if c.isprintable() or (newlines and c == "\n"))


def _line(text: str, limit: int) -> str:
    return cut(escape(clean(text)), limit)


def _incident(body: Mapping[str, Any]) -> SlackMessage:
    sign = _sign(body)
    header = cut(f"{sign} {clean(body['title'])}", HEADER_LIMIT)
    blocks: list[Block] = [{"type": "header", "text": {"type": "plain_text", "text": header, "emoji": False}}]
    status = _status(body)
    foot = f"{latency_line(body)}\n{_own_page(body)}"
    pauses = [cut(_pause(pause), PAUSE_LIMIT) for pause in body.get("pauses", ())[:MAX_PAUSES]]  # not in messages of before there were any
    left = TOTAL_LIMIT - len(header) - len(status) - len(foot) - sum(map(len, pauses)) - 100
    blocks.append(_section(status))
    sections: list[Block] = []
    more = body["more"]
    for index, alert in enumerate(body["alerts"]):
        text = _alert(alert, alone=len(body["alerts"]) == 1)
        if index and (len(sections) == MAX_SECTIONS or len(text) > left):
            more += len(body["alerts"]) - index
            break
        sections.append(_section(cut(text, min(SECTION_LIMIT, max(100, left)))))
        left -= len(text)
    # What may be done stands below the worst alert and above what else fires.
    sections[1:1] = [_section(text) for text in pauses]
    blocks += [block for section in sections for block in ({"type": "divider"}, section)]
    if more:
        blocks.append(_context(f"… and {more} more alert{'s' * (more != 1)} of this incident"))
    blocks.append(_context(foot))
    return SlackMessage(
        cut(f"{sign} {escape(clean(body['title']))} · {status.splitlines()[0].replace('*', '')}", TEXT_LIMIT), tuple(blocks)
    )


def _note(body: Mapping[str, Any]) -> SlackMessage:
    lines = [_line(line, 400) for line in body["note"]["lines"]]
    text = cut("\n".join(lines), SECTION_LIMIT)
    if body["state"] != "firing" or body["note"]["broadcast"]:
        text = f"{_sign(body)} {text}"
    text = text.strip() or "(nothing that can be shown)"
    return SlackMessage(cut(text, TEXT_LIMIT), (_section(text),))


def _own_page(body: Mapping[str, Any]) -> str:
    """The incident's name, and its page on the status page, whose address is from the settings."""
    page = body.get("page")  # not in messages that were owed before there was one
    return f"incident `{body['incident'][:8]}`" + (f" · {_link(page)}" if page else "")


def _sign(body: Mapping[str, Any]) -> str:
    return SIGNS.get(body["severity"], "🔔") if body["state"] == "firing" else CLOSED_SIGNS.get(body["state"], "✅")


def _status(body: Mapping[str, Any]) -> str:
    """First line: state, severity, protocol, zone. Then who has it."""
    word = "Firing" if body["state"] == "firing" else CLOSED_WORDS[body["state"]].capitalize()
    firing, told = body["firing"], len(body["alerts"]) + body["more"]
    count = f" ({firing} of {told})" if body["state"] == "firing" and told > 1 else ""
    parts = [f"*{word}*{count}", *(_line(body[key], 100) for key in ("severity", "protocol", "zone") if body[key])]
    lines = [" · ".join(parts)]
    if body["acknowledged"]:
        lines.append(f"Acknowledged by {_line(body['acknowledged']['who'], 100)} at {moment(body['acknowledged']['at'])}")
    return "\n".join(lines)


def _alert(alert: Mapping[str, Any], alone: bool) -> str:
    """One alert: what broke with its numbers, since when, the evidence, and where the runbook is."""
    lines = [] if alone else [f"*{_line(alert['summary'], 300)}*"]
    if alert["description"]:
        lines.append(cut(escape(clean(alert["description"], newlines=True)), 1500))
    lines.append(_times(alert))
    if alert["labels"]:
        lines.append(" ".join(f"`{_code(k, 60)}={_code(v, 120)}`" for k, v in sorted(alert["labels"].items())[:12]))
    facts = [
        f"value `{_code(alert['value'], 40)}`",
        f"evidence `{_code(alert['evidence'], 66)[:18]}`",
        f"rule `{_code(alert['rule'], 120)}`",
    ]
    lines.append(" · ".join(facts))
    who = [f"runbook {_link(alert['runbook'])}"] if alert["runbook"] else []
    who += [f"owner {_line(alert['owner'], 100)}"] if alert["owner"] else []
    if who:
        lines.append(" · ".join(who))
    if alert["silenced"]:
        s = alert["silenced"]
        lines.append(f"🔕 silenced by {_line(s['who'], 100)} until {moment(s['until'])}: {_line(s['why'], 300)}")
    return "\n".join(lines)


def _pause(pause: Mapping[str, Any]) -> str:
    """What may be paused or is, what that means, and what to type."""
    title = _line(pause["title"], 400)
    lines = [f"⏸️ *{title[:1].upper()}{title[1:]}*"]
    lines += [f"*{_line(fact['name'], 40)}* {_line(fact['text'], 450)}" for fact in pause["facts"]]
    lines += [f"*{_line(each['for'], 60)}* `{_code(each['command'], 200)}`" for each in pause["commands"]]
    return "\n".join(lines)


def _times(alert: Mapping[str, Any]) -> str:
    since = alert["since"]
    said = f"since block *{since['block']}* ({moment(since['at'])})"
    if alert["ended"]:
        word = CLOSED_WORDS[alert["state"]]
        return f"{said} · *{word}* at block {alert['ended']['block']} ({clock(alert['ended']['at'])}), after {_after(alert)}"
    if alert["unknown_since"] is not None:
        return f"{said} · ❔ *not known since block {alert['unknown_since']}*: it may still be so, or not"
    return said


def _after(alert: Mapping[str, Any]) -> str:
    return span(max(0, alert["ended"]["at"] - alert["since"]["at"]))


def _code(text: str, limit: int) -> str:
    return _line(text.replace("`", "ʼ"), limit)


def _link(url: str) -> str:
    """A link for a plain web address; anything else is shown as text, so that nothing is hidden behind a label."""
    found = clean(url)
    if re.fullmatch(r"https?://[^\s<>|\"'`\\]{1,1000}", found):
        return f"<{escape(found)}>"
    return f"`{_code(found, 300)}`"


def _section(text: str) -> Block:
    # verbatim: Slack must not turn addresses and channel names inside the text into links of their own.
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def _context(text: str) -> Block:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text, "verbatim": True}]}
