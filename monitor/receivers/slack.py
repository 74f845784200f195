"""Slack: one message an incident, edited in place, with its history as replies in the thread.

Each message carries metadata with the delivery's id, so that it can be looked up after an attempt of unknown outcome. The SDK's own
retries are off: they post again when the connection drops after Slack has accepted the message.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import aiohttp
import structlog
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from monitor.model import Delivery, Receipt, Refused, Unavailable, Unsure
from monitor.model.secret_settings import one_of, secret
from monitor.receivers.post import refusing
from monitor.receivers.slack_errors import CANNOT_READ, NO_EDIT, NO_THREAD, PAYLOAD, code_of, meaning, remedy_of
from monitor.receivers.slack_message import SlackMessage, render

log = structlog.get_logger()
EVENT_TYPE = "stakewarden_notification"
SCOPES = ("chat:write",)
READ_SCOPES = ("channels:history", "groups:history")
_NETWORK = (aiohttp.ClientError, TimeoutError, OSError)


class SlackSettings(BaseModel):
    """Where and how to post. ``channel`` is the channel's id; the bot must be a member of it, with ``chat:write`` and the history scope.

    ``settle_seconds``: how long a request whose answer never came may still arrive. ``when_blind``: what to do after an unknown
    outcome when the token cannot read the channel: send again (at least once) or wait for a person (at most once).
    ``posts_a_second``: Slack takes about one a second and channel, and 50 edits and look-ups a minute; raise it for the embedded chain alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    kind: Literal["slack"] = "slack"
    name: str = "slack"
    token: SecretStr | None = None
    token_file: Path | None = None
    channel: str = Field(pattern=r"^[CGD][A-Z0-9]{2,}$")
    base_url: str = "https://slack.com/api/"
    proxy: SecretStr | None = None
    timeout_seconds: float = Field(default=10.0, gt=0, le=60)
    settle_seconds: float = Field(default=30.0, ge=0, le=600)
    lookback_seconds: float = Field(default=60.0, ge=10, le=3600)
    when_blind: Literal["resend", "hold"] = "resend"
    posts_a_second: float = Field(default=1.0, gt=0)

    @model_validator(mode="after")
    def _one_token(self) -> SlackSettings:
        one_of("token", self.token, self.token_file)
        return self

    @refusing()
    def secret(self) -> str:
        """The bot token. Raises Refused with the remedy when the file cannot be read or holds something else."""
        found = secret("token", self.token, self.token_file) or ""
        if not found.startswith("xoxb-") or not found.isascii() or any(c.isspace() for c in found):
            raise Refused("the Slack token is not a bot token", "it begins with xoxb-: see OAuth & Permissions of the app", True)
        return found


class Bucket:
    """At most ``rate`` a second, after a burst of ``burst``."""

    def __init__(self, rate: float, burst: int) -> None:
        self.rate, self.burst = rate, float(burst)
        self.left, self.at = float(burst), time.monotonic()
        self.lock = asyncio.Lock()

    async def take(self) -> None:
        async with self.lock:
            now = time.monotonic()
            self.left = min(self.burst, self.left + (now - self.at) * self.rate)
            self.at = now
            if self.left < 1:
                await asyncio.sleep((1 - self.left) / self.rate)
                self.left, self.at = 1.0, time.monotonic()
            self.left -= 1


