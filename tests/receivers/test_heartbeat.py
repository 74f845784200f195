"""The dead man's switch pings while blocks are judged, and only then."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from monitor.devnet.inbox import Inbox
from monitor.receivers.heartbeat import Heartbeat, HeartbeatSettings


def heartbeat(url: str, judged: float | None = 1000.0, **more: float) -> Heartbeat:
    return Heartbeat(HeartbeatSettings(url=url, **more), lambda: judged, now=lambda: 1050.0)  # type: ignore[arg-type]


async def test_it_pings_while_blocks_are_judged() -> None:
    async with Inbox() as inbox, httpx.AsyncClient(trust_env=False) as client:
        beat = heartbeat(f"{inbox.url}/heartbeat")
        await beat.beat(client)
        assert (inbox.traffic.heartbeats, beat.health.sent, beat.health.last_sent_at) == (1, 1, 1050.0)


@pytest.mark.parametrize("judged", [None, 900.0])
async def test_it_is_silent_when_no_block_is_judged(judged: float | None) -> None:
    async with Inbox() as inbox, httpx.AsyncClient(trust_env=False) as client:
        beat = heartbeat(f"{inbox.url}/heartbeat", judged)
        await beat.beat(client)
        assert (inbox.traffic.heartbeats, beat.health.withheld) == (0, 1)


@pytest.mark.parametrize("kind", ["html", "drop", "hang"])
async def test_a_failed_ping_is_counted_and_stops_nothing(kind: str) -> None:
    async with Inbox() as inbox, httpx.AsyncClient(trust_env=False) as client:
        inbox.fail(kind, "heartbeat", seconds=5)  # type: ignore[arg-type]
        beat = heartbeat(f"{inbox.url}/heartbeat", timeout_seconds=0.1)
        await beat.beat(client)
        await beat.beat(client)
        assert (beat.health.failed, beat.health.sent) == (1, 1)


async def test_it_pings_again_and_again_without_proxy_and_without_showing_the_address(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    caplog.set_level(logging.INFO)
    async with Inbox() as inbox:
        beat = heartbeat(f"{inbox.url}/heartbeat?secret-id", every_seconds=0.01)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await beat.work()
        assert inbox.traffic.heartbeats >= 3
    assert "secret-id" not in caplog.text
    assert "secret-id" not in repr(beat._settings)


@pytest.mark.parametrize("url", ["ftp://x", "no address", "http://"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="must be a web address") as caught:
        HeartbeatSettings(url=url)  # type: ignore[arg-type]
    assert "hc.example" in str(caught.value)


async def test_a_file_that_went_away_fails_the_ping_and_stops_nothing(tmp_path: Path) -> None:
    path = tmp_path / "url"
    path.write_text("http://127.0.0.1:1/secret-id\n")
    beat = Heartbeat(HeartbeatSettings(url_file=path), time.time)
    path.unlink()
    async with httpx.AsyncClient(trust_env=False) as client:
        await beat.beat(client)
    assert beat.health.failed == 1
