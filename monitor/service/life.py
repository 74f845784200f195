"""The life of the process: build, stand by for the lease, lead, and begin again from the store when anything breaks.

While leading, four tasks run side by side (pipeline, outbox, guardian's executor, heartbeat) and a schedule of short jobs. If one
of them ends, all end, and leading begins anew from what is committed: there is one way to recover, the one of a restart.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import structlog
import uvicorn
from starlette.routing import Route

from monitor.alerts import Outbox, waiting
from monitor.alerts.canary import canaries, owe_canaries
from monitor.alerts.happenings import forget as forget_happenings
from monitor.alerts.retention import forget as forget_incidents
from monitor.guardian.causes import decided
from monitor.guardian.execution.ledger import outcomes
from monitor.guardian.execution.machine import Executor
from monitor.guardian.execution.start import KeyRefused, WrongChain
from monitor.guardian.execution.waits import Waits
from monitor.guardian.retention import forget as forget_pauses
from monitor.guardian.sentinels.board import posted
from monitor.model import Refused
from monitor.protocols.keys import rows
from monitor.protocols.keys.reader import KeyReader
from monitor.receivers.heartbeat import Heartbeat
from monitor.service import state, status
from monitor.service.accounts import account
from monitor.service.beacon import BeaconWatch
from monitor.service.build import Parts, load_rules
from monitor.service.charts import Charts
from monitor.service.facts import fact_finder
from monitor.service.happenings import Chronicler
from monitor.service.lag import LoopLag
from monitor.service.metrics import samples
from monitor.service.people import People
from monitor.service.pipeline import Pipeline, Rooms
from monitor.service.querying import feed
from monitor.service.schedule import Schedule
from monitor.service.settings import BadSettings
from monitor.service.setup import Setup
from monitor.store import Lease, LeaseLost, lease
from monitor.store.retention import Retention, prune
from monitor.turns import Steps, in_turns
from monitor.web.app import Face, app
from monitor.web.orders import orders
from monitor.web.view import StatusView

log = structlog.get_logger()

LEASE = "judging"
RESTART_SECONDS = 1.0
DECISIONS_SECONDS = 6 * 3600
KEYS_BLOCKS = 5
"""How often the key registries are looked at: a minute on mainnet."""


class CannotStart(Exception):
    """The service must not run like this: what, and the remedy."""


class Service:
    """One process. ``run`` returns when it is told to stop."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.owner = lease.new_owner()
        self.stopping = asyncio.Event()
        self.pipeline: Pipeline | None = None
        self.watch: BeaconWatch | None = None
        self.lag = LoopLag()
        self.lease: Lease | None = None
        self._worker: asyncio.Task[None] | None = None
        self._kept: tuple[float, dict[str, Any]] = (0.0, dict(status.NOTHING))
        self._charts = Charts()
        self._showing = asyncio.Lock()
        self._shown: tuple[tuple[Any, ...], StatusView] | None = None

    async def run(self, started: Callable[[], None] = lambda: None) -> None:
        """Serve the page, and lead whenever the lease is ours. Raises CannotStart."""
        parts = self.parts
        await asyncio.to_thread(parts.store.migrate)
        for line in parts.uncovered:
            log.warning("coverage.missing", what=line)
        await self._check_receivers()
        with _signals(self.stopping, self._reload):
            async with contextlib.AsyncExitStack() as stack:
                await parts.execution.start()
                stack.push_async_callback(parts.execution.close)
                if parts.beacon is not None:
                    await parts.beacon.start()
                    stack.push_async_callback(parts.beacon.close)
                page = await stack.enter_async_context(_page(self))
                log.info("service.started", page=page, owner=self.owner)
                started()
                # What was loaded stays as long as the process: the collector need not walk it again and again while the loop waits.
                gc.collect()
                gc.freeze()
                await self._lead_until_stopped()
        parts.store.close()

    # ------------------------------------------------------------ leading

    async def _lead_until_stopped(self) -> None:
        stop = asyncio.create_task(self.stopping.wait())
        while not self.stopping.is_set():
            self._worker = asyncio.create_task(self._lead())
            await asyncio.wait({self._worker, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not self._worker.done():
                self._worker.cancel()
            (ended,) = await asyncio.gather(self._worker, return_exceptions=True)
            self.pipeline = None
            if isinstance(ended, (KeyRefused, WrongChain)):
                raise CannotStart(str(ended))
            if isinstance(ended, BaseException) and not isinstance(ended, asyncio.CancelledError):
                log.error("service.begins_anew", error=f"{type(ended).__name__}: {ended}", exc_info=ended)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(RESTART_SECONDS):
                        await self.stopping.wait()
        stop.cancel()
        if self.lease is not None:
            with contextlib.suppress(Exception):
                await asyncio.to_thread(lease.release, self.parts.store, self.lease)

    async def _lead(self) -> None:
        """Take the lease, read the committed state, and work until something breaks. Raises what broke."""
        self.lease = await self._acquire()
        log.info("service.leads", epoch=self.lease.epoch)
        parts, held = self.parts, self.lease
        # What an earlier life of this process still writes must be committed before the state is read.
        await parts.store.run(lambda _: None, held)
        before = await parts.store.look(partial(state.load, setup=parts.setup, max_bytes=parts.settings.rules.max_memory_mib << 20))
        run = partial(parts.store.run, lease=held)
        outbox = Outbox(parts.receivers, run)
        executor = self._executor()
        consensus = await self._consensus(run)
        self.watch = watch = consensus[0] if consensus else None
        rooms = Rooms(
            parts.execution, parts.collectors, parts.book, parts.responses, parts.store,
            fact_finder(parts.execution, parts.collectors, parts.gauge, watch=watch), partial(_wake, outbox, executor),
            parts.settings.network.slot_seconds, watch.view if watch else lambda: None,
        )  # fmt: skip
        self.pipeline = Pipeline(rooms, parts.setup, before, parts.progress, held)
        broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        schedule = Schedule(self._jobs(held, outbox, executor), partial(_break, broken))
        schedule.start()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.pipeline.run(), name="pipeline")
                group.create_task(outbox.work(), name="outbox")
                for receiver in parts.alertmanagers:
                    group.create_task(receiver.work(), name=f"resend.{receiver.name}")
                group.create_task(_raise(broken), name="schedule")
                group.create_task(self.lag.work(), name="lag")
                if consensus is not None:
                    watch, reader = consensus
                    settled = partial(parts.execution.behind, parts.settings.network.settled_blocks)
                    group.create_task(watch.work(parts.store.look, run), name="beacon")
                    every = KEYS_BLOCKS * parts.settings.network.block_seconds
                    group.create_task(reader.work(settled, every, lambda: parts.execution.tip), name="keys")
                if executor is not None:
                    group.create_task(executor.run(), name="guardian")
                if parts.settings.heartbeat is not None:
                    group.create_task(Heartbeat(parts.settings.heartbeat, lambda: parts.progress.judged_at).work(), name="heartbeat")
        except BaseExceptionGroup as failed:
            raise _first(failed) from None
        finally:
            schedule.stop()
            if executor is not None:
                await executor.close()

    async def _acquire(self) -> Lease:
        seconds = self.parts.settings.store.lease_seconds
        held, self.lease = self.lease, None
        if held is not None:
            with contextlib.suppress(LeaseLost):
                return await asyncio.to_thread(lease.renew, self.parts.store, held)
        waits = False
        while True:
            found = await asyncio.to_thread(lease.acquire, self.parts.store, LEASE, self.owner, seconds)
            if found is not None:
                return found
            if not waits:
                log.info("service.stands_by", reason="another process holds the lease, or held it until it died")
                waits = True
            await asyncio.sleep(min(0.5, seconds / 10))

    async def _consensus(self, run: Callable[..., Any]) -> tuple[BeaconWatch, KeyReader] | None:
        """Who follows the beacon chain, and who reads whose validators they are; None without beacon nodes."""
        parts = self.parts
        if parts.beacon is None:
            return None
        book = await parts.store.look(partial(rows.load, protocols=tuple(source.name for source in parts.keys)))
        reader = KeyReader(book, parts.keys, parts.execution.read_aside, run)
        return BeaconWatch(parts.beacon, book, lambda: None if (at := parts.progress.at) is None else at.timestamp), reader

    def _executor(self) -> Executor | None:
        """Who carries owed pauses out; None where the settings have no key for it."""
        parts, guardian, network = self.parts, self.parts.settings.guardian, self.parts.settings.network
        if guardian is None or (parts.sentinel is None and not parts.senders):
            return None
        return Executor(guardian, network.chain_id, network.execution, parts.store, parts.sentinel, parts.senders, lambda: self.lease)

    def _orders(self) -> Route | None:
        """Where other sentinels read what this one signed; None where the settings have no token for them."""
        parts, guardian = self.parts, self.parts.settings.guardian
        token = None if guardian is None else guardian.token()
        if guardian is None or token is None:
            return None
        board = partial(posted, chain_id=parts.settings.network.chain_id, guardian=guardian.where)
        return orders(lambda: parts.store.look(lambda unit: board(unit, now=time.time())), token)

    def _jobs(self, held: Lease, outbox: Outbox, executor: Executor | None) -> dict[str, tuple[float, Any]]:
        parts = self.parts
        names = [r.name for r in parts.receivers]
        kept = parts.settings.store
        chronicler = Chronicler(parts.store, [r.name for r in parts.receivers if getattr(r, "keeps_happenings", False)], parts.pauses)

        async def renew() -> None:
            self.lease = await asyncio.to_thread(lease.renew, parts.store, held)

        async def tell() -> None:
            if await parts.store.run(lambda unit: parts.book.tick(unit, time.time()), held):
                outbox.wake()

        async def count() -> None:
            now = time.time()
            parts.gauge.waiting = await parts.store.look(lambda unit: waiting(unit, names, now))
            if any(w.owed for w in parts.gauge.waiting.values()):
                outbox.wake()  # a person's command, from another process, may owe a message too
            parts.gauge.members = {(r.name, m.name): m.up for r in parts.alertmanagers for m in r.members.values() if m.up is not None}
            # In block time, in which alerts are judged: that of the last judged moment, where there is one.
            since = (now if parts.progress.at is None else parts.progress.at.timestamp) - DECISIONS_SECONDS
            parts.gauge.decisions = await parts.store.look(lambda unit: outcomes(unit, since, now))
            parts.progress.decided = await parts.store.look(decided)

        async def chronicle() -> None:
            if await chronicler.work(held, time.time()):
                outbox.wake()

        async def canary() -> None:
            own, now = parts.settings.canary, time.time()
            if own is None:
                return
            if await parts.store.run(lambda unit: owe_canaries(unit, own, names, now), held):
                outbox.wake()
            parts.gauge.canaries = await parts.store.look(lambda unit: canaries(unit, own, names, now))

        waits = None if executor is None else Waits(executor.room.chain.nodes, [key.address for key in parts.senders])

        async def wait() -> None:
            if waits is not None:
                parts.gauge.senders = await waits.look()

        async def forget() -> None:
            at = parts.progress.last_block
            if at is not None:
                retention = Retention(raw=int(kept.raw_days * 86400), thinned=int(kept.thinned_days * 86400))
                while await parts.store.run(lambda unit: prune(unit, at.timestamp, retention), held):
                    pass
                before = time.time() - kept.thinned_days * 86400
                while await parts.store.run(lambda unit: forget_incidents(unit, before), held):
                    pass
                while await parts.store.run(lambda unit: forget_pauses(unit, at.timestamp, retention.thinned), held):
                    pass
                await parts.store.run(lambda unit: forget_happenings(unit, before), held)

        return {
            "lease": (held.seconds / 3, renew),
            "alerts": (1.0, tell),
            "deliveries": (1.0, count),
            "chronicle": (2.0, chronicle),
            "canary": (15.0, canary),
            "senders": (15.0, wait),
            "retention": (600.0, forget),
        }

    # ------------------------------------------------------------ people and files

    async def _check_receivers(self) -> None:
        """A wrong token or channel is found at the start; a receiver that does not answer now may answer later."""
        for receiver in self.parts.receivers:
            try:
                found = await receiver.check()
                for warning in found.get("warnings", ()):
                    log.warning("receiver.warning", receiver=receiver.name, warning=warning)
            except Refused as wrong:
                raise CannotStart(f"receiver {receiver.name}: {wrong}") from None
            except Exception as error:
                log.warning("receiver.not_reached", receiver=receiver.name, error=f"{type(error).__name__}: {error}")

    def _reload(self) -> None:
        """Read the rule files again (SIGHUP). A rule set with a mistake changes nothing."""
        try:
            ruleset = load_rules(self.parts.settings)
        except BadSettings as wrong:
            log.error("rules.not_reloaded", problems=wrong.problems, remedy="the old rules go on; `stakewarden rules check` shows all")
            return
        self.parts.setup = Setup.of(ruleset, self.parts.collectors, self.parts.responses.keep_seconds(ruleset))
        if self.pipeline is not None:
            self.pipeline.reload(self.parts.setup)

    # ------------------------------------------------------------ the page

    async def status(self) -> StatusView:
        """What the page shows; the database's part is at most half a second old. Made once a judged moment, however many ask."""
        parts, progress = self.parts, self.parts.progress
        if time.monotonic() - self._kept[0] > 0.5:
            self._kept = (time.monotonic(), await parts.store.look(partial(status.kept, consequences=parts.book.consequences)))
        stale = max(12.0, 3 * parts.settings.network.block_seconds)
        why = status.problems(self.pipeline, progress, self.lease is None, stale, self.parts.execution.waiting)
        async with self._showing:
            key = (progress.at, progress.judged_at, self._kept[0], why, id(self.pipeline))
            if self._shown is None or self._shown[0] != key:
                self._shown = key, await in_turns(self._view(why))
            return self._shown[1]

    def _view(self, why: tuple[str, ...]) -> Steps[StatusView]:
        parts, pipeline, progress, at = self.parts, self.pipeline, self.parts.progress, self.parts.progress.at
        charts = () if pipeline is None or at is None else (yield from self._charts.views(pipeline, at))
        network, health = f"chain {parts.settings.network.chain_id}", parts.execution.health()
        return (yield from status.view(network, at, pipeline, progress, why, health, self._kept[1], self.watch, charts, parts.uncovered))

    def shown_again(self) -> None:
        """Somebody changed something: the next page shows it."""
        self._kept = (-math.inf, self._kept[1])

    def alive(self) -> str | None:
        """None while the process works, or stands by for the lease."""
        if self._worker is None or self._worker.done():
            return "the leading task has ended and was not begun again"
        return None


def _wake(outbox: Outbox, executor: Executor | None) -> None:
    outbox.wake()
    if executor is not None:
        executor.wake()


def _break(broken: asyncio.Future[None], job: str, error: BaseException) -> None:
    """A lost lease ends leading; any other failure of a job is logged and the job comes again."""
    if isinstance(error, LeaseLost) and not broken.done():
        broken.set_exception(error)


async def _raise(broken: asyncio.Future[None]) -> None:
    await broken


def _first(failed: BaseExceptionGroup[BaseException]) -> BaseException:
    first = failed.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


@contextlib.contextmanager
def _signals(stopping: asyncio.Event, reload: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    loop.add_signal_handler(signal.SIGHUP, reload)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handlers: the service has them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def _page(service: Service) -> Any:
    """Serve the page; yields its address. Raises CannotStart when the port is taken."""
    import socket

    web = service.parts.settings.web
    try:
        listening = socket.create_server((web.host, web.port), reuse_port=False)
    except OSError as error:
        raise CannotStart(f"web: cannot listen on {web.host}:{web.port} ({error.strerror}): is it running already? set web.port") from None
    people = People(service.parts.store, service.parts.book, service.shown_again)
    face = Face(
        service.status, partial(samples, service), service.alive, people, service.parts.token, prom=feed(service), runbooks=service.parts.runbooks, orders=service._orders(),
        summary=partial(account, service.parts.store, service.parts.settings),
    )  # fmt: skip
    server = _Server(uvicorn.Config(app(face), log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2))
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield f"http://{web.host}:{listening.getsockname()[1]}/"
    finally:
        server.should_exit = True
        await asyncio.gather(task, return_exceptions=True)
        listening.close()