class SlackReceiver:
    """A ``model.Receiver``. Slack's limits: about one post a second and channel, and 50 edits a minute."""

    def __init__(self, settings: SlackSettings, now: Callable[[], float] = time.time) -> None:
        self.name = settings.name
        self._settings = settings
        self._now = now
        rate = settings.posts_a_second
        self._posts, self._edits, self._reads = Bucket(rate, 3), Bucket(0.8 * rate, 5), Bucket(0.8 * rate, 5)
        self._made: AsyncWebClient | None = None

    def __repr__(self) -> str:
        return f"SlackReceiver(name={self.name!r}, channel={self._settings.channel!r})"

    # ------------------------------------------------------------ model.Receiver

    async def deliver(self, delivery: Delivery) -> Receipt:
        """Post, edit or reply. Raises Unavailable, Unsure or Refused."""
        message = render(delivery.body)
        if delivery.kind == "note":
            return await self._reply(delivery, message)
        if delivery.remote is None:
            return await self._post(delivery, message)
        return await self._edit(delivery, message)

    async def find(self, delivery: Delivery) -> Receipt | None:
        """The delivery's message if it is there. None: certainly not. Raises Unsure while it may still arrive."""
        if delivery.attempted_at is None:
            return None
        try:
            found = await self._search(delivery)
        except SlackApiError as error:
            if code_of(error) in CANNOT_READ:
                self._blind(delivery, error)
                return None
            raise meaning(error, "looking for the message") from None
        except _NETWORK as error:
            raise Unavailable(f"looking for the message: {type(error).__name__}") from None
        if found is not None or (delivery.kind != "note" and delivery.remote is not None):
            return found  # an edit can be made again: twice is the same as once
        waited = self._now() - delivery.attempted_at
        if waited < self._settings.settle_seconds:
            raise Unsure(f"not there after {waited:.1f} s, but the request may still arrive")
        return None

    async def check(self) -> dict[str, Any]:
        """Who the token is and whether it can do its work: ``team``, ``bot``, ``scopes``, ``warnings``. Raises Refused with the remedy."""
        try:
            who = await self._client().auth_test()
            warnings = self._scope_problems(str(who.headers.get("x-oauth-scopes") or ""))
            try:
                await self._client().conversations_history(channel=self._settings.channel, limit=1)
            except SlackApiError as error:
                if code_of(error) != "missing_scope":
                    raise
                warnings.append(f"{remedy_of(error)}: without it, a message whose outcome is unknown is sent again")
        except SlackApiError as error:
            raise meaning(error, f"Slack ({self.name})") from None
        except _NETWORK as error:
            raise Unavailable(f"Slack ({self.name}) cannot be reached: {type(error).__name__}") from None
        scopes = [s.strip() for s in str(who.headers.get("x-oauth-scopes") or "").split(",") if s.strip()]
        return {"team": who.get("team"), "bot": who.get("user"), "scopes": scopes, "warnings": warnings}

    # ------------------------------------------------------------ the three ways to tell

    async def _post(self, delivery: Delivery, message: SlackMessage) -> Receipt:
        await self._posts.take()
        return await self._say(delivery, message, self._client().chat_postMessage, "posting", {"channel": self._settings.channel})

    async def _reply(self, delivery: Delivery, message: SlackMessage) -> Receipt:
        channel, thread = self._place(delivery)
        await self._posts.take()
        where = {"channel": channel, "thread_ts": thread, "reply_broadcast": bool(delivery.body["note"]["broadcast"])}
        try:
            return await self._say(delivery, message, self._client().chat_postMessage, "replying", where, let_pass=NO_THREAD)
        except SlackApiError as error:
            log.warning("slack.thread_is_gone", receiver=self.name, incident=delivery.incident, error=code_of(error))
            return await self._post(delivery, message)

    async def _edit(self, delivery: Delivery, message: SlackMessage) -> Receipt:
        channel, ts = self._place(delivery)
        await self._edits.take()
        try:
            return await self._say(
                delivery, message, self._client().chat_update, "editing", {"channel": channel, "ts": ts}, let_pass=NO_EDIT
            )
        except SlackApiError as error:
            log.warning("slack.message_is_gone", receiver=self.name, incident=delivery.incident, error=code_of(error))
            return await self._post(delivery, message)

    async def _say(
        self,
        delivery: Delivery,
        message: SlackMessage,
        call: Callable[..., Any],
        doing: str,
        where: Mapping[str, Any],
        let_pass: frozenset[str] = frozenset(),
    ) -> Receipt:
        """One call, with blocks; without them when Slack refuses the blocks. Errors in ``let_pass`` are the caller's."""
        shape: dict[str, Any] = {"text": message.text, "metadata": _metadata(delivery)}
        shape |= {"unfurl_links": False, "unfurl_media": False} if "ts" not in where else {}
        try:
            try:
                answer = await call(**where, **shape, blocks=list(message.blocks))
            except SlackApiError as error:
                if code_of(error) not in PAYLOAD:
                    raise
                log.error("slack.blocks_refused", receiver=self.name, delivery=delivery.id, error=str(meaning(error, doing)))
                answer = await call(**where, **shape, **({"blocks": []} if "ts" in where else {}))
        except SlackApiError as error:
            if code_of(error) in let_pass:
                raise
            raise await self._failure(delivery, error, doing) from None
        except _NETWORK as error:
            raise meaning(error, doing) from None
        return Receipt(f"{answer['channel']}:{answer['ts']}", self._now())

    async def _failure(self, delivery: Delivery, error: SlackApiError, doing: str) -> Exception:
        """After an answer that leaves the outcome open, nothing is under way any more: looking once settles it."""
        said = meaning(error, doing)
        if not isinstance(said, Unsure) or delivery.attempted_at is None:
            return said
        try:
            there = await self._search(delivery)
        except (SlackApiError, *_NETWORK):
            return said
        return said if there is not None else Unavailable(str(said))

    # ------------------------------------------------------------ looking up

    async def _search(self, delivery: Delivery) -> Receipt | None:
        if delivery.kind == "note" and delivery.remote is not None:
            channel, thread = self._place(delivery)
            try:
                found = await self._match(
                    delivery, channel, self._pages(self._client().conversations_replies, delivery, channel, ts=thread)
                )
            except SlackApiError as error:
                if code_of(error) not in NO_THREAD:
                    raise
                found = None
            if found is not None:
                return found
        channel = self._settings.channel
        return await self._match(delivery, channel, self._pages(self._client().conversations_history, delivery, channel))

    async def _pages(self, call: Callable[..., Any], delivery: Delivery, channel: str, **more: str) -> AsyncIterator[Mapping[str, Any]]:
        oldest = f"{max(0.0, (delivery.attempted_at or 0.0) - self._settings.lookback_seconds):.6f}"
        cursor: str | None = None
        while True:
            await self._reads.take()
            page = await call(channel=channel, oldest=oldest, inclusive=True, include_all_metadata=True, limit=100, cursor=cursor, **more)
            for message in page.get("messages") or ():
                yield message
            cursor = (page.get("response_metadata") or {}).get("next_cursor") or None
            if cursor is None:
                return

    async def _match(self, delivery: Delivery, channel: str, messages: AsyncIterator[Mapping[str, Any]]) -> Receipt | None:
        async for message in messages:
            metadata = message.get("metadata") or {}
            payload = metadata.get("event_payload") or {}
            if metadata.get("event_type") != EVENT_TYPE:
                continue
            if payload.get("delivery_id") == delivery.id:
                return Receipt(f"{channel}:{message['ts']}", float(message["ts"]))
        return None

    def _blind(self, delivery: Delivery, error: SlackApiError) -> None:
        """The token cannot read the channel, so nobody can say. Raises Unsure unless the settings say to send again."""
        if self._settings.when_blind == "hold":
            raise Unsure(f"looking for the message: {code_of(error)}; {remedy_of(error)}")
        log.warning("slack.cannot_look", receiver=self.name, delivery=delivery.id, error=code_of(error), remedy=remedy_of(error))

    # ------------------------------------------------------------ small things

    def _client(self) -> AsyncWebClient:
        if self._made is None:
            s = self._settings
            self._made = AsyncWebClient(token=s.secret(), base_url=s.base_url, timeout=s.timeout_seconds, retry_handlers=[])  # type: ignore[arg-type]
            # The SDK would take a proxy from the environment, also for a local address.
            self._made.proxy = s.proxy.get_secret_value() if s.proxy else None
        return self._made

    def _place(self, delivery: Delivery) -> tuple[str, str]:
        channel, _, ts = (delivery.remote or "").partition(":")
        return channel, ts

    def _scope_problems(self, granted: str) -> list[str]:
        scopes = {s.strip() for s in granted.split(",")}
        if not granted:
            return []
        missing = [s for s in SCOPES if s not in scopes]
        if missing:
            raise Refused(f"the Slack token has no scope {', '.join(missing)}", "add it to the app and install the app again", fatal=True)
        if not scopes & set(READ_SCOPES):
            return [f"the token has none of the scopes {', '.join(READ_SCOPES)}: a message whose outcome is unknown is sent again"]
        return []


def _metadata(delivery: Delivery) -> dict[str, Any]:
    payload = {"delivery_id": delivery.id, "incident_id": delivery.incident, "rev": delivery.revision, "note": delivery.kind == "note"}
    return {"event_type": EVENT_TYPE, "event_payload": payload}
