"""What tests of an executor do with it: go on until something is so, and put relays before it that keep what they are given."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from eth_account import Account

from monitor.guardian.execution.machine import Executor
from monitor.store import Store
from tests.guardian.bench import Drop
from tests.guardian.execution.bench import SENDERS, row

Forward = Callable[[], Any]


async def until(worker: Executor, condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await worker.advance_once()
        await asyncio.sleep(0.002)


def is_(store: Store, state: str, id: str = "d1") -> Callable[[], bool]:
    return lambda: row(store, id).state == state


def silent(method: str, params: list[Any], forward: Forward) -> Any:
    raise Drop


def swallowing(*senders: int, keep: Callable[[], bool] = lambda: True) -> Callable[[str, list[Any], Forward], Any]:
    """A node that takes transactions of these senders and shows them to nobody, as long as ``keep`` says so."""
    mute = {SENDERS[i].address for i in senders}

    def handle(method: str, params: list[Any], forward: Forward) -> Any:
        if method == "eth_sendRawTransaction" and keep() and Account.recover_transaction(params[0]) in mute:
            return {"result": "0x" + "77" * 32}
        return forward()

    return handle
