"""The Alertmanager receiver against Debian's Alertmanager, and against members that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from pydantic import ValidationError

from monitor.alerts import Links, Outbox
from monitor.model import BlockStamp, Delivery, Refused, Silence, Slot, Unavailable, labels
from monitor.receivers.alertmanager import AlertmanagerReceiver, AlertmanagerSettings
from tests.alerts.making import Desk, Unit, ends, engine_at, fires
from tests.alerts.making import block as block_of_2023
from tests.receivers.alertmanagers import Alertmanager, alertmanager
from tests.receivers.far_end import FarEnd

T = TypeVar("T")
BEGAN = int(time.time()) - 600


def block(number: int) -> BlockStamp:
    """A block of a chain whose clock agrees with ours."""
    found = block_of_2023(number)
    return BlockStamp(found.number, found.hash, found.parent, BEGAN + 12 * number, Slot(number))


@pytest.fixture
async def am(tmp_path: Path) -> AsyncIterator[Alertmanager]:
    async with alertmanager(tmp_path) as found:
        yield found


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(engine_at(tmp_path / "book.db"))


def receiver_of(desk: Desk, *urls: str, **more: Any) -> AlertmanagerReceiver:
    async def look(work: Callable[[Unit], T]) -> T:
        with desk.engine.begin() as conn:
            return work(Unit(conn))

    now = more.pop("now", time.time)
    judged_at = more.pop("judged_at", lambda: None)
    own: dict[str, Any] = {"kind": "alertmanager", "name": "slack", "urls": urls, "resend_seconds": 60, "timeout_seconds": 10}
    links = Links(more.pop("page", None))
    return AlertmanagerReceiver(AlertmanagerSettings(**(own | more)), 1, look, judged_at, now, links)


async def deliver(desk: Desk, receiver: AlertmanagerReceiver) -> list[str]:
    """Deliver what is owed; returns the states of all messages."""

    async def run(work: Callable[[Unit], T]) -> T:
        with desk.engine.begin() as conn:
            return work(Unit(conn))

    await Outbox([receiver], run).drain()
    return [d["state"] for d in desk.owed()]


def canary() -> Delivery:
    return Delivery("c1", "canary", "slack", "canary", 1, {"alerts": [], "latency": {"judged_at": 0.0}})


# ---------------------------------------------------------------- the real one


async def test_an_incident_is_told_by_alertmanager_and_its_end_too(am: Alertmanager, desk: Desk) -> None:
    receiver = receiver_of(desk, am.url)
    desk.admit(block(1), fires("A/x", block(1)), fires("B", block(1)), now=time.time())
    assert await deliver(desk, receiver) == ["sent", "sent"]
    await am.until_told(("firing", "A"), ("firing", "B"))
    first, _ = await am.alerts()
    assert first["labels"] == {
        "alertname": "A",
        "instance": "x",
        "protocol": "lido",
        "severity": "page",
        "source": "stakewarden",
        "chain": "1",
    }
    assert first["annotations"]["summary"] == "A/x is broken"
    assert first["annotations"]["stakewarden_since_block"] == "1"
    assert time.time() + 180 < _unix(first["endsAt"]) <= time.time() + 240
    assert _unix(first["startsAt"]) == block(1).timestamp
    desk.admit(block(2), ends("A/x", block(2)), ends("B", block(2)), now=time.time())
    assert set(await deliver(desk, receiver)) == {"sent"}
    await am.until_told(("resolved", "A"), ("resolved", "B"))
    assert receiver.members[am.url.removeprefix("http://")].up is True


async def test_an_alert_there_leads_to_its_incident_and_its_runbook_here(am: Alertmanager, desk: Desk) -> None:
    first = fires("A", block(1))
    desk.admit(
        block(1), replace(first, annotations=labels(dict(first.annotations), runbook_url="docs/runbooks/lido.md#a")), now=time.time()
    )
    for page, link, runbook in (
        ("https://stakewarden.example", f"https://stakewarden.example/incidents/{desk.owed()[0]['incident']}", "https://stakewarden.example/runbooks/lido.md#a"),
        (None, "", "docs/runbooks/lido.md#a"),
    ):  # fmt: skip
        assert await receiver_of(desk, am.url, page=page).resend() == 1
        (found,) = await am.alerts()
        assert (found.get("generatorURL", ""), found["annotations"]["runbook_url"]) == (link, runbook)


async def test_what_fires_is_told_again_before_alertmanager_forgets_it(am: Alertmanager, desk: Desk) -> None:
    """Without the resends the alert would end by itself after two seconds; when they stop, it does."""
    receiver = receiver_of(desk, am.url, resend_seconds=0.5)
    desk.admit(block(1), fires("A", block(1)), now=time.time())
    await deliver(desk, receiver)
    work = asyncio.create_task(receiver.work())
    await asyncio.sleep(2.6)
    assert am.told == [("firing", "A")], "resends neither end it nor tell it again"
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work
    await am.until_told(("resolved", "A"))


async def test_a_restart_goes_on_telling_from_the_store(am: Alertmanager, desk: Desk) -> None:
    desk.admit(block(1), fires("A", block(1)), now=time.time())
    await deliver(desk, receiver_of(desk, am.url))
    (before,) = await am.alerts()
    await asyncio.sleep(0.05)
    assert await receiver_of(desk, am.url).resend() == 1
    (after,) = await am.alerts()
    assert after["fingerprint"] == before["fingerprint"]
    assert after["startsAt"] == before["startsAt"]
    assert after["endsAt"] > before["endsAt"]


async def test_a_silence_of_ours_neither_ends_an_alert_there_nor_hides_its_end(am: Alertmanager, desk: Desk) -> None:
    receiver = receiver_of(desk, am.url)
    desk.admit(block(1), fires("A", block(1)), now=time.time())
    await deliver(desk, receiver)
    with desk.engine.begin() as conn:
        desk.book.silence(Unit(conn), Silence("s1", ('alertname="A"',), "a person", time.time(), time.time() + 600, "seen"))
    await deliver(desk, receiver)
    await receiver.resend()
    assert [a["status"]["state"] for a in await am.alerts()] == ["active"]
    desk.admit(block(2), ends("A", block(2)), now=time.time())
    await deliver(desk, receiver)
    await am.until_told(("resolved", "A"))


async def test_an_end_after_a_silence_made_there_is_told(am: Alertmanager, desk: Desk) -> None:
    receiver = receiver_of(desk, am.url)
    desk.admit(block(1), fires("A", block(1)), now=time.time())
    await deliver(desk, receiver)
    await am.until_told(("firing", "A"))
    silence = await am.silence("A")
    await receiver.resend()
    (alert,) = await am.alerts()
    assert alert["status"]["state"] == "suppressed", "resends leave a person's silence alone"
    await am.unsilence(silence)
    desk.admit(block(2), ends("A", block(2)), now=time.time())
    await deliver(desk, receiver)
    await am.until_told(("resolved", "A"))


async def test_an_old_end_that_comes_late_does_not_end_what_fires_again(am: Alertmanager, desk: Desk) -> None:
    receiver = receiver_of(desk, am.url)
    desk.admit(block(1), fires("A", block(1)), now=time.time())
    await deliver(desk, receiver)
    desk.admit(block(2), ends("A", block(2)), now=time.time())
    desk.admit(block(3), fires("A", block(3), life=1), now=time.time())
    await deliver(desk, receiver)
    await receiver.resend()
    (alert,) = await am.alerts()
    assert _unix(alert["endsAt"]) > time.time()
    assert alert["annotations"]["stakewarden_since_block"] == "3"


async def test_an_event_that_is_over_at_once_is_pushed_as_firing_first(desk: Desk) -> None:
    """Opened and ended in one judged moment: two messages are owed, and each says what it says."""
    async with FarEnd() as far:
        receiver = receiver_of(desk, far.url)
        desk.admit(block(2), fires("A", block(1)), ends("A", block(2), cause="expired"), now=time.time())
        assert await deliver(desk, receiver) == ["sent"] * 3
        ends_at = [_unix(json.loads(r.body)[0]["endsAt"]) for r in far.requests]
        assert ends_at[0] > time.time() > ends_at[1] == block(2).timestamp
        assert len(far.requests) == 2, "a note has no place there"


async def test_more_alerts_than_a_message_tells_are_all_pushed(am: Alertmanager, desk: Desk) -> None:
    receiver = receiver_of(desk, am.url)
    desk.admit(block(1), *(fires(f"A/{n}", block(1)) for n in range(250)), now=time.time())
    await deliver(desk, receiver)
    assert len(await am.alerts()) == 250


async def test_a_clock_that_runs_ahead_is_no_reason_to_refuse(am: Alertmanager, desk: Desk) -> None:
    """A drill warps the chain's clock: neither beginning nor end may be in the future then, or Alertmanager takes nothing."""
    receiver = receiver_of(desk, am.url)
    ahead = block(100_000)
    desk.admit(ahead, fires("A", ahead), now=time.time())
    await deliver(desk, receiver)
    await am.until_told(("firing", "A"))
    later = block(100_001)
    desk.admit(later, ends("A", later), now=time.time())
    assert set(await deliver(desk, receiver)) == {"sent"}
    await am.until_told(("resolved", "A"))


