"""A computation in turns: the same result as at once, with others running in between, and its errors told."""

from __future__ import annotations

import asyncio
import time

import pytest

from monitor.turns import TURN_SECONDS, Steps, at_once, in_turns


def sums(count: int, seconds: float = 0.0) -> Steps[int]:
    total = 0
    for number in range(count):
        ends = time.thread_time() + seconds
        while time.thread_time() < ends:
            pass
        total += number
        yield
    return total


def fails() -> Steps[int]:
    yield
    raise ZeroDivisionError("by zero")


@pytest.mark.parametrize("count", [0, 1, 1000])
async def test_in_turns_and_at_once_come_to_the_same(count: int) -> None:
    assert await in_turns(sums(count)) == at_once(sums(count)) == sum(range(count))


async def test_others_run_between_the_turns_of_a_long_computation() -> None:
    ran = 0

    async def other() -> None:
        nonlocal ran
        while True:
            ran += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    await in_turns(sums(10, 2 * TURN_SECONDS))
    beside.cancel()
    assert ran >= 9


async def test_an_error_of_the_computation_is_raised_where_it_is_awaited() -> None:
    with pytest.raises(ZeroDivisionError):
        await in_turns(fails())
    with pytest.raises(ZeroDivisionError):
        at_once(fails())
