"""Short jobs by wall time: at once, again and again, never on top of each other, and a failure is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest
import structlog

from monitor.service.schedule import Schedule


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 -- it is seen from outside only
            await asyncio.sleep(0.01)


def test_a_job_runs_at_once_and_again_though_it_fails() -> None:
    async def run() -> None:
        runs: list[int] = []
        failed: list[tuple[str, str]] = []

        async def job() -> None:
            runs.append(len(runs))
            if len(runs) == 1:
                raise ValueError("first")

        schedule = Schedule({"x": (0.05, job)}, lambda name, error: failed.append((name, str(error))))
        schedule.start()
        with structlog.testing.capture_logs() as said:
            await until(lambda: len(runs) >= 3)
        schedule.stop()
        assert failed == [("x", "first")]
        assert [s["error"] for s in said if s["event"] == "schedule.job_failed"] == ["ValueError: first"]

    asyncio.run(run())


def test_a_job_never_overlaps_itself_and_does_not_stop_the_others() -> None:
    async def run() -> None:
        running = peak = others = 0
        free = asyncio.Event()

        async def slow() -> None:
            nonlocal running, peak
            running += 1
            peak = max(peak, running)
            await free.wait()
            running -= 1

        async def quick() -> None:
            nonlocal others
            others += 1

        schedule = Schedule({"slow": (0.02, slow), "quick": (0.02, quick)}, lambda *_: None)
        schedule.start()
        await until(lambda: others >= 5)
        assert (running, peak) == (1, 1)
        free.set()
        await until(lambda: running == 0)
        schedule.stop()

    asyncio.run(run())


def test_stopping_ends_it_and_can_be_done_twice() -> None:
    async def run() -> None:
        runs = 0

        async def job() -> None:
            nonlocal runs
            runs += 1

        schedule = Schedule({"x": (0.02, job)}, lambda *_: None)
        schedule.stop()
        schedule.start()
        await until(lambda: runs >= 1)
        schedule.stop()
        schedule.stop()
        await asyncio.sleep(0)
        ended = runs
        await asyncio.sleep(0.1)
        assert runs == ended

    asyncio.run(run())


def test_a_job_that_a_stop_interrupts_has_not_failed(caplog: pytest.LogCaptureFixture) -> None:
    """Neither we nor APScheduler, which logs with a traceback, say so. A job that is cancelled otherwise has failed."""

    async def run() -> None:
        failed: list[str] = []
        begun = interrupted = False

        async def endless() -> None:
            nonlocal begun, interrupted
            begun = True
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                interrupted = True
                raise

        async def gives_up() -> None:
            raise asyncio.CancelledError

        schedule = Schedule({"endless": (60, endless), "gives_up": (60, gives_up)}, lambda name, _: failed.append(name))
        schedule.start()
        with structlog.testing.capture_logs() as said:
            await until(lambda: begun and bool(failed))
            assert [s["job"] for s in said] == failed == ["gives_up"]
            caplog.clear()
            schedule.stop()
            await until(lambda: interrupted)
            await asyncio.sleep(0.01)
        assert len(said) == 1 and failed == ["gives_up"]

    with caplog.at_level(logging.WARNING):
        asyncio.run(run())
    assert caplog.records == []
