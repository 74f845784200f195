"""A transaction that waits is seen, for as long as it stands before all others."""

from __future__ import annotations

import asyncio
from typing import Any

from monitor.devnet.accounts import address_of
from monitor.guardian.execution.waits import Waits
from monitor.guardian.node import Nodes
from monitor.model import address
from tests.guardian.bench import Bench, Relay, endpoint

SENDER = address(address_of("sender"))


def send(bench: Bench, **more: Any) -> None:
    bench.anvil.rpc.call("eth_sendTransaction", {"from": SENDER, "to": SENDER, "gas": hex(21_000), **more})


def test_it_counts_from_when_a_nonce_is_first_seen_to_wait_and_begins_anew_with_the_next(bench: Bench) -> None:
    now = 1000.0

    async def play() -> list[float | None]:
        nonlocal now
        nodes = Nodes([endpoint(bench.url)], 20)
        waits, seen = Waits(nodes, (SENDER,), lambda: now), []

        async def look(seconds: float) -> None:
            nonlocal now
            now += seconds
            seen.append((await waits.look())[SENDER])

        try:
            await look(0)
            bench.anvil.rpc.call("evm_setAutomine", False)
            send(bench)
            await look(10)
            await look(30)
            bench.anvil.mine()
            send(bench)  # another one waits now, and is no older than this look
            await look(10)
            await look(5)
            bench.anvil.mine()
            await look(10)
        finally:
            await nodes.close()
        return seen

    assert asyncio.run(play()) == [0.0, 0.0, 30.0, 0.0, 5.0, 0.0]


def test_what_a_majority_does_not_tell_is_unknown_and_the_count_goes_on(bench: Bench, relay: Relay) -> None:
    now, silent = 1000.0, False

    def handler(method: str, params: list[Any], forward: Any) -> Any:
        return {"error": {"code": -32000, "message": "overloaded"}} if silent else forward()

    async def play() -> list[float | None]:
        nonlocal now, silent
        nodes = Nodes([endpoint(relay.url, "a"), endpoint(relay.url, "b"), endpoint(bench.url, "c")], 20)
        waits, seen = Waits(nodes, (SENDER,), lambda: now), []
        try:
            for quiet in (False, True, False):
                silent = quiet
                seen.append((await waits.look())[SENDER])
                now += 10
        finally:
            await nodes.close()
        return seen

    relay.handler = handler
    bench.anvil.rpc.call("evm_setAutomine", False)
    send(bench)
    assert asyncio.run(play()) == [0.0, None, 20.0]
