"""The workers that take owed messages to their receivers: each exactly once where the receiver can be asked.

An attempt is written down before it is made. When its outcome is not known (timeout, dropped connection, killed process),
the receiver is asked whether the message is there before it is sent again. Nothing here decides what is told.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import structlog
from sqlalchemy.exc import DBAPIError

from monitor.alerts import deliveries
from monitor.alerts.deliveries import Taken, Wait
from monitor.alerts.desk import Unit
from monitor.model import Delivery, Receipt, Receiver, Refused, Unavailable, Unsure

log = structlog.get_logger()
T = TypeVar("T")


class Run(Protocol):
    """Runs ``work`` in one fenced transaction: ``functools.partial(store.run, lease=lease)``."""

    async def __call__(self, work: Callable[[Unit], T], /) -> T: ...


class Clock:
    """Wall time and waiting; tests put their own in its place."""

    def now(self) -> float:
        return time.time()

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        """Until the event is set, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds. A refusal of the destination (token, channel) is tried again rarely, until ``give_up`` has passed."""

    first: float = 0.5
    most: float = 60.0
    refused: float = 300.0
    give_up: float = 86_400.0
    attempt: float = 60.0
    idle: float = 30.0


@dataclass(slots=True)
class Health:
    """What a worker knows of its receiver, for the status page and metrics. Counters are since the start of the process."""

    sent: int = 0
    found: int = 0
    """Messages that an attempt of unknown outcome turned out to have delivered."""
    failures: int = 0
    dead: int = 0
    failing: int = 0
    """Failures in a row."""
    last_error: str | None = None
    last_sent_at: float | None = None


class Outbox:
    """One worker a receiver. ``work`` runs until cancelled, and ends with the error when the lease is lost."""

    def __init__(self, receivers: Iterable[Receiver], run: Run, clock: Clock | None = None, patience: Patience | None = None) -> None:
        clock, patience = clock or Clock(), patience or Patience()
        self._workers = [_Worker(receiver, run, clock, patience) for receiver in receivers]

    @property
    def health(self) -> dict[str, Health]:
        """By receiver."""
        return {worker.receiver.name: worker.health for worker in self._workers}

    def wake(self) -> None:
        """Messages may be owed: look now. To be called after the commit, from the event loop."""
        for worker in self._workers:
            worker.woken.set()

    async def work(self) -> None:
        """Deliver for ever. Raises what the store raises when this process may not act any more (LeaseLost)."""
        try:
            async with asyncio.TaskGroup() as group:
                for worker in self._workers:
                    group.create_task(worker.work(), name=f"outbox.{worker.receiver.name}")
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def drain(self) -> None:
        """Deliver what is due now, then return: for commands that run once, and for tests."""
        for worker in self._workers:
            while not isinstance(await worker.step(), Wait):
                pass


class _Worker:
    def __init__(self, receiver: Receiver, run: Run, clock: Clock, patience: Patience) -> None:
        self.receiver, self.run, self.clock, self.patience = receiver, run, clock, patience
        self.woken = asyncio.Event()
        self.health = Health()
        self.paused_until = 0.0

    async def work(self) -> None:
        while True:
            self.woken.clear()
            try:
                found = await self.step()
            except DBAPIError as error:
                # An attempt whose outcome could not be written stays "sending": it is looked up when the database is back.
                log.error("outbox.database_failed", receiver=self.receiver.name, error=type(error).__name__)
                await self.clock.wait(asyncio.Event(), self.patience.first)
                continue
            if isinstance(found, Wait):
                until = self.clock.now() + self.patience.idle if found.until is None else found.until
                await self.clock.wait(self.woken, min(max(0.005, until - self.clock.now()), self.patience.idle))

    async def step(self) -> Taken | Wait:
        """Work on the next message, if one is due."""
        if self.clock.now() < self.paused_until:
            return Wait(self.paused_until)
        found = await self.run(lambda unit: deliveries.take(unit, self.receiver.name, self.clock.now()))
        if isinstance(found, Taken):
            await (self._look(found.delivery) if found.look_first else self._send(found.delivery))
        return found

    async def _send(self, delivery: Delivery) -> None:
        try:
            async with asyncio.timeout(self.patience.attempt):
                receipt = await self.receiver.deliver(delivery)
        except Unavailable as error:
            pause, reason = self._pause(error.retry_after), error.reason
            await self._failed(delivery, reason, lambda unit: deliveries.not_sent(unit, delivery, pause, reason))
        except Refused as error:
            await self._refused(delivery, error)
        except (Unsure, TimeoutError) as error:
            await self._unknown(delivery, str(error) or "no answer in time")
        except Exception as error:  # a bug of the receiver's module must not stop the others, nor lose the message
            log.exception("outbox.receiver_bug", receiver=self.receiver.name, delivery=delivery.id)
            await self._unknown(delivery, f"{type(error).__name__} in the receiver")
        else:
            self.health.sent += 1
            await self._accepted(delivery, receipt)

    async def _look(self, delivery: Delivery) -> None:
        """Ask the receiver what became of an attempt. What is certainly not there is owed again at once."""
        try:
            async with asyncio.timeout(self.patience.attempt):
                receipt = await self.receiver.find(delivery)
        except (Unsure, Unavailable, Refused, TimeoutError) as error:
            wait = error.retry_after if isinstance(error, Unavailable) else None
            await self._unknown(delivery, str(error) or "no answer in time", wait)
        except Exception as error:  # as above: unknown stays unknown
            log.exception("outbox.receiver_bug", receiver=self.receiver.name, delivery=delivery.id)
            await self._unknown(delivery, f"{type(error).__name__} in the receiver")
        else:
            if receipt is None:
                await self.run(lambda unit: deliveries.not_sent(unit, delivery, self.clock.now(), None))
                return
            self.health.found += 1
            log.info("outbox.found", receiver=self.receiver.name, delivery=delivery.id, incident=delivery.incident)
            await self._accepted(delivery, receipt)

    # ------------------------------------------------------------ what became of it

    async def _accepted(self, delivery: Delivery, receipt: Receipt) -> None:
        self.health.failing, self.health.last_error, self.health.last_sent_at = 0, None, receipt.accepted_at
        await self.run(lambda unit: deliveries.sent(unit, delivery, receipt.remote, receipt.accepted_at))
        log.info("outbox.sent", receiver=self.receiver.name, delivery=delivery.id, incident=delivery.incident, kind=delivery.kind)

    async def _unknown(self, delivery: Delivery, reason: str, wait: float | None = None) -> None:
        next_at = self.clock.now() + (wait if wait is not None else self._backoff())
        await self._failed(delivery, reason, lambda unit: deliveries.unsure(unit, delivery, next_at, reason))

    async def _refused(self, delivery: Delivery, error: Refused) -> None:
        """The destination's fault may be mended (a token, an invitation), so its messages wait; a message's own fault is final."""
        if error.fatal and self.clock.now() - float(delivery.body["latency"]["judged_at"]) < self.patience.give_up:
            log.error("outbox.receiver_refuses", receiver=self.receiver.name, reason=error.reason, remedy=error.remedy)
            pause = self.clock.now() + self.patience.refused
            self.paused_until = pause
            await self._failed(delivery, str(error), lambda unit: deliveries.not_sent(unit, delivery, pause, str(error)))
            return
        self.health.dead += 1
        log.error("outbox.message_dead", receiver=self.receiver.name, delivery=delivery.id, reason=error.reason, remedy=error.remedy)
        await self._failed(delivery, str(error), lambda unit: deliveries.dead(unit, delivery, str(error)))

    async def _failed(self, delivery: Delivery, reason: str, work: Callable[[Unit], None]) -> None:
        self.health.failures += 1
        self.health.failing += 1
        self.health.last_error = reason
        await self.run(work)
        log.warning("outbox.not_delivered", receiver=self.receiver.name, delivery=delivery.id, reason=reason, attempts=delivery.attempts)

    def _pause(self, retry_after: float | None) -> float:
        """When the receiver may be tried again: what it asked for, with a little more so that not all come back at once."""
        wait = self._backoff() if retry_after is None else retry_after + random.uniform(0, 0.25)  # noqa: S311 (jitter)
        self.paused_until = self.clock.now() + wait
        return self.paused_until

    def _backoff(self) -> float:
        most = min(self.patience.most, self.patience.first * 2.0 ** min(self.health.failing, 16))
        return random.uniform(most / 2, most)  # noqa: S311 (jitter)
