"""The Slack receiver against the strict inbox: what it sends, what it makes of each failure, and how it looks messages up."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from monitor.devnet.inbox import CHANNEL, TOKEN, Inbox
from monitor.model import Delivery, Refused, Unavailable, Unsure
from monitor.receivers.slack import Bucket, SlackReceiver, SlackSettings
from tests.alerts.making import Desk, block, ends, engine_at, fires


@pytest.fixture
async def inbox() -> AsyncIterator[Inbox]:
    async with Inbox() as inbox:
        yield inbox


def settings(inbox: Inbox, **more: Any) -> SlackSettings:
    own = {"token": TOKEN, "channel": CHANNEL, "base_url": inbox.base_url, "timeout_seconds": 0.4, "settle_seconds": 0}
    return SlackSettings(**(own | more))


@pytest.fixture
def slack(inbox: Inbox) -> SlackReceiver:
    return SlackReceiver(settings(inbox))


@pytest.fixture
def owed(tmp_path: Path) -> dict[str, Delivery]:
    """An incident's three messages: open, note, close."""
    desk = Desk(engine_at(tmp_path / "book.db"))
    desk.admit(block(1), fires("A", block(1)))
    desk.admit(block(2), ends("A", block(2)))
    found = {}
    for d in desk.owed():
        found[d["kind"]] = Delivery(d["id"], d["incident"], "slack", d["kind"], d["revision"], d["body"], "sending", time.time(), 1)
    return found


async def test_an_incident_is_one_message_with_its_history_in_the_thread(
    inbox: Inbox, slack: SlackReceiver, owed: dict[str, Delivery]
) -> None:
    remote = (await slack.deliver(owed["open"])).remote
    await slack.deliver(replace(owed["note"], remote=remote))
    assert (await slack.deliver(replace(owed["close"], remote=remote))).remote == remote
    (message,) = inbox.messages()
    assert message["text"].startswith("✅ A is broken · Resolved")
    assert message["edits"] == 1
    assert message["metadata"]["event_type"] == "stakewarden_notification"
    assert message["metadata"]["event_payload"]["delivery_id"] == owed["close"].id
    (note,) = message["thread"]
    assert note["broadcast"]
    assert note["text"].startswith("✅ Resolved at block 2")
    assert inbox.snapshot()["rejected"] == []


async def test_a_message_that_cannot_be_edited_is_posted_anew(inbox: Inbox, slack: SlackReceiver, owed: dict[str, Delivery]) -> None:
    remote = (await slack.deliver(owed["open"])).remote
    inbox.workspace.channels[CHANNEL].messages[0].deleted = True
    again = await slack.deliver(replace(owed["close"], remote=remote))
    assert again.remote != remote
    note = await slack.deliver(replace(owed["note"], remote=remote))
    assert [m["text"][:1] for m in inbox.messages()] == ["✅", "✅"]
    assert note.remote != again.remote


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        ({"kind": "rate_limited", "seconds": 7}, Unavailable, "ratelimited"),
        ({"kind": "error", "error": "service_unavailable"}, Unavailable, "service_unavailable"),
        ({"kind": "server_error"}, Unavailable, "internal_error"),
        ({"kind": "html"}, Unavailable, "http_503"),
        ({"kind": "garbage"}, Unavailable, "posting"),
        ({"kind": "error", "error": "fatal_error"}, Unavailable, "fatal_error"),
        ({"kind": "server_error", "accepted": True}, Unsure, "internal_error"),
        ({"kind": "error", "error": "fatal_error", "accepted": True}, Unsure, "fatal_error"),
        ({"kind": "drop"}, Unsure, "posting"),
        ({"kind": "drop", "accepted": True}, Unsure, "posting"),
        ({"kind": "hang", "seconds": 9}, Unsure, "TimeoutError"),
        ({"kind": "error", "error": "not_in_channel"}, Refused, "invite the app"),
        ({"kind": "error", "error": "token_revoked"}, Refused, "new bot token"),
        ({"kind": "error", "error": "missing_scope"}, Refused, "add the bot scope"),
        ({"kind": "error", "error": "restricted_action_read_only_channel"}, Refused, "allow the app"),
        ({"kind": "error", "error": "something_new"}, Refused, "something_new"),
        ({"kind": "error", "error": "no_text", "count": 2}, Refused, "report it"),
    ],
)
async def test_each_failure_has_its_meaning(
    inbox: Inbox, slack: SlackReceiver, owed: dict[str, Delivery], fault: dict[str, Any], error: type[Exception], says: str
) -> None:
    inbox.fail(method="chat.postMessage", **fault)
    with pytest.raises(error, match=says) as caught:
        await slack.deliver(owed["open"])
    if isinstance(caught.value, Unavailable) and "rate" in says:
        assert caught.value.retry_after == 7
    if isinstance(caught.value, Refused):
        assert caught.value.fatal == (fault["error"] != "no_text")
    assert len(inbox.messages()) == fault.get("accepted", False)
    found = await slack.find(owed["open"])
    assert (found is not None) == fault.get("accepted", False)


async def test_nobody_there_is_certainly_not_sent(owed: dict[str, Delivery]) -> None:
    async with Inbox() as gone:
        slack = SlackReceiver(settings(gone))
    with pytest.raises(Unavailable, match="no connection"):
        await slack.deliver(owed["open"])
    with pytest.raises(Unavailable):
        await slack.find(owed["open"])
    with pytest.raises(Unavailable, match="cannot be reached"):
        await slack.check()


