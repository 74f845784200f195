"""Long computations in turns: in the event loop, heads, pages and nodes' answers do not wait for all of one at once.

A computation is a generator that pauses where it may be interrupted and returns its result. A worker thread would not do:
what is computed reads the window, which the next block changes, and a thread that computes keeps the loop waiting for
the interpreter all the same.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")
Steps = Generator[None, None, T]
TURN_SECONDS = 0.002
"""Two computations may take turns, and who waits for a timer waits for three rounds of the loop."""


async def in_turns(steps: Steps[T]) -> T:
    """Run a computation to its end and return its result; between two steps others run whenever a turn is over."""
    ends = time.perf_counter() + TURN_SECONDS
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        if time.perf_counter() >= ends:
            await asyncio.sleep(0)
            ends = time.perf_counter() + TURN_SECONDS


def at_once(steps: Steps[T]) -> T:
    """Run a computation to its end without a pause and return its result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
