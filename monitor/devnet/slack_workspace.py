"""A Slack workspace in memory: channels, messages, threads, edits, as the Web API shows them to one bot."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from monitor.devnet.slack_rules import (
    METHODS,
    TEXT_MAX,
    TS,
    UPDATE_TEXT_MAX,
    SlackError,
    arguments,
    bad_arguments,
    check_blocks,
    check_metadata,
)

BOT = {"user_id": "U0STAKEWDN", "bot_id": "B0STAKEWDN", "team_id": "T0DEVNET", "team": "Devnet", "user": "stakewarden"}
ALL_SCOPES = ("chat:write", "channels:history", "channels:read")


@dataclass
class Message:
    """One message; ``edits`` holds the texts that it had before."""

    ts: str
    text: str
    blocks: list[Any]
    metadata: dict[str, Any] | None
    user: str
    thread_ts: str | None = None
    broadcast: bool = False
    edits: list[str] = field(default_factory=list)
    edited_at: str | None = None
    deleted: bool = False

    def shown(self, all_metadata: bool, replies: int = 0) -> dict[str, Any]:
        """As conversations.history shows it."""
        found: dict[str, Any] = {"type": "message", "ts": self.ts, "text": self.text, "user": self.user}
        if self.user == BOT["user_id"]:
            found |= {"bot_id": BOT["bot_id"], "team": BOT["team_id"]}
        if self.blocks:
            found["blocks"] = self.blocks
        if self.metadata:
            found["metadata"] = self.metadata if all_metadata else {"event_type": self.metadata["event_type"]}
        if self.edited_at:
            found["edited"] = {"user": self.user, "ts": self.edited_at}
        if self.thread_ts or replies:
            found["thread_ts"] = self.thread_ts or self.ts
        if self.thread_ts and self.broadcast:
            found["subtype"] = "thread_broadcast"
        return found | ({"reply_count": replies} if replies else {})


@dataclass
class Channel:
    """One public channel."""

    id: str
    name: str
    member: bool = True
    archived: bool = False
    messages: list[Message] = field(default_factory=list)

    def message(self, ts: str) -> Message | None:
        return next((m for m in self.messages if m.ts == ts and not m.deleted), None)

    def thread(self, ts: str) -> list[Message]:
        return [m for m in self.messages if m.thread_ts == ts and not m.deleted]


class Workspace:
    """The methods. Each takes checked arguments and returns the answer without ``ok``; raises SlackError."""

    def __init__(
        self, token: str, channels: Mapping[str, str], scopes: tuple[str, ...] = ALL_SCOPES, posts_a_second: float | None = None
    ) -> None:
        self.token, self.scopes = token, scopes
        self.channels = {id: Channel(id, name) for id, name in channels.items()}
        self.posts_a_second = posts_a_second
        self._last_ts = 0
        self._posted: dict[str, list[float]] = {}

    def call(self, method: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Any method. The names of methods are Slack's, with a dot."""
        if method not in METHODS:
            raise SlackError("unknown_method", req_method=method)
        needed = METHODS[method]["scopes"]
        if needed and not set(needed) & set(self.scopes):
            raise SlackError("missing_scope", needed=needed[-1], provided=",".join(self.scopes))
        found = arguments(method, given)
        answer: dict[str, Any] = getattr(self, method.replace(".", "_"))(found)
        return answer

    # ------------------------------------------------------------ methods

    def auth_test(self, _: Mapping[str, Any]) -> dict[str, Any]:
        return {"url": "https://devnet.slack.com/", **BOT, "is_enterprise_install": False}

    def api_test(self, given: Mapping[str, Any]) -> dict[str, Any]:
        if given.get("error"):
            raise SlackError(str(given["error"]))
        return {}

    def chat_postMessage(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802 (Slack's name)
        channel = self._postable(given["channel"])
        self._limit(channel)
        text, warnings = given.get("text", ""), []
        self._check_content(given, text)
        if len(text) > TEXT_MAX:
            text, warnings = text[:TEXT_MAX], ["message_truncated"]
        thread = given.get("thread_ts")
        if thread is not None:
            root = channel.message(thread)
            if root is None or root.thread_ts is not None:
                raise SlackError("cannot_reply_to_message")
        elif given.get("reply_broadcast"):
            raise bad_arguments("reply_broadcast needs thread_ts")
        metadata = given.get("metadata") or None
        message = Message(
            self._next_ts(), text, given.get("blocks", []), metadata, BOT["user_id"], thread, bool(given.get("reply_broadcast"))
        )
        channel.messages.append(message)
        more: dict[str, Any] = {"response_metadata": {"warnings": warnings}} if warnings else {}
        return {"channel": channel.id, "ts": message.ts, "message": message.shown(True), **more}

    def chat_update(self, given: Mapping[str, Any]) -> dict[str, Any]:
        channel = self._channel(given["channel"])
        message = channel.message(given["ts"])
        if message is None:
            raise SlackError("message_not_found")
        if message.user != BOT["user_id"]:
            raise SlackError("cant_update_message")
        text = given.get("text", message.text)
        if len(text) > UPDATE_TEXT_MAX:
            raise SlackError("msg_too_long")
        self._check_content({"blocks": message.blocks, **given}, text)
        message.edits.append(message.text)
        message.text = text
        message.blocks = given.get("blocks", message.blocks)
        if "metadata" in given:
            message.metadata = given["metadata"] or None
        message.edited_at = self._next_ts()
        return {"channel": channel.id, "ts": message.ts, "text": text, "message": message.shown(True)}

    def chat_delete(self, given: Mapping[str, Any]) -> dict[str, Any]:
        channel = self._channel(given["channel"])
        message = channel.message(given["ts"])
        if message is None:
            raise SlackError("message_not_found")
        message.deleted = True
        return {"channel": channel.id, "ts": message.ts}

    def chat_getPermalink(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802 (Slack's name)
        channel = self._channel(given["channel"])
        if channel.message(given["message_ts"]) is None:
            raise SlackError("message_not_found")
        where = f"https://devnet.slack.com/archives/{channel.id}/p{given['message_ts'].replace('.', '')}"
        return {"channel": channel.id, "permalink": where}

    def conversations_info(self, given: Mapping[str, Any]) -> dict[str, Any]:
        channel = self._channel(given["channel"])
        own = {"id": channel.id, "name": channel.name, "is_channel": True, "is_private": False}
        return {"channel": {**own, "is_archived": channel.archived, "is_member": channel.member}}

    def conversations_history(self, given: Mapping[str, Any]) -> dict[str, Any]:
        channel = self._readable(given["channel"])
        shown = [m for m in reversed(channel.messages) if not m.deleted and (m.thread_ts is None or m.broadcast)]
        return self._page(channel, [m for m in shown if self._within(m, given)], given, 100)

    def conversations_replies(self, given: Mapping[str, Any]) -> dict[str, Any]:
        channel = self._readable(given["channel"])
        root = channel.message(given["ts"])
        if root is None:
            raise SlackError("thread_not_found")
        shown = [root, *(m for m in channel.thread(root.thread_ts or root.ts) if self._within(m, given))]
        return self._page(channel, shown, given, 1000)

    # ------------------------------------------------------------ parts

    def _check_content(self, given: Mapping[str, Any], text: str) -> None:
        blocks = given.get("blocks", [])
        if not text and not blocks and not given.get("attachments"):
            raise SlackError("no_text")
        check_blocks(blocks)
        if given.get("metadata"):
            check_metadata(given["metadata"])

    def _channel(self, name: str) -> Channel:
        if name not in self.channels:
            raise SlackError("channel_not_found")
        return self.channels[name]

    def _postable(self, name: str) -> Channel:
        by_name = {f"#{c.name}": c for c in self.channels.values()} | {c.name: c for c in self.channels.values()}
        channel = by_name.get(name) or self._channel(name)
        if channel.archived:
            raise SlackError("is_archived")
        if not channel.member and "chat:write.public" not in self.scopes:
            raise SlackError("not_in_channel")
        return channel

    def _readable(self, name: str) -> Channel:
        channel = self._channel(name)
        if not channel.member:
            raise SlackError("not_in_channel")
        return channel

    def _limit(self, channel: Channel) -> None:
        """A post a second and channel, after a burst of five."""
        if self.posts_a_second is None:
            return
        now = time.monotonic()
        recent = [at for at in self._posted.get(channel.id, []) if now - at < 5 / self.posts_a_second]
        if len(recent) >= 5:
            raise SlackError("rate_limited", _status=429, _headers={"Retry-After": "1"})
        self._posted[channel.id] = [*recent, now]

    def _within(self, message: Message, given: Mapping[str, Any]) -> bool:
        at, inclusive = float(message.ts), bool(given.get("inclusive"))
        for key in ("oldest", "latest"):
            if given.get(key) and not TS.fullmatch(given[key]) and not given[key].isdigit():
                raise SlackError(f"invalid_ts_{key}")
        oldest, latest = float(given.get("oldest") or 0), float(given.get("latest") or 1e12)
        return (oldest <= at <= latest) if inclusive else (oldest < at < latest)

    def _page(self, channel: Channel, messages: list[Message], given: Mapping[str, Any], default: int) -> dict[str, Any]:
        start, limit = 0, max(1, min(999, given.get("limit") or default))
        if given.get("cursor"):
            try:
                start = int(base64.b64decode(given["cursor"], validate=True).decode().removeprefix("next:"))
            except ValueError:
                raise SlackError("invalid_cursor") from None
        part, more = messages[start : start + limit], start + limit < len(messages)
        full = bool(given.get("include_all_metadata"))
        cursor = base64.b64encode(f"next:{start + limit}".encode()).decode() if more else ""
        shown = [m.shown(full, len(channel.thread(m.ts))) for m in part]
        return {"messages": shown, "has_more": more, "response_metadata": {"next_cursor": cursor}}

    def _next_ts(self) -> str:
        self._last_ts = max(self._last_ts + 1, time.time_ns() // 1000)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"