async def test_refused_blocks_fall_back_to_plain_text(inbox: Inbox, slack: SlackReceiver, owed: dict[str, Delivery]) -> None:
    inbox.fail("error", "chat.postMessage", error="invalid_blocks")
    remote = (await slack.deliver(owed["open"])).remote
    inbox.fail("error", "chat.update", error="msg_blocks_too_long")
    await slack.deliver(replace(owed["close"], remote=remote))
    (message,) = inbox.messages()
    assert message["blocks"] == []
    assert "Resolved" in message["text"]


async def test_what_may_still_arrive_is_not_sent_again(inbox: Inbox, owed: dict[str, Delivery]) -> None:
    slack = SlackReceiver(settings(inbox, settle_seconds=30))
    delivery = owed["open"]
    with pytest.raises(Unsure, match="may still arrive"):
        await slack.find(delivery)
    assert await slack.find(replace(delivery, attempted_at=time.time() - 31)) is None
    assert await slack.find(replace(delivery, remote=f"{CHANNEL}:1.000001")) is None, "an edit can be repeated at once"
    assert await slack.find(replace(delivery, attempted_at=None)) is None


async def test_a_message_is_found_behind_many_others(inbox: Inbox, slack: SlackReceiver, owed: dict[str, Delivery]) -> None:
    receipt = await slack.deliver(owed["open"])
    client = slack._client()
    for number in range(150):
        inbox.workspace.call("chat.postMessage", {"channel": CHANNEL, "text": f"chatter {number}"})
    found = await slack.find(owed["open"])
    assert found is not None
    assert found.remote == receipt.remote
    assert inbox.traffic.requests["conversations.history"] == 2
    note = replace(owed["note"], remote=receipt.remote)
    assert await slack.find(note) is None
    told = await slack.deliver(note)
    for number in range(150):
        inbox.workspace.call("chat.postMessage", {"channel": CHANNEL, "text": f"{number}", "thread_ts": receipt.remote.split(":")[1]})
    found = await slack.find(note)
    assert found is not None
    assert found.remote == told.remote
    assert client is slack._client()


@pytest.mark.parametrize("when_blind", ["resend", "hold"])
async def test_a_token_that_cannot_read_does_as_the_settings_say(inbox: Inbox, owed: dict[str, Delivery], when_blind: str) -> None:
    inbox.workspace.scopes = ("chat:write",)
    slack = SlackReceiver(settings(inbox, when_blind=when_blind))
    if when_blind == "resend":
        assert await slack.find(owed["open"]) is None
    else:
        with pytest.raises(Unsure, match="add the bot scope"):
            await slack.find(owed["open"])


async def test_the_check_at_the_start_says_what_is_wrong_and_how_to_mend_it(inbox: Inbox, slack: SlackReceiver) -> None:
    assert await slack.check() == {
        "team": "Devnet", "bot": "stakewarden", "scopes": ["chat:write", "channels:history", "channels:read"], "warnings": [],
    }  # fmt: skip
    inbox.workspace.channels[CHANNEL].member = False
    with pytest.raises(Refused, match="/invite"):
        await slack.check()
    inbox.workspace.scopes = ("chat:write",)
    assert "sent again" in (await slack.check())["warnings"][0]
    inbox.workspace.scopes = ("channels:history",)
    with pytest.raises(Refused, match="no scope chat:write"):
        await slack.check()
    inbox.workspace.token = "xoxb-other"
    with pytest.raises(Refused, match="new bot token"):
        await slack.check()


async def test_the_environments_proxy_is_not_used(inbox: Inbox, monkeypatch: pytest.MonkeyPatch, owed: dict[str, Delivery]) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    await SlackReceiver(settings(inbox)).deliver(owed["open"])
    assert len(inbox.messages()) == 1


async def test_the_token_is_in_no_log_and_no_repr(
    inbox: Inbox, owed: dict[str, Delivery], caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    slack = SlackReceiver(settings(inbox))
    inbox.fail("error", error="invalid_auth", count=2)
    for attempt in (slack.deliver(owed["open"]), slack.check()):
        with pytest.raises(Refused) as caught:
            await attempt
        assert TOKEN not in str(caught.value)
    said = caplog.text + "".join(capsys.readouterr()) + repr(slack) + repr(settings(inbox))
    assert TOKEN not in said


def test_settings_are_strict(tmp_path: Path) -> None:
    for bad, says in (
        ({}, "either token .* or token_file"),
        ({"token": "xoxb-1", "token_file": tmp_path / "t"}, "either token or token_file"),
        ({"token": "xoxb-1", "channel": "#alerts"}, "pattern"),
        ({"token": "xoxb-1", "chanel": "C0123"}, "Extra inputs"),
    ):
        with pytest.raises(ValidationError, match=says):
            SlackSettings(**{"channel": "C0123", **bad})


def test_the_token_may_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    from_file = SlackSettings(channel="C0123", token_file=path)
    with pytest.raises(Refused, match="is not there"):
        from_file.secret()
    path.write_text("xoxb-abc\n")
    assert from_file.secret() == "xoxb-abc"
    for bad in ("xapp-1-abc", "xoxb", "xoxb-a b"):
        with pytest.raises(Refused, match="not a bot token"):
            SlackSettings(channel="C0123", token=SecretStr(bad)).secret()


async def test_the_bucket_lets_a_burst_pass_and_then_keeps_the_rate() -> None:
    bucket = Bucket(20.0, 3)
    start = time.monotonic()
    for _ in range(3):
        await bucket.take()
    assert time.monotonic() - start < 0.04
    for _ in range(4):
        await bucket.take()
    assert time.monotonic() - start > 0.17
