"""Short jobs by wall time: at once, again and again, never on top of each other, and a failure is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

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
