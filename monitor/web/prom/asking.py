"""Evaluation of one query, bounded in samples, steps and time, over memory and the store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np

from monitor.catalogue.catalogue import Catalogue, nearest
from monitor.model import Family
from monitor.promql import EvaluationError, Expr, Need, ParseError, needs, parse
from monitor.samples import EMPTY, EMPTY_TABLE, FrameWindow, Matrix, Selector, Source, Vector
from monitor.samples.past import Past, Recent, Stretches, TooMuch, Wanted, merged, reach, read, recent
from monitor.store import Store, Unit
from monitor.web.prom.feed import Feed
from monitor.web.prom.params import ApiError, bad

MAX_SECONDS = 30.0
"""Wall time that one query may take."""
AT_ONCE = 2
WAITING = 40
"""Queries that may wait for the two that are worked on; a dashboard opens with about twenty."""

T = TypeVar("T")


class TimedOut(Exception):
    """A query took longer than it may."""


@dataclass(slots=True)
class Guard:
    """A window that gives up when time is over, and answers for families that do not exist as Prometheus does: with nothing."""

    past: Past
    deadline: float
    unheard: dict[str, str] = field(default_factory=dict)

    def instant(self, selector: Selector, at: int) -> Vector:
        return self.past.instant(selector, at) if self._known(selector) else EMPTY

    def spoken(self, selector: Selector, at: int) -> Vector:
        return self.past.spoken(selector, at) if self._known(selector) else EMPTY

    def range(self, selector: Selector, at: int, seconds: int) -> Matrix:
        if self._known(selector):
            return self.past.range(selector, at, seconds)
        return Matrix(EMPTY_TABLE, np.empty(0, np.int64), np.empty((0, 0)), np.empty((0, 0), bool), np.empty(0, bool))

    def _known(self, selector: Selector) -> bool:
        if time.monotonic() > self.deadline:
            raise TimedOut
        name = selector.family
        if name in self.past.catalogue:
            return True
        if name not in self.unheard:
            close = nearest(name, [f.name for f in self.past.catalogue])
            self.unheard[name] = f'no metric is called "{name}"' + (f'; did you mean "{close}"?' if close else "")
        return False


class Asker:
    """Takes queries one after the other, two at a time, in threads of their own."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    def parse(self, text: str) -> Expr:
        """The expression of the parameter ``query``. Raises ApiError with line and column."""
        try:
            return parse(text)
        except ParseError as error:
            raise bad("query", parse_error(error, text)) from None

    async def ask(
        self, expr: Expr, times: Sequence[int], whole: tuple[int, int], work: Callable[[Guard], T], seconds: float = MAX_SECONDS
    ) -> tuple[T, list[str]]:
        """``work`` on a window that knows what the expression reads at these times, and what to warn of. Raises ApiError."""
        catalogue, sources = self.feed.data()
        window = self.feed.window()
        wanted = wants(expr, times, catalogue, whole)
        copied = None if window is None or window.begun is None else self._copied(window, wanted)
        deadline = time.monotonic() + min(seconds, MAX_SECONDS)
        job = partial(_job, self.feed.store, catalogue, sources, wanted, copied, deadline, work)
        return await self.aside(job)

    async def aside(self, job: Callable[[], T]) -> T:
        """Do it in a thread when it is its turn. Raises ApiError when too many wait, and for what went wrong."""
        if self._waiting >= WAITING:
            raise ApiError(429, "too_many_requests", f"{WAITING} queries wait already; ask again, or for fewer panels at once")
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(_explained, job)
        finally:
            self._waiting -= 1

    def _copied(self, window: FrameWindow, wanted: Wanted) -> Recent:
        try:
            return recent(window, wanted.families, wanted.first)
        except TooMuch as error:
            raise ApiError(422, "execution", str(error)) from None


def parse_error(error: ParseError, text: str) -> str:
    """What is wrong with an expression and where, as Prometheus writes it."""
    before = text[: error.position or 0]
    place = f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
    return f"{place}: parse error: {error}"


def wants(expr: Expr, times: Sequence[int], catalogue: Catalogue, whole: tuple[int, int] | None = None) -> Wanted:
    """What must be read to evaluate an expression at these times, freshness included; ``whole`` as in ``evaluate_steps``."""
    found = [(catalogue[n.select.selector.family], n) for n in needs(expr, times, whole) if n.select.selector.family in catalogue]
    stretches = [_stretches(family, need) for family, need in found]
    every = np.concatenate(stretches) if stretches else np.empty((0, 2), np.int64)
    visible = max((family.visible_for or 0 for family, _ in found), default=0)
    return Wanted(frozenset(family.name for family, _ in found), merged(every), visible)


def _stretches(family: Family, need: Need) -> Stretches:
    found: Stretches = need.stretches - np.array([reach(family), 0])
    return found


def _job(
    store: Store, catalogue: Catalogue, sources: Sequence[Source], wanted: Wanted, newest: Recent | None, deadline: float, work: Callable[[Guard], T]
) -> tuple[T, list[str]]:  # fmt: skip
    def check() -> None:
        if time.monotonic() > deadline:
            raise TimedOut

    def looked(unit: Unit | None) -> Past:
        return read(unit, catalogue, sources, wanted, newest, check)

    if not wanted.families or (newest is not None and wanted.first >= newest.since):
        past = looked(None)
    else:
        with store.read() as unit:
            past = looked(unit)
    guard = Guard(past, deadline)
    found = work(guard)
    warnings = list(guard.unheard.values())
    if past.thinned_until is not None:
        warnings.append(f"before {past.thinned_until} one reading of each five minutes is kept: values there may be so much older")
    return found, warnings


def _explained(job: Callable[[], T]) -> T:
    try:
        return job()
    except TimedOut:
        raise ApiError(503, "timeout", "the query took too long; ask for a shorter time, larger steps, or fewer series") from None
    except (EvaluationError, TooMuch) as error:
        raise ApiError(422, "execution", str(error)) from None
