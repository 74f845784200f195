"""The reads of one block from all endpoints at once, and the vote on each.

The snapshot is there as soon as every answer is decided; the answers of slower endpoints are still taken until
the next block, so that their dissent and their lag are counted.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence

import structlog

from monitor.chain import reading
from monitor.chain.endpoint import Endpoint
from monitor.chain.errors import EndpointError, UnknownBlock
from monitor.chain.quorum import NoVote, Vote, decide, dissenters
from monitor.chain.ranges import MadeUp, make_up
from monitor.chain.reading import Plan, Said
from monitor.chain.wire import RawLog
from monitor.model import Answer, BlockStamp, Disputed, Failed, Hash, Log, Read, Reverted, Snapshot, Value

log = structlog.get_logger()

_HEAD_START = 0.3
"""Seconds that an endpoint with a live subscription gets to learn of the block before it is asked."""
_LOGS = "logs"
_RANGE = "made-up logs"

Question = Read | str


class Round:
    """One block's questions: the reads, the block's logs, and the logs of the blocks missed before it."""

    def __init__(
        self, endpoints: Sequence[Endpoint], plan: Plan, since: int, known: Mapping[int, BlockStamp], *, aside: bool = False
    ) -> None:
        """``since``: the last block whose logs were taken. ``known``: agreed blocks by number. ``aside``: no block's own round, so

        how the endpoints do is not judged by it.
        """
        self._endpoints, self._plan, self._known, self._aside = endpoints, plan, known, aside
        self._missed = (since + 1, plan.stamp.number - 1)
        self._questions: list[Question] = [*(r for chunk in plan.chunks for r in chunk), *plan.singles]
        if plan.log_ask is not None:
            self._questions.append(_LOGS)
        ranged = plan.log_ask is not None and self._missed[0] <= self._missed[1]
        if ranged:
            self._questions.append(_RANGE)
        self._votes: dict[Question, dict[str, Vote | NoVote]] = {q: {} for q in self._questions}
        self._answers: dict[Question, Answer] = {}
        self._open = set(self._questions)
        self._logs: dict[str, tuple[RawLog, ...]] = {}
        self._made_up: dict[str, MadeUp] = {}
        self._news = asyncio.Event()
        network = plan.network
        self._tasks: dict[asyncio.Task[None], tuple[Endpoint, float]] = {}
        for endpoint in endpoints if self._questions else ():
            self._start(self._reads(endpoint), endpoint, network.block_deadline_seconds)
            if ranged:
                self._start(self._range(endpoint), endpoint, network.catch_up_seconds)
        self._given_up: str | None = None
        self._started = time.monotonic()
        self._late: set[str] = set()
        self.cut_short = False
        self._answered: set[str] = set()
        self._rest: asyncio.Task[None] | None = None

    def _start(self, work: object, endpoint: Endpoint, seconds: float) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)  # type: ignore[arg-type]
        self._tasks[task] = (endpoint, time.monotonic() + seconds)

    # ---- the way of a round

    async def snapshot(self) -> Snapshot:
        """Wait until everything is decided."""
        try:
            while self._open and not all(task.done() for task in self._tasks):
                self._news.clear()
                self._settle()
                if not self._open:
                    break
                await self._wait()
            self._settle()
        except asyncio.CancelledError:
            await self.close()
            raise
        found = self._snapshot()
        self._rest = asyncio.create_task(self._collect())
        return found

    @property
    def stamp(self) -> BlockStamp:
        return self._plan.stamp

    def give_up(self, reason: str) -> None:
        """Wait for nothing more: what is not decided by now is failed, for this reason."""
        self._given_up = reason
        for task in self._tasks:
            task.cancel()

    async def close(self) -> None:
        """The next block is here: what has not come by now is late."""
        if self._rest is not None and not self._rest.done():
            self._rest.cancel()
            await asyncio.wait([self._rest])
        pending = [task for task in self._tasks if not task.done()]
        self._judge_late(pending)
        for task in pending:
            task.cancel()
        if pending:
            await asyncio.wait(pending)
        self._count()

    @property
    def finished(self) -> bool:
        """Whether all that will come has come."""
        return all(task.done() for task in self._tasks)

    def _judge_late(self, pending: Sequence[asyncio.Task[None]]) -> None:
        """Who did not answer before the next block timed out; but when blocks are made up in haste, that proves nothing."""
        self.cut_short = bool(pending) and time.monotonic() - self._started < self._plan.network.block_seconds / 2
        self._late = {self._tasks[task][0].name for task in pending}
        if self.cut_short or self._given_up is not None or self._aside:
            return
        for endpoint in self._endpoints:
            if endpoint.name in self._late:
                endpoint.counters.errors["timeout"] += 1

    async def _collect(self) -> None:
        while not all(task.done() for task in self._tasks):
            self._news.clear()
            await self._wait()
        self._settle()
        self._count()

    async def _wait(self) -> None:
        """Until there is news, or a deadline cuts a task short."""
        soonest = min((at for task, (_, at) in self._tasks.items() if not task.done()), default=0.0)
        try:
            async with asyncio.timeout(max(0.0, soonest - time.monotonic())):
                await self._news.wait()
        except TimeoutError:
            now = time.monotonic()
            late = [task for task, (_, at) in self._tasks.items() if not task.done() and at <= now]
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    # ---- one endpoint

    async def _reads(self, endpoint: Endpoint) -> None:
        said: Said | NoVote = NoVote("")
        try:
            said = await self._ask(endpoint)
        except EndpointError as error:
            said = NoVote(error.reason)
        except asyncio.CancelledError:
            said = NoVote(self._given_up or f"no answer within {self._plan.network.block_deadline_seconds:g} s")
            raise
        finally:
            self._take(endpoint, said)

    async def _ask(self, endpoint: Endpoint) -> Said:
        number = self._plan.stamp.number
        if endpoint.subscribed:
            await endpoint.reaches(number, _HEAD_START)
        wait, broken = 0.1, False
        while True:
            try:
                return await reading.ask(endpoint, self._plan)
            except UnknownBlock:
                if not self._open:
                    raise
                await (asyncio.sleep(wait) if endpoint.head and endpoint.head.number >= number else endpoint.reaches(number, wait))
                wait = min(2 * wait, 1.0)
            except EndpointError as error:
                if error.kind != "connection" or broken:  # an idle connection may have been closed meanwhile: once more
                    raise
                broken = True

    def _take(self, endpoint: Endpoint, said: Said | NoVote) -> None:
        name = endpoint.name
        for question, votes in self._votes.items():
            if question == _RANGE:
                continue
            if isinstance(said, NoVote):
                votes[name] = said
            elif isinstance(question, Read):
                votes[name] = said.votes[question]
            elif said.log_vote is not None:
                votes[name] = said.log_vote
        if isinstance(said, Said):
            self._logs[name] = said.logs
            self._answered.add(name)
        self._news.set()

    async def _range(self, endpoint: Endpoint) -> None:
        vote: Vote | NoVote = NoVote("")
        first, last = self._missed
        try:
            found = await make_up(endpoint, self._plan.watch, first, last, self._known)
            self._made_up[endpoint.name] = found
            vote = found.vote()
        except EndpointError as error:
            vote = NoVote(error.reason)
        except asyncio.CancelledError:
            vote = NoVote(self._given_up or f"not all logs within {self._plan.network.catch_up_seconds:g} s")
            raise
        finally:
            self._votes[_RANGE][endpoint.name] = vote
            self._news.set()

    # ---- the votes

    def _settle(self) -> None:
        n = self._plan_size
        for question in tuple(self._open):
            needed = 1 if isinstance(question, Read) and not question.quorum else None
            answer = decide(self._votes[question], n, needed)
            if answer is not None:
                self._answers[question] = answer
                self._open.discard(question)

    @property
    def _plan_size(self) -> int:
        return len(self._plan.network.execution)

    def _snapshot(self) -> Snapshot:
        reads = {q: a for q, a in self._answers.items() if isinstance(q, Read)}
        return Snapshot(self._plan.stamp, reads, self._agreed_logs(), self.agreeing())

    def agreeing(self) -> tuple[str, ...]:
        """The endpoints that are with the majority on every answer that stands, in no dispute, and on at least one."""
        standing = [a for a in self._answers.values() if isinstance(a, (Value, Reverted))]
        disputing = {name for a in self._answers.values() if isinstance(a, Disputed) for name, _ in a.votes}
        out = disputing if standing else {e.name for e in self._plan.network.execution}
        for question, answer in self._answers.items():
            if isinstance(answer, (Value, Reverted)):
                stands, votes = Vote(answer.data, isinstance(answer, Reverted)), self._votes[question]
                out |= {e.name for e in self._plan.network.execution if votes.get(e.name) != stands}
        return tuple(e.name for e in self._plan.network.execution if e.name not in out)

    def _agreed_logs(self) -> tuple[Log, ...] | Failed | Disputed:
        stamps: dict[Hash, BlockStamp] = {self._plan.stamp.hash: self._plan.stamp}
        raw: list[RawLog] = []
        for question in (_RANGE, _LOGS):
            if question not in self._votes:
                continue
            answer = self._answers[question]
            if isinstance(answer, (Failed, Disputed)):
                return answer
            if isinstance(answer, Value):
                name = answer.endpoints[0]
                raw += self._made_up[name].logs if question == _RANGE else self._logs[name]
                stamps |= (self._made_up[name].stamps or {}) if question == _RANGE else {}
        return _ranked(raw, stamps)

    def _count(self) -> None:
        """Say how each endpoint did, when all that will come has come."""
        if not self._endpoints or self._aside:
            return
        found = Counter(name for q, a in self._answers.items() for name in dissenters(self._votes[q], a))
        for endpoint in self._endpoints if self._questions else ():
            differing = found[endpoint.name]
            if not ((self.cut_short or self._given_up) and endpoint.name not in self._answered):
                endpoint.answered = endpoint.name in self._answered
            endpoint.dissent = differing > 0
            endpoint.disputes += differing
            if differing:
                log.warning("endpoint.dissents", endpoint=endpoint.name, block=self._plan.stamp.number, answers=differing)
        self._endpoints = ()


def _ranked(raw: Sequence[RawLog], stamps: Mapping[Hash, BlockStamp]) -> tuple[Log, ...]:
    """Logs with their rank among the logs of the same transaction."""
    ranks: dict[tuple[Hash, Hash], int] = {}
    found: list[Log] = []
    for item in raw:
        key = (item.block, item.tx)
        ranks[key] = ranks.get(key, -1) + 1
        found.append(Log(item.address, item.topics, item.data, stamps[item.block], item.tx, item.index, ranks[key]))
    return tuple(found)
