"""What Slack's answers mean for a message that is owed: try later, nobody knows, the destination is wrong, or the message is.

The error codes are those of Slack's method pages for chat.postMessage, chat.update and conversations.history.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError

from monitor.model import Refused, Unavailable, Unsure
from monitor.model.secrecy import veiled

LIMITED = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
LATER = frozenset({"service_unavailable", "team_added_to_org"})
HALF_DONE = frozenset({"internal_error", "fatal_error", "request_timeout"})
"""Answers after which the message may be there all the same."""
PAYLOAD = frozenset(
    {
        "invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long", "no_text", "invalid_metadata_format",
        "invalid_metadata_schema", "metadata_too_large", "too_many_attachments", "markdown_text_conflict", "block_mismatch",
        "invalid_arguments",
    }
)  # fmt: skip
NO_EDIT = frozenset({"cant_update_message", "message_not_found", "edit_window_closed", "update_failed"})
NO_THREAD = frozenset({"cannot_reply_to_message", "thread_not_found", "message_not_found", "restricted_action_thread_locked"})
CANNOT_READ = frozenset({"missing_scope", "not_in_channel", "channel_is_limited_access", "not_allowed_token_type"})
"""Answers to a look-up that say that this token will never be able to look there."""

_NEW_CREDENTIALS = "make a new bot token (xoxb-...) for the app and put it into the settings"
_REMEDIES = {
    "invalid_auth": _NEW_CREDENTIALS,
    "not_authed": _NEW_CREDENTIALS,
    "account_inactive": _NEW_CREDENTIALS,
    "token_revoked": _NEW_CREDENTIALS,
    "token_expired": _NEW_CREDENTIALS,
    "not_allowed_token_type": "use the bot token (xoxb-...), not a user or app token",
    "channel_not_found": "use the channel's id (C...), and invite the app if the channel is private",
    "not_in_channel": "invite the app to the channel: /invite @stakewarden",
    "is_archived": "unarchive the channel or name another one in the settings",
    "messages_tab_disabled": "send to a channel, not to the app's own tab",
    "ekm_access_denied": "ask the workspace's administrators: their key management denies the app",
    "no_permission": "ask the workspace's administrators to allow the app to post in this channel",
    "app_access_restricted": "ask the workspace's administrators to approve the app",
}


def code_of(error: SlackApiError) -> str:
    """Slack's error code, or the HTTP status when the answer was not Slack's JSON."""
    found = _data(error).get("error")
    return veiled(str(found))[:200] if found else f"http_{status_of(error)}"


def status_of(error: SlackApiError) -> int:
    return int(getattr(error.response, "status_code", 0) or 0)


def meaning(error: BaseException, doing: str) -> Unavailable | Unsure | Refused:
    """The same failure in the words of the outbox. ``Refused`` is fatal unless the message itself is at fault."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return Unavailable(f"{doing}: no connection ({type(error).__name__})")
    if not isinstance(error, SlackApiError):
        return Unsure(f"{doing}: {type(error).__name__}")
    code = code_of(error)
    if status_of(error) == 429 or code in LIMITED:
        return Unavailable(f"{doing}: {code}", retry_after(error))
    if code in LATER:
        return Unavailable(f"{doing}: {code}")
    if code in HALF_DONE or code.startswith("http_") or status_of(error) >= 500:
        return Unsure(f"{doing}: {code}")
    if code in PAYLOAD:
        return Refused(f"{doing}: {code}{_details(error)}", "this is a bug of Stakewarden's message: please report it", fatal=False)
    return Refused(f"{doing}: {code}{_details(error)}", remedy_of(error), fatal=True)


def remedy_of(error: SlackApiError) -> str:
    """What a person can do about it."""
    code = code_of(error)
    if code == "missing_scope":
        return f"add the bot scope {_data(error).get('needed', 'that is missing')} to the app and install it again"
    if code.startswith("restricted_action"):
        return "allow the app to post in this channel (channel settings, posting permissions)"
    return _REMEDIES.get(code, f"see Slack's documentation of the error {code}")


def retry_after(error: SlackApiError) -> float:
    """Seconds that Slack asks to wait; a second when it does not say."""
    headers = getattr(error.response, "headers", None) or {}
    found = next((v for k, v in headers.items() if k.lower() == "retry-after"), "1")
    try:
        return min(3600.0, max(0.0, float(found)))
    except (TypeError, ValueError):
        return 1.0


def _details(error: SlackApiError) -> str:
    said = _data(error).get("errors") or (_data(error).get("response_metadata") or {}).get("messages")
    return f" ({'; '.join(str(s) for s in said[:3])})" if isinstance(said, list) and said else ""


def _data(error: SlackApiError) -> Mapping[str, Any]:
    found = getattr(error.response, "data", error.response)
    return found if isinstance(found, Mapping) else {}
