"""What wall time makes due, by APScheduler: each job is short, never overlaps itself, and a missed run is caught up by the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

import structlog
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MISSED, JobExecutionEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

log = structlog.get_logger()

Job = Callable[[], Awaitable[None]]


class Schedule:
    """Runs jobs every so many seconds, the first time at once. ``failed`` is told what a job raised."""

    def __init__(self, jobs: Mapping[str, tuple[float, Job]], failed: Callable[[str, BaseException], None]) -> None:
        # Missed runs are made up by one run: the default grace of one second would lose them without a word.
        defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        self._scheduler = AsyncIOScheduler(timezone="UTC", job_defaults=defaults)
        self._failed = failed
        self._stopped = False
        self._scheduler.add_listener(self._heard, EVENT_JOB_ERROR | EVENT_JOB_MISSED)
        for name, (seconds, job) in jobs.items():
            self._scheduler.add_job(self._stoppable(job), IntervalTrigger(seconds=seconds), id=name, next_run_time=datetime.now(UTC))

    def start(self) -> None:
        """Begin; needs a running event loop."""
        self._scheduler.start()

    def stop(self) -> None:
        """End; running jobs are cancelled, which every job must bear at any await. That is no failure, and not told as one."""
        if self._scheduler.running and not self._stopped:
            self._stopped = True
            self._scheduler.pause()  # the end comes with the loop's next turn: a job that began until then would be cancelled unstarted
            self._scheduler.shutdown(wait=False)

    def _stoppable(self, job: Job) -> Job:
        async def run() -> None:
            try:
                await job()
            except asyncio.CancelledError:
                if not self._stopped:
                    raise

        return run

    def _heard(self, event: JobExecutionEvent) -> None:
        if event.exception is not None:
            log.error("schedule.job_failed", job=event.job_id, error=f"{type(event.exception).__name__}: {event.exception}")
            self._failed(event.job_id, event.exception)
        elif event.code == EVENT_JOB_MISSED:
            log.warning("schedule.job_missed", job=event.job_id)
