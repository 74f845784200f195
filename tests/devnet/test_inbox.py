"""The fake Slack refuses what Slack refuses, and misbehaves as told: each way is asked for with a plain HTTP client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from monitor.devnet.inbox import CHANNEL, TOKEN, Inbox
from monitor.devnet.slack_rules import METHODS, mrkdwn_fault


@pytest.fixture
async def inbox() -> AsyncIterator[Inbox]:
    async with Inbox() as inbox:
        yield inbox


class Caller:
    """Calls methods as the SDK does: JSON for chat, the query for conversations."""

    def __init__(self, inbox: Inbox, session: aiohttp.ClientSession) -> None:
        self.inbox, self.session = inbox, session

    async def __call__(self, method: str, token: str | None = TOKEN, wait: float = 2.0, **given: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        limit = aiohttp.ClientTimeout(total=wait)
        if METHODS.get(method, {}).get("http") == "GET":
            query = {k: str(v) for k, v in given.items()}
            answer = await self.session.get(self.inbox.base_url + method, params=query, headers=headers, timeout=limit)
        else:
            answer = await self.session.post(self.inbox.base_url + method, json=given, headers=headers, timeout=limit)
        found: dict[str, Any] = await answer.json()
        return found | {"status": answer.status, "retry_after": answer.headers.get("Retry-After")}


@pytest.fixture
async def call(inbox: Inbox) -> AsyncIterator[Caller]:
    async with aiohttp.ClientSession() as session:
        yield Caller(inbox, session)


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"text": ""}, "no_text"),
        ({"channel": "C404", "text": "x"}, "channel_not_found"),
        ({"text": "x", "colour": "red"}, "invalid_arguments"),
        ({"text": 5}, "invalid_arguments"),
        ({"text": "x", "unfurl_links": "maybe"}, "invalid_arguments"),
        ({"text": "x", "thread_ts": "1.000000"}, "cannot_reply_to_message"),
        ({"text": "x", "reply_broadcast": True}, "invalid_arguments"),
        ({"text": "x", "blocks": {"type": "divider"}}, "invalid_blocks_format"),
        ({"text": "x", "blocks": [{"type": "table"}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "divider", "color": 1}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
        ({"text": "x", "blocks": [section("a" * 3001)]}, "invalid_blocks"),
        ({"text": "x", "blocks": [section("")]}, "invalid_blocks"),
        ({"text": "x", "blocks": [section("a < b")]}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "section", "fields": []}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "context", "elements": [section("x")["text"]] * 11}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "divider", "block_id": "a"}] * 2}, "invalid_blocks"),
        ({"text": "x", "blocks": [section("a" * 2900)] * 5}, "msg_blocks_too_long"),
        ({"text": "x", "metadata": {"event_type": "A", "event_payload": {}}}, "invalid_metadata_format"),
        ({"text": "x", "metadata": {"event_type": "a"}}, "invalid_metadata_format"),
        ({"text": "x", "metadata": {"event_type": "a", "event_payload": {"k": None}}}, "invalid_metadata_schema"),
        ({"text": "x", "metadata": {"event_type": "a", "event_payload": {"k": "v" * 2000}}}, "metadata_too_large"),
    ],
)
async def test_what_slack_refuses_is_refused(inbox: Inbox, call: Caller, given: dict[str, Any], code: str) -> None:
    answer = await call("chat.postMessage", **{"channel": CHANNEL, **given})
    assert (answer["ok"], answer["error"]) == (False, code)
    assert inbox.messages() == []
    assert inbox.snapshot()["rejected"][0]["error"] == code


async def test_refused_blocks_name_the_place(call: Caller) -> None:
    answer = await call("chat.postMessage", channel=CHANNEL, text="x", blocks=[section("a" * 3001)])
    assert answer["errors"] == ["must be less than 3001 characters [json-pointer:/blocks/0/text/text]"]


@pytest.mark.parametrize("text", ["&amp; &lt;x&gt;", "<https://a.example/x|label>", "<@U012>", "<!here>", "<#C012>"])
def test_good_mrkdwn_is_taken(text: str) -> None:
    assert mrkdwn_fault(text) is None


@pytest.mark.parametrize("text", ["a & b", "a &am…", "<script>", "a > b", "<!channel", "<javascript:x|y>"])
def test_what_was_not_escaped_is_found(text: str) -> None:
    assert mrkdwn_fault(text)


async def test_tokens_and_scopes_are_checked(inbox: Inbox, call: Caller) -> None:
    assert (await call("auth.test", token=None))["error"] == "not_authed"
    assert (await call("auth.test", token="xoxb-other"))["error"] == "invalid_auth"
    assert (await call("auth.test"))["user"] == "stakewarden"
    assert (await call("no.such"))["error"] == "unknown_method"
    inbox.workspace.scopes = ("chat:write",)
    answer = await call("conversations.history", channel=CHANNEL)
    assert (answer["error"], answer["provided"]) == ("missing_scope", "chat:write")
    assert (await call("conversations.info", channel=CHANNEL))["error"] == "missing_scope"


async def test_an_update_keeps_what_it_does_not_name(inbox: Inbox, call: Caller) -> None:
    metadata = {"event_type": "a", "event_payload": {"n": 1}}
    ts = (await call("chat.postMessage", channel=CHANNEL, text="one", blocks=[section("one")], metadata=metadata))["ts"]
    assert (await call("chat.update", channel=CHANNEL, ts=ts, text="two"))["ok"]
    (message,) = inbox.messages()
    assert (message["text"], message["metadata"], message["history"]) == ("two", metadata, ["one"])
    assert message["blocks"] == [section("one")]
    await call("chat.update", channel=CHANNEL, ts=ts, text="three", metadata={}, blocks=[])
    (message,) = inbox.messages()
    assert (message["metadata"], message["blocks"], message["edits"]) == (None, [], 2)
    assert (await call("chat.update", channel=CHANNEL, ts=ts, text="x" * 4001))["error"] == "msg_too_long"
    assert (await call("chat.update", channel="alerts", ts=ts, text="x"))["error"] == "channel_not_found"
    assert (await call("chat.update", channel=CHANNEL, ts="1.000001", text="x"))["error"] == "message_not_found"
    assert (await call("chat.delete", channel=CHANNEL, ts=ts))["ok"]
    assert inbox.messages() == []


async def test_history_pages_hides_replies_and_shows_payloads_only_when_asked(call: Caller) -> None:
    metadata = {"event_type": "a", "event_payload": {"n": 1}}
    all_ts = [(await call("chat.postMessage", channel=CHANNEL, text=f"m{i}", metadata=metadata))["ts"] for i in range(5)]
    await call("chat.postMessage", channel=CHANNEL, text="quiet", thread_ts=all_ts[0])
    await call("chat.postMessage", channel=CHANNEL, text="loud", thread_ts=all_ts[0], reply_broadcast=True)
    first = await call("conversations.history", channel=CHANNEL, limit=2)
    assert [m["text"] for m in first["messages"]] == ["loud", "m4"]
    assert first["messages"][0]["subtype"] == "thread_broadcast"
    assert first["messages"][1]["metadata"] == {"event_type": "a"}
    cursor = first["response_metadata"]["next_cursor"]
    second = await call("conversations.history", channel=CHANNEL, limit=10, cursor=cursor, include_all_metadata=1)
    assert [m["text"] for m in second["messages"]] == ["m3", "m2", "m1", "m0"]
    assert second["messages"][0]["metadata"] == metadata
    assert (second["has_more"], second["response_metadata"]["next_cursor"]) == (False, "")
    replies = await call("conversations.replies", channel=CHANNEL, ts=all_ts[0])
    assert [m["text"] for m in replies["messages"]] == ["m0", "quiet", "loud"]
    assert (await call("conversations.replies", channel=CHANNEL, ts="1.000000"))["error"] == "thread_not_found"
    assert (await call("conversations.history", channel=CHANNEL, cursor="?"))["error"] == "invalid_cursor"
    later = await call("conversations.history", channel=CHANNEL, oldest=all_ts[4])
    assert [m["text"] for m in later["messages"]] == ["loud"]
    later = await call("conversations.history", channel=CHANNEL, oldest=all_ts[4], inclusive=1)
    assert [m["text"] for m in later["messages"]] == ["loud", "m4"]


async def test_a_channel_takes_a_post_a_second_after_a_burst(inbox: Inbox, call: Caller) -> None:
    inbox.workspace.posts_a_second = 1.0
    answers = [await call("chat.postMessage", channel=CHANNEL, text="x") for _ in range(6)]
    assert [a["status"] for a in answers] == [200] * 5 + [429]
    assert answers[-1]["retry_after"] == "1"


async def test_faults_that_answer(inbox: Inbox, call: Caller) -> None:
    inbox.fail("rate_limited", "chat.postMessage", seconds=7)
    answer = await call("chat.postMessage", channel=CHANNEL, text="x")
    assert (answer["status"], answer["error"], answer["retry_after"]) == (429, "ratelimited", "7")
    inbox.fail("server_error", accepted=True)
    assert (await call("chat.postMessage", channel=CHANNEL, text="there all the same"))["status"] == 500
    inbox.fail("error", error="fatal_error", skip=1)
    assert (await call("auth.test"))["ok"]
    assert (await call("auth.test"))["error"] == "fatal_error"
    inbox.fail("html")
    with pytest.raises(aiohttp.ContentTypeError):
        await call("auth.test")
    inbox.fail("garbage")
    with pytest.raises(json.JSONDecodeError):
        await call("auth.test")
    assert [m["text"] for m in inbox.messages()] == ["there all the same"]


@pytest.mark.parametrize("accepted", [True, False])
async def test_dropped_connections(inbox: Inbox, call: Caller, accepted: bool) -> None:
    inbox.fail("drop", accepted=accepted)
    with pytest.raises(aiohttp.ClientError):
        await call("chat.postMessage", channel=CHANNEL, text="x")
    assert len(inbox.messages()) == accepted


@pytest.mark.parametrize("accepted", [True, False])
async def test_hanging_connections(inbox: Inbox, call: Caller, accepted: bool) -> None:
    inbox.fail("hang", accepted=accepted, seconds=5)
    with pytest.raises(TimeoutError):
        await call("chat.postMessage", channel=CHANNEL, text="x", wait=0.1)
    assert len(inbox.messages()) == accepted


async def test_a_slow_request_arrives_after_its_sender_gave_up(inbox: Inbox, call: Caller) -> None:
    inbox.fail("slow", seconds=0.2)
    with pytest.raises(TimeoutError):
        await call("chat.postMessage", channel=CHANNEL, text="late", wait=0.1)
    assert inbox.messages() == []
    await asyncio.sleep(0.25)
    assert [m["text"] for m in inbox.messages()] == ["late"]


async def test_it_is_steered_and_read_over_http(inbox: Inbox, call: Caller) -> None:
    async def ask(method: str, path: str, **given: Any) -> Any:
        answer = await call.session.request(method, inbox.url + path, **given)
        return await (answer.json() if answer.content_type == "application/json" else answer.text())

    assert (await ask("POST", "/control/faults", json={"kind": "nonsense"}))["ok"] is False
    assert (await ask("POST", "/control/faults", json={"kind": "error", "error": "fatal_error", "count": 9}))["ok"]
    assert (await call("auth.test"))["error"] == "fatal_error"
    await ask("DELETE", "/control/faults")
    await ask("POST", "/control/channel", json={"id": CHANNEL, "member": False})
    assert (await call("chat.postMessage", channel=CHANNEL, text="x"))["error"] == "not_in_channel"
    await ask("POST", "/control/channel", json={"id": CHANNEL, "member": True})
    ts = (await call("chat.postMessage", channel=CHANNEL, text="x", blocks=[section("5 &gt; 4")]))["ts"]
    await call("chat.postMessage", channel=CHANNEL, text="a reply", thread_ts=ts)
    await ask("GET", "/heartbeat")
    page = await ask("GET", "/")
    assert "#alerts: 1 message " in page
    assert "5 > 4" in page
    assert "↳ a reply" in page
    shown = await ask("GET", "/inbox")
    assert shown["heartbeats"] == 1
    assert shown["channels"][0]["messages"][0]["thread"][0]["text"] == "a reply"
