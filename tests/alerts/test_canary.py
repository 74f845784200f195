"""The canary goes through the real channel once a period, and one that nobody took is seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from monitor.alerts.canary import CanarySettings, canaries, owe_canaries
from monitor.alerts.desk import DELIVERIES
from monitor.alerts.outbox import Clock, Outbox
from monitor.alerts.retention import forget
from monitor.devnet.inbox import CHANNEL, TOKEN, Inbox
from monitor.receivers.grafana_text import incident_note
from monitor.receivers.slack import SlackReceiver, SlackSettings
from tests.alerts.making import Unit, engine_at

DAY = 86_400.0
EIGHT = 20_000 * DAY + 8 * 3600
DAILY = CanarySettings()


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return engine_at(tmp_path / "book.db")


def owe(engine: Engine, now: float, *receivers: str, settings: CanarySettings = DAILY) -> int:
    with engine.begin() as conn:
        return owe_canaries(Unit(conn), settings, receivers or ("slack",), now)


def fares(engine: Engine, now: float, receiver: str = "slack") -> tuple[float | None, bool]:
    with engine.begin() as conn:
        found = canaries(Unit(conn), DAILY, [receiver], now)[receiver]
        return found.age_seconds, found.failed


def settle(engine: Engine, state: str, at: float | None = None) -> None:
    with engine.begin() as conn:
        conn.execute(update(DELIVERIES).where(DELIVERIES.c.state == "owed").values(state=state, sent_at=at))


def states(engine: Engine) -> list[str]:
    with engine.begin() as conn:
        return [row[0] for row in conn.execute(select(DELIVERIES.c.state).order_by(DELIVERIES.c.owed_at))]


def test_one_a_day_at_the_hour_whatever_is_restarted_in_between(engine: Engine) -> None:
    assert owe(engine, EIGHT - 3600) == 1, "at the first start one is due"
    assert owe(engine, EIGHT - 1) == 0
    assert owe(engine, EIGHT) == 1
    assert sum(owe(engine, EIGHT + 600 * n) for n in range(24 * 6)) == 0
    assert owe(engine, EIGHT + DAY) == 1
    assert owe(engine, EIGHT + DAY, "slack", "pager") == 1, "a receiver that is new gets its first"
    assert states(engine) == ["superseded", "superseded", "owed", "owed"]


def test_one_that_nobody_took_in_time_has_failed_until_one_is_taken(engine: Engine) -> None:
    assert fares(engine, EIGHT) == (None, False)
    owe(engine, EIGHT)
    assert fares(engine, EIGHT + 900) == (None, False)
    assert fares(engine, EIGHT + 901) == (None, True)
    settle(engine, "sent", EIGHT + 950)
    assert fares(engine, EIGHT + 1000) == (50.0, False)
    owe(engine, EIGHT + DAY)
    settle(engine, "dead")
    assert fares(engine, EIGHT + DAY + 901) == (DAY - 49, True)
    owe(engine, EIGHT + 2 * DAY)
    assert fares(engine, EIGHT + 2 * DAY) == (2 * DAY - 950, True), "the next one has not proven it yet"
    settle(engine, "sent", EIGHT + 2 * DAY + 1)
    assert fares(engine, EIGHT + 2 * DAY + 1) == (0.0, False)


def test_old_canaries_are_forgotten(engine: Engine) -> None:
    owe(engine, EIGHT)
    owe(engine, EIGHT + DAY)
    with engine.begin() as conn:
        forget(Unit(conn), EIGHT + 1)
    assert states(engine) == ["owed"]


class _Now(Clock):
    def now(self) -> float:
        return EIGHT + 5


async def test_slack_is_told_that_nothing_is_wrong(engine: Engine) -> None:
    async def run(work: Any) -> Any:
        with engine.begin() as conn:
            return work(Unit(conn))

    async with Inbox() as inbox:
        own = {"token": TOKEN, "channel": CHANNEL, "base_url": inbox.base_url, "posts_a_second": 500.0}
        owe(engine, EIGHT)
        await Outbox([SlackReceiver(SlackSettings(**own))], run, _Now()).drain()  # type: ignore[arg-type]
        (message,) = inbox.messages()
        assert message["text"].startswith("✅ Test of this channel: nothing is wrong · Closed · info")
        assert inbox.snapshot()["rejected"] == []
    assert fares(engine, EIGHT + 3600)[1] is False


def test_grafana_can_show_it(engine: Engine) -> None:
    owe(engine, EIGHT)
    with engine.begin() as conn:
        note = incident_note(json.loads(conn.execute(select(DELIVERIES.c.body)).scalar_one()))
    assert "nothing is wrong" in note.text
    assert note.time == note.time_end == EIGHT * 1000
