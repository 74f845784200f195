"""The inbox for drills (JSON) and for people (text)."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

from monitor.devnet.slack_workspace import Channel, Message, Workspace

if TYPE_CHECKING:
    from monitor.devnet.inbox import Traffic


def as_json(workspace: Workspace, traffic: Traffic) -> dict[str, Any]:
    """Channels with their messages in order, each in its present form with its thread and the number of its edits."""
    return {
        "channels": [{"id": c.id, "name": c.name, "messages": [_message(c, m) for m in _roots(c)]} for c in workspace.channels.values()],
        "heartbeats": traffic.heartbeats,
        "heartbeat_at": traffic.heartbeat_at,
        "requests": dict(traffic.requests),
        "rejected": traffic.rejected,
    }


def as_text(workspace: Workspace, traffic: Traffic) -> str:
    """What a person in the channel would see."""
    lines: list[str] = []
    for channel in workspace.channels.values():
        roots = _roots(channel)
        lines += [f"#{channel.name}: {len(roots)} message{'s' * (len(roots) != 1)}   heartbeats: {traffic.heartbeats}", "=" * 78]
        for message in roots:
            lines += [*_lines(message), *(f"    ↳ {line}" for reply in channel.thread(message.ts) for line in _lines(reply)), "-" * 78]
    return "\n".join(lines) + "\n"


def blocks_text(blocks: list[Any]) -> str:
    """Blocks as plain text: marks kept, entities and links read."""
    return "\n".join(part for block in blocks if (part := _block_text(block)))


def _roots(channel: Channel) -> list[Message]:
    return [m for m in channel.messages if m.thread_ts is None and not m.deleted]


def _message(channel: Channel, message: Message) -> dict[str, Any]:
    own = {
        "ts": message.ts,
        "text": message.text,
        "blocks": message.blocks,
        "metadata": message.metadata,
        "edits": len(message.edits),
        "history": message.edits,
        "broadcast": message.broadcast,
    }
    return own | ({"thread": [_message(channel, m) for m in channel.thread(message.ts)]} if message.thread_ts is None else {})


def _lines(message: Message) -> list[str]:
    return (blocks_text(message.blocks) or _read(message.text)).splitlines()


def _block_text(block: dict[str, Any]) -> str:
    if block["type"] == "divider":
        return ""
    if block["type"] == "header":
        return str(block["text"]["text"])  # plain text has no entities
    texts = [block["text"]] if "text" in block else []
    return "\n".join(
        _read(t["text"]) for t in [*texts, *block.get("fields", []), *block.get("elements", [])] if isinstance(t.get("text"), str)
    )


def _read(mrkdwn: str) -> str:
    return html.unescape(re.sub(r"<(https?://[^|>]+)(?:\|([^>]+))?>", r"\1", mrkdwn))