async def test_heartbeat_and_canary_are_alerts_of_their_own(am: Alertmanager, desk: Desk) -> None:
    receiver = receiver_of(desk, am.url, heartbeat=True, judged_at=time.time)
    assert await receiver.resend() == 1
    await receiver.deliver(canary())
    await am.until_told(("firing", "StakewardenHeartbeat"), ("firing", "StakewardenCanary"))
    stopped = receiver_of(desk, am.url, heartbeat=True, judged_at=lambda: time.time() - 300)
    assert await stopped.resend() == 0


async def test_the_start_asks_every_member_and_names_a_wrong_address(tmp_path: Path, desk: Desk) -> None:
    async with alertmanager(tmp_path, prefix="am") as one, FarEnd() as other:
        found = await receiver_of(desk, one.url, "http://127.0.0.1:1").check()
        assert list(found["members"].values()) == ["0.25.0"]
        assert "no connection" in found["warnings"][0]
        with pytest.raises(Refused, match="no Alertmanager"):
            await receiver_of(desk, other.url).check()
        with pytest.raises(Refused, match="check the address"):
            await receiver_of(desk, one.url.removesuffix("/am") + "/wrong").check()
    with pytest.raises(Unavailable, match="no Alertmanager answers"):
        await receiver_of(desk, "http://127.0.0.1:1").check()


