"""The next channel: told when nobody took a message in time, once, and never besides."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from monitor.alerts import BadRoutes, deliveries
from monitor.alerts.desk import DELIVERIES, INCIDENTS
from monitor.alerts.outbox import Clock, Outbox, Patience
from monitor.alerts.routes import parse_routes
from monitor.model import Acknowledge, Silence
from monitor.receivers.webhook import WebhookReceiver, WebhookSettings
from tests.alerts.making import Desk, Unit, block, ends, engine_at, fires
from tests.receivers.far_end import FarEnd

ROUTES = """
route:
  receiver: [slack, charts]
  group_by: [alertname]
  group_wait: 0s
  group_interval: 1s
  fallback: [pager, phone]
  fallback_after: 2m
  routes:
    - matchers: ['severity="info"']
      fallback: []
    - matchers: ['severity="ticket"']
      receiver: pager
      fallback_after: 10m
"""
NAMES = ["slack", "charts", "pager", "phone"]
T0 = block(1).timestamp + 1.0


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return desk_at(tmp_path)


def desk_at(folder: Path) -> Desk:
    desk = Desk(engine_at(folder / "book.db"), parse_routes(ROUTES, NAMES))
    desk.book._drawing = ("charts",)
    return desk


def accept(desk: Desk, receiver: str, at: float) -> None:
    """The receiver takes all that waits for it."""
    with desk.engine.begin() as conn:
        waits = DELIVERIES.c.receiver == receiver, DELIVERIES.c.state == "owed"
        conn.execute(update(DELIVERIES).where(*waits).values(state="sent", sent_at=at, remote="there"))


def told(desk: Desk, receiver: str) -> list[str]:
    """Kinds of the messages of a receiver, as they were owed; a message before its note."""
    rows = sorted(desk.owed(), key=lambda d: (d["owed_at"], d["revision"], d["kind"] == "note"))
    return [d["kind"] for d in rows if d["receiver"] == receiver]


def test_the_next_channel_is_told_once_when_nobody_took_the_message(desk: Desk) -> None:
    desk.admit(block(1), fires("A", block(1)))
    accept(desk, "charts", T0)
    assert desk.tick(T0 + 119) == 0
    assert desk.tick(T0 + 120) == 2
    assert told(desk, "pager") == ["open", "note"]
    note = next(d for d in desk.owed("note") if d["receiver"] == "pager")
    assert note["body"]["note"]["lines"] == ["Told here since slack took no message for 2 min."]
    accept(desk, "pager", T0 + 121)
    for later in (122, 300, 1000, 3000):
        desk.tick(T0 + later)
    assert told(desk, "phone") == []
    assert told(desk, "pager").count("open") == 1
    desk.admit(block(2), ends("A", block(2)), now=T0 + 3500)
    assert told(desk, "pager") == ["open", "note", "close", "note"]


def test_the_one_after_is_told_when_the_next_does_not_take_it_either(desk: Desk) -> None:
    desk.admit(block(1), fires("A", block(1)))
    desk.tick(T0 + 120)
    assert desk.tick(T0 + 239) == 0
    assert desk.tick(T0 + 240) == 2
    assert told(desk, "phone") == ["open", "note"]
    assert desk.tick(T0 + 900) == 0, "there is no further channel"


def test_what_was_taken_in_time_is_told_nowhere_else(desk: Desk) -> None:
    desk.admit(block(1), fires("A", block(1)))
    accept(desk, "slack", T0 + 60)
    desk.tick(T0 + 1000)
    assert told(desk, "pager") == []


def test_an_alert_that_joins_a_told_incident_is_news_and_an_end_is_not(desk: Desk) -> None:
    desk.admit(block(1), fires("A/1", block(1)), fires("A/2", block(1)))
    accept(desk, "slack", T0)
    desk.admit(block(5), ends("A/1", block(5)))
    desk.tick(T0 + 1000)
    assert told(desk, "pager") == [], "that one of two is over may wait for Slack"
    desk.admit(block(100), fires("A/3", block(100)))
    joined = block(100).timestamp + 1
    desk.tick(joined + 119)
    assert told(desk, "pager") == []
    desk.tick(joined + 120)
    assert told(desk, "pager") == ["open", "note"]


def test_one_that_is_over_before_anybody_was_told_is_told_as_over(desk: Desk) -> None:
    desk.admit(block(1), fires("A", block(1)))
    desk.admit(block(2), ends("A", block(2)))
    desk.tick(T0 + 200)
    assert told(desk, "pager") == ["close", "note"]
    (found,) = [d for d in desk.owed("close") if d["receiver"] == "pager"]
    assert found["body"]["state"] == "resolved"
    assert desk.tick(T0 + 10_000) == 2, "and on to the last channel"
    assert desk.tick(T0 + 20_000) == 0


def test_a_refused_message_counts_as_not_taken(desk: Desk) -> None:
    desk.admit(block(1), fires("A", block(1)))
    with desk.engine.begin() as conn:
        conn.execute(update(DELIVERIES).where(DELIVERIES.c.receiver == "slack").values(state="dead"))
    assert desk.tick(T0 + 120) == 2


def test_an_acknowledged_incident_is_known(desk: Desk) -> None:
    desk.admit(block(1), fires("A", block(1)))
    with desk.engine.begin() as conn:
        incident = conn.execute(select(INCIDENTS.c.id)).scalar_one()
        desk.book.acknowledge(Unit(conn), Acknowledge(incident, "a person", T0 + 10))
    desk.tick(T0 + 1000)
    assert told(desk, "pager") == []


def test_a_silenced_alert_is_known(desk: Desk) -> None:
    desk.admit(block(1), fires("A/1", block(1)), fires("A/2", block(1)))
    with desk.engine.begin() as conn:
        desk.book.silence(Unit(conn), Silence("s", ('instance="1"',), "a person", T0 + 10, T0 + 9000, "seen"))
    desk.tick(T0 + 11)
    desk.tick(T0 + 125)
    assert told(desk, "pager") == ["open", "note"], "the other one is not"
    desk.admit(block(2), fires("B/1", block(2)), now=T0 + 200)
    desk.tick(T0 + 1000)
    assert "B/1 is broken" not in [d["body"]["title"] for d in desk.owed() if d["receiver"] == "pager"]


def test_each_route_has_its_own_next_channels(desk: Desk) -> None:
    desk.admit(block(1), fires("I", block(1), severity="info"), fires("T", block(1), severity="ticket"))
    desk.tick(T0 + 599)
    assert told(desk, "phone") == []
    desk.tick(T0 + 600)
    found = [d["body"]["title"] for d in desk.owed("open") if d["receiver"] == "phone"]
    assert found == ["T is broken"]
    assert "phone" not in [d["receiver"] for d in desk.owed() if d["body"]["title"] == "I is broken"]


def test_what_waited_for_days_is_not_told_in_another_way(desk: Desk) -> None:
    desk.admit(block(1), fires("A", block(1)))
    desk.admit(block(2), ends("A", block(2)))
    assert desk.tick(T0 + 100_000) == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("route: {receiver: slack, fallback: nobody}", 'no receiver is named "nobody"'),
        ("route: {receiver: slack, fallback: [slack]}", '"slack" is a receiver of this route already'),
        ("route: {receiver: slack, fallback: phone, fallback_after: soon}", "fallback_after"),
    ],
)
def test_a_mistake_in_the_file_is_named(text: str, says: str) -> None:
    with pytest.raises(BadRoutes, match=says):
        parse_routes(text, NAMES)


def test_a_route_below_that_tells_the_fallback_anyway_has_none_left() -> None:
    found = parse_routes(ROUTES, NAMES)
    assert [r.fallback for r in found.all] == [("pager", "phone"), (), ("phone",)]
    assert found.receivers == set(NAMES)


# ---------------------------------------------------------------- any course of events


@given(st.lists(st.sampled_from(["fire", "end", "slack", "pager", "charts", "wait", "ack"]), max_size=15))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_happens_the_next_channel_is_told_once_and_only_of_what_nobody_took(steps: list[str]) -> None:
    with TemporaryDirectory() as folder:
        desk = desk_at(Path(folder))
        now, number, firing = T0, 1, 0
        for step in [*steps, "wait", "wait"]:
            now, number = now + 5, number + 1
            if step == "fire":
                firing += 1
                desk.admit(block(number), fires(f"A/{firing}", block(number)), now=now)
            elif step == "end" and firing:
                desk.admit(block(number), ends(f"A/{firing}", block(number)), now=now)
                firing -= 1
            elif step in ("slack", "pager", "charts"):
                accept(desk, step, now)
            elif step == "wait":
                now += 121
            before = list(_unheard(desk, now))
            desk.tick(now)
            for incident in before:
                assert "pager" in _receivers(desk, incident), "waited for two minutes, and the next channel was not told"
            desk.tick(now)
        reasons = [(d["incident"], d["receiver"]) for d in desk.owed("note") if d["body"]["note"]["lines"][0].startswith("Told here")]
        assert len(set(reasons)) == len(reasons), "told twice that it is told here"
        for incident in {d["incident"] for d in desk.owed()}:
            assert [r for r in _receivers(desk, incident) if (incident, r) in reasons] == _receivers(desk, incident)[2:]


def _unheard(desk: Desk, now: float) -> Iterator[str]:
    """Incidents of which nobody who tells people has taken anything for two minutes."""
    rows = desk.owed("open", "update", "close")
    for incident in {d["incident"] for d in rows}:
        own = [d for d in rows if d["incident"] == incident]
        heard = any(d["state"] == "sent" and d["receiver"] != "charts" for d in own)
        if not heard and min(d["owed_at"] for d in own) + 120 <= now:
            yield incident


def _receivers(desk: Desk, incident: str) -> list[str]:
    with desk.engine.begin() as conn:
        return list(json.loads(conn.execute(select(INCIDENTS.c.receivers).where(INCIDENTS.c.id == incident)).scalar_one()))


# ---------------------------------------------------------------- through the outbox


class _Now(Clock):
    at = T0

    def now(self) -> float:
        return self.at


async def test_while_slack_is_down_the_webhook_is_told_and_slack_hears_all_the_same_later(desk: Desk) -> None:
    clock = _Now()

    async def run(work: Any) -> Any:
        with desk.engine.begin() as conn:
            return work(Unit(conn))

    async with FarEnd() as slack, FarEnd() as pager:
        slack.script.extend([503] * 4)
        made = [(name, far) for name, far in (("slack", slack), ("pager", pager))]
        receivers = [
            WebhookReceiver(WebhookSettings(kind="webhook", name=n, url=far.url, secret="0123456789abcdef"), clock.now)  # type: ignore[arg-type]
            for n, far in made
        ]
        outbox = Outbox(receivers, run, clock, Patience())
        desk.admit(block(1), fires("A", block(1)))
        for _ in range(12):
            desk.tick(clock.at)
            await outbox.drain()
            clock.at += 61
        assert len(slack.requests) == 5
        assert [json.loads(r.body)["kind"] for r in pager.requests] == ["open", "note"]
        with desk.engine.begin() as conn:
            assert deliveries.waiting(Unit(conn), ["slack", "pager"], clock.at)["slack"].owed == 0
