"""Reads beside the blocks': the same vote, and no trace in how the endpoints are judged."""

from __future__ import annotations

import asyncio

from monitor.devnet.faults import Lie
from monitor.model import Call, Failed, Read
from tests.chain.conftest import CALLER, COUNTER, Node, Watch, Watcher, account

COUNT = Read(COUNTER, Call(b"\x06\x66\x1a\xbd"))


def judged(watcher: Watcher) -> tuple[object, ...]:
    return watcher.execution.agreeing_ratio, [(h.up, h.errors, h.disputes, h.dissent) for h in watcher.execution.health()]


async def test_a_liar_is_outvoted_and_nobodys_health_hangs_on_it(node: Node, watch: Watch) -> None:
    watcher = await watch()
    stamp = node.stamp()
    await watcher.execution.read(stamp, [COUNT], frozenset(), stamp.number)
    await watcher.until(lambda: all(h.up for h in watcher.execution.health()))
    before = judged(watcher)
    watcher.proxies[1].set(lies=[Lie(target=COUNTER, selector="0x06661abd", add=1)])
    snapshot = await watcher.execution.read_aside(stamp, [COUNT])
    assert snapshot.value(COUNT) == stamp.number.to_bytes(32, "big")
    assert "two" not in snapshot.agreed
    assert judged(watcher) == before


async def test_a_slow_endpoint_is_not_waited_for_and_not_blamed(node: Node, watch: Watch) -> None:
    watcher = await watch(block_deadline_seconds=5, request_seconds=5)
    stamp = node.stamp()
    watcher.proxies[2].set(slow_ms=3000)
    async with asyncio.timeout(2):
        snapshot = await watcher.execution.read_aside(stamp, [COUNT])
    assert snapshot.value(COUNT) == stamp.number.to_bytes(32, "big")
    assert all(not any(h.errors.values()) for h in watcher.execution.health())


async def test_it_runs_beside_the_reads_of_a_block(node: Node, watch: Watch) -> None:
    """As the registries of keys are read: neither ends the other."""
    watcher = await watch(block_deadline_seconds=5, request_seconds=5)
    stamp, alone = node.stamp(), Read(CALLER, Call(b""), caller=account(0))
    for proxy in watcher.proxies:
        proxy.set(slow_ms=200)
    main, aside = await asyncio.gather(
        watcher.execution.read(stamp, [COUNT], frozenset(), stamp.number), watcher.execution.read_aside(stamp, [alone])
    )
    assert main.value(COUNT) == stamp.number.to_bytes(32, "big") and aside.value(alone) == bytes(32)


async def test_without_a_majority_it_fails(node: Node, watch: Watch) -> None:
    watcher = await watch()
    for proxy in watcher.proxies[:2]:
        proxy.set(refuse=True)
    assert isinstance((await watcher.execution.read_aside(node.stamp(), [COUNT])).answers[COUNT], Failed)


async def test_the_block_so_far_behind_the_head(node: Node, watch: Watch) -> None:
    watcher = await watch()
    assert await watcher.execution.behind(2) is None
    await watcher.follow()
    await watcher.at(node.stamp())
    node.anvil.mine(5)
    await watcher.at(node.stamp())
    number = node.stamp().number
    assert await watcher.execution.behind(0) == node.stamp()
    assert await watcher.execution.behind(3) == node.stamp(number - 3)
    assert await watcher.execution.behind(number - 1) == node.stamp(1)  # before the first that was followed
    assert await watcher.execution.behind(10**6) == node.stamp(0)
    for proxy in watcher.proxies[:2]:
        proxy.set(refuse=True)
    assert await watcher.execution.behind(number - 2) is None