# ---------------------------------------------------------------- several members


async def test_every_member_is_told_and_one_that_was_away_catches_up(desk: Desk) -> None:
    async with FarEnd() as here, FarEnd() as away:
        receiver = receiver_of(desk, here.url, away.url)
        away.script.append(503)
        desk.admit(block(1), fires("A", block(1)), now=time.time())
        assert await deliver(desk, receiver) == ["sent"]
        assert [m.up for m in receiver.members.values()] == [True, False]
        await receiver.resend()
        assert [m.up for m in receiver.members.values()] == [True, True]
        assert json.loads(away.requests[1].body)[0]["labels"]["alertname"] == "A"


@pytest.mark.parametrize("how", [503, "drop", "hang", "garbage"])
async def test_no_member_is_no_receipt(desk: Desk, how: object) -> None:
    async with FarEnd() as one, FarEnd() as two:
        receiver = receiver_of(desk, one.url, two.url, timeout_seconds=0.2)
        one.script.append(how)
        two.script.append(how)
        desk.admit(block(1), fires("A", block(1)), now=time.time())
        assert await deliver(desk, receiver) == ["owed"]
        assert [m.up for m in receiver.members.values()] == [False, False]


async def test_a_canary_must_be_taken_by_every_member(desk: Desk) -> None:
    async with FarEnd() as here, FarEnd() as away:
        away.script.append(503)
        receiver = receiver_of(desk, here.url, away.url)
        with pytest.raises(Unavailable, match="HTTP 503"):
            await receiver.deliver(canary())
        await receiver.deliver(canary())


async def test_what_alertmanager_says_against_an_alert_is_told(desk: Desk) -> None:
    async with FarEnd() as far:
        far.script.append(400)
        far.answer = b'"invalid label set: invalid name \\"a-b\\""\n'
        desk.admit(block(1), fires("A", block(1)), now=time.time())
        assert await deliver(desk, receiver_of(desk, far.url)) == ["dead"]
        assert "invalid label set" in desk.owed()[0]["error"]


async def test_work_outlives_every_failure(desk: Desk) -> None:
    async with FarEnd() as far:
        far.script.extend([503, "drop", "garbage"])
        receiver = receiver_of(desk, far.url, resend_seconds=0.1)
        desk.admit(block(1), fires("A", block(1)), now=time.time())
        work = asyncio.create_task(receiver.work())
        async with asyncio.timeout(20):
            while len(far.requests) < 5:  # noqa: ASYNC110 (its requests raise no event)
                await asyncio.sleep(0.01)
        assert not work.done()
        assert all(m.up for m in receiver.members.values())
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"urls": ()}, "urls_file"),
        ({"urls_file": "x"}, "urls_file"),
        ({"urls": ("http://u:SECRET@am.example/api/v2/alerts",)}, "base address"),
        ({"urls": ("am.example:9093",)}, "must be a web address"),
        ({"resend_seconds": 0}, "greater than 0"),
    ],
)
def test_a_mistake_in_the_settings_is_named(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says) as caught:
        AlertmanagerSettings(**({"kind": "alertmanager", "urls": ("http://am.example:9093",)} | wrong))
    assert "SECRET" not in str(caught.value)


async def test_names_and_passwords_are_used_and_never_shown(desk: Desk, tmp_path: Path) -> None:
    async with FarEnd() as far:
        (tmp_path / "urls").write_text(f"http://watcher:SECRET@127.0.0.1:{far.port}/\n")
        receiver = receiver_of(desk, urls_file=tmp_path / "urls", urls=())
        far.script.append(401)
        with pytest.raises(Refused) as caught:
            await receiver.deliver(canary())
        assert far.requests[0].headers["authorization"].startswith("Basic ")
        assert far.requests[0].path == "/api/v2/alerts"
        assert "SECRET" not in f"{caught.value!r}{receiver!r}{receiver.members!r}{receiver._settings!r}"


def test_an_unreadable_file_is_said_at_the_start() -> None:
    with pytest.raises(Refused, match="check its path"):
        AlertmanagerSettings(kind="alertmanager", urls_file=Path("/nowhere/urls")).ready()


def _unix(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()
