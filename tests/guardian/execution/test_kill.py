"""Killed at each step of the way, the next process ends it: exactly one pause, one nonce, told once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from monitor.store import Store
from tests.fixtures.processes import context
from tests.guardian.bench import Drop, Handler, Relay
from tests.guardian.execution.bench import OrderBench, judge, row
from tests.guardian.execution.worker import carry_out

# The state that is committed when it dies, at which request, and whether the chain got that request.
STEPS = [
    ("decided", "eth_call", False),  # about to read the epoch: nothing signed
    ("signed", "eth_getLogs", False),  # signed, not gathered
    ("gathered", "eth_getLogs", True),  # gathered, not simulated
    ("simulated", "eth_getTransactionCount", True),  # simulated, no transaction
    ("simulated", "eth_sendRawTransaction", False),  # transaction kept, not sent
    ("simulated", "eth_sendRawTransaction", True),  # sent, not written
    ("sent", "eth_getLogs", True),  # mined, not seen
    ("mined", "eth_getLogs", True),  # written as mined, its event not read
    ("mined", "eth_call", True),  # read back, not written
]


def killer(store: Store, pid: int, state: str, method: str, after: bool) -> Handler:
    """Kill the process at its first such request while that state is committed."""
    done: list[int] = []

    def handle(asked: str, params: list[Any], forward: Callable[[], Any]) -> Any:
        if asked != method or done or row(store).state != state:
            return forward()
        done.append(1)
        if after:
            forward()
        os.kill(pid, signal.SIGKILL)
        raise Drop

    return handle


@pytest.fixture
def told(book: Store) -> Callable[[], int]:
    with book.begin() as unit:
        unit.conn.execute(sqlalchemy.text("CREATE TABLE told (id TEXT)"))

    def count() -> int:
        with book.read() as unit:
            return int(unit.conn.execute(sqlalchemy.text("SELECT count(*) FROM told")).scalar_one())

    return count


def run_twice(
    orders: OrderBench, book: Store, relay: Relay, handler: Callable[[int], Handler], die_telling: str = "", **settings: Any
) -> None:
    """One process that is killed, and one that finds what it left."""
    hold = context.Event()
    arguments = (orders.settings(**settings).model_dump_json(), relay.url, book.where, hold, die_telling)
    first, second = (context.Process(target=carry_out, args=arguments) for _ in range(2))
    first.start()
    assert first.pid is not None
    relay.handler = handler(first.pid)
    hold.set()
    first.join(40)
    assert first.exitcode == -signal.SIGKILL, "it was to be killed at this step"
    assert row(book).state != "reported"
    relay.handler = lambda method, params, forward: forward()
    second.start()
    second.join(40)
    assert second.exitcode == 0 and row(book).state == "reported"


@pytest.mark.parametrize(("state", "method", "after"), STEPS, ids=lambda v: str(v))
def test_killed_at_any_step_there_is_exactly_one_pause(
    orders: OrderBench, book: Store, relay: Relay, told: Callable[[], int], state: str, method: str, after: bool
) -> None:
    judge(book, orders.head(), "d1")
    run_twice(orders, book, relay, lambda pid: killer(book, pid, state, method, after))
    assert orders.pauses() == 1 and orders.nonce(0) == 1 and orders.call("guardian", "sentinelBudget") == 3
    assert told() == 1


def test_killed_while_it_tells_it_is_told_once(
    orders: OrderBench, book: Store, relay: Relay, told: Callable[[], int], tmp_path: Path
) -> None:
    judge(book, orders.head(), "d1")
    run_twice(orders, book, relay, lambda pid: lambda method, params, forward: forward(), str(tmp_path / "died"))
    assert told() == 1 and orders.pauses() == 1 and orders.nonce(0) == 1


def test_killed_between_a_replacement_and_its_writing_there_is_one_pause(
    orders: OrderBench, book: Store, relay: Relay, told: Callable[[], int]
) -> None:
    """The first offer gets nowhere; the second, at a higher fee, is taken, and the process dies before it knows."""

    def handler(pid: int) -> Handler:
        sends = 0

        def handle(asked: str, params: list[Any], forward: Callable[[], Any]) -> Any:
            nonlocal sends
            if asked != "eth_sendRawTransaction":
                if asked == "eth_blockNumber" and row(book).state == "sent" and sends == 1:
                    orders.anvil.mine()
                return forward()
            sends += 1
            if sends == 1:
                return {"result": "0x" + "77" * 32}
            assert row(book).state == "replaced"
            forward()
            os.kill(pid, signal.SIGKILL)
            raise Drop

        return handle

    judge(book, orders.head(), "d1")
    run_twice(orders, book, relay, handler)
    assert orders.pauses() == 1 and orders.nonce(0) == 1 and told() == 1


def test_killed_while_a_reorganised_pause_goes_out_again_there_is_one_pause(
    orders: OrderBench, book: Store, relay: Relay, told: Callable[[], int]
) -> None:
    """Its block goes away before it is read back; the process dies when it has found that out."""

    def handler(pid: int) -> Handler:
        gone: list[int] = []

        def handle(asked: str, params: list[Any], forward: Callable[[], Any]) -> Any:
            state = row(book).state
            if state == "mined" and not gone:
                gone.append(1)
                orders.anvil.reorg(1)
            if state == "orphaned" and asked == "eth_getLogs":
                os.kill(pid, signal.SIGKILL)
                raise Drop
            return forward()

        return handle

    orders.anvil.mine(2)
    judge(book, orders.head(), "d1")
    run_twice(orders, book, relay, handler)
    assert orders.pauses() == 1 and orders.nonce(0) == 1 and told() == 1
