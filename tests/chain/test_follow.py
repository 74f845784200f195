"""Heads of a real chain through three endpoints: reorgs, downtime, gaps, dying sockets, liars."""

from __future__ import annotations

import asyncio

import pytest

from monitor.chain import Block, Gap, Lost, Quiet, Rewind
from tests.chain.conftest import Node, Watch


async def test_every_block_comes_once_and_in_order(node: Node, watch: Watch) -> None:
    watcher = await watch()
    await watcher.follow()
    await watcher.at(node.stamp())
    await watcher.subscribed()
    for _ in range(5):
        node.anvil.mine()
        await watcher.at(node.stamp())
    numbers = [b.number for b in watcher.blocks]
    assert numbers == list(range(numbers[0], numbers[0] + 6))
    assert all(isinstance(e, Block) and e.first_at <= e.seen_at for e in watcher.told)


@pytest.mark.parametrize("depth", [1, 2, 7, 20])
async def test_a_reorg_rewinds_to_the_ancestor(node: Node, watch: Watch, depth: int) -> None:
    node.anvil.mine(25)
    watcher = await watch()
    await watcher.follow([node.stamp(n) for n in range(2, 26)])
    await watcher.at(node.stamp())
    old = node.stamp()
    node.anvil.reorg(depth)
    node.anvil.mine()
    await watcher.at(node.stamp())
    rewinds = [e for e in watcher.events if isinstance(e, Rewind)]
    assert len(rewinds) == 1
    assert rewinds[0].to == node.stamp(old.number - depth)
    after = watcher.told[watcher.told.index(rewinds[0]) + 1 :]
    assert [e.stamp for e in after if isinstance(e, Block)] == [
        node.stamp(n) for n in range(rewinds[0].to.number + 1, node.stamp().number + 1)
    ]


@pytest.mark.parametrize("sockets", [True, False])
async def test_a_reorg_during_downtime_is_seen_at_the_start(node: Node, watch: Watch, sockets: bool) -> None:
    node.anvil.mine(10)
    recent = [node.stamp(n) for n in range(1, 14)]
    node.anvil.reorg(5)
    node.anvil.mine(4)
    watcher = await watch(sockets=sockets)
    await watcher.follow(recent)
    await watcher.at(node.stamp())
    assert watcher.told[0] == Rewind(node.stamp(8))
    assert watcher.blocks == [node.stamp(n) for n in range(9, 18)]


async def test_missed_blocks_are_made_up_after_downtime(node: Node, watch: Watch) -> None:
    recent = [node.stamp(n) for n in range(4)]
    node.anvil.mine(60)
    watcher = await watch()
    await watcher.follow(recent)
    await watcher.at(node.stamp())
    assert watcher.blocks == [node.stamp(n) for n in range(4, 64)]
    assert all(h.messages <= 8 for h in watcher.execution.health())


async def test_downtime_beyond_the_history_is_a_gap(node: Node, watch: Watch) -> None:
    recent = [node.stamp(n) for n in range(4)]
    node.anvil.mine(100)
    watcher = await watch(history_blocks=20)
    await watcher.follow(recent)
    await watcher.at(node.stamp())
    assert watcher.told[0] == Gap(4, 83)
    assert watcher.blocks == [node.stamp(n) for n in range(84, 104)]


async def test_another_chain_under_our_feet_is_a_loss(node: Node, watch: Watch) -> None:
    node.anvil.mine(10)
    recent = [node.stamp(n) for n in range(8, 14)]
    node.anvil.reorg(8)
    node.anvil.mine(3)
    watcher = await watch()
    await watcher.follow(recent)
    await watcher.until(lambda: watcher.told)
    assert isinstance(watcher.told[-1], Lost)


async def test_silence_is_said_after_two_blocks_and_then_regularly(node: Node, watch: Watch) -> None:
    watcher = await watch()
    await watcher.follow()
    await watcher.at(node.stamp())
    await watcher.until(lambda: sum(isinstance(e, Quiet) for e in watcher.events) == 2)
    first, second = (e for e in watcher.events if isinstance(e, Quiet))
    assert 1.0 <= first.silent_seconds < 1.9 and 1.9 <= second.silent_seconds < 3.5
    assert node.stamp().timestamp < first.timestamp < second.timestamp


async def test_a_dead_socket_is_bridged_by_polling_and_comes_back(node: Node, watch: Watch) -> None:
    watcher = await watch()
    await watcher.follow()
    await watcher.at(node.stamp())
    await watcher.subscribed()
    for proxy in watcher.proxies:
        proxy.set(no_socket=True)
    await watcher.until(lambda: not any(h.subscribed for h in watcher.execution.health()))
    node.anvil.mine(2)
    await watcher.at(node.stamp())
    assert watcher.health("one").errors["connection"] >= 1
    for proxy in watcher.proxies:
        proxy.healthy()
    await watcher.subscribed()
    node.anvil.mine()
    await watcher.at(node.stamp())


async def test_a_silent_socket_is_noticed(node: Node, watch: Watch) -> None:
    watcher = await watch()
    await watcher.follow()
    await watcher.subscribed()
    for proxy in watcher.proxies:
        proxy.set(mute_socket=True)
    for _ in range(4):
        node.anvil.mine()
        await asyncio.sleep(0.2)
    await watcher.at(node.stamp())


async def test_two_of_three_make_a_block_and_one_does_not(node: Node, watch: Watch) -> None:
    watcher = await watch()
    await watcher.follow()
    await watcher.at(node.stamp())
    watcher.proxies[0].set(refuse=True)
    node.anvil.mine()
    await watcher.at(node.stamp())
    watcher.proxies[1].set(hang=True)
    last = node.stamp()
    node.anvil.mine()
    await asyncio.sleep(1.0)
    assert watcher.blocks[-1] == last
    watcher.proxies[1].healthy()
    await watcher.at(node.stamp())


async def test_a_liars_heads_never_become_blocks(node: Node, watch: Watch) -> None:
    watcher = await watch()
    watcher.proxies[2].set(fake_heads=True)
    await watcher.follow()
    for _ in range(4):
        await watcher.at(node.stamp())
        node.anvil.mine()
    await watcher.at(node.stamp())
    assert not any(isinstance(e, (Rewind, Gap, Lost)) for e in watcher.events)


async def test_a_lagging_endpoint_just_does_not_vote(node: Node, watch: Watch) -> None:
    watcher = await watch()
    watcher.proxies[1].set(lag=2)
    await watcher.follow()
    await watcher.at(node.stamp())
    await watcher.subscribed()
    for _ in range(3):
        node.anvil.mine()
        await watcher.at(node.stamp())
    await watcher.until(lambda: watcher.health("two").lag == 2)
    assert watcher.health("one").lag == 0


async def test_an_endpoint_of_another_chain_is_refused_until_it_is_right(node: Node, watch: Watch) -> None:
    watcher = await watch()
    watcher.proxies[0].set(wrong_chain_id=5)
    watcher.proxies[1].set(wrong_chain_id=5)
    await watcher.follow()
    await watcher.until(lambda: watcher.health("one").refused and watcher.health("two").refused)
    assert "serves chain 5" in str(watcher.health("one").refused) and not watcher.health("one").up
    assert watcher.told == []
    watcher.proxies[0].healthy()
    await watcher.at(node.stamp())
    assert watcher.health("one").refused is None


async def test_a_chain_that_changes_at_reconnecting_is_refused(node: Node, watch: Watch) -> None:
    watcher = await watch(sockets=False)
    await watcher.follow()
    await watcher.at(node.stamp())
    proxy = watcher.proxies[0]
    proxy.set(refuse=True)
    await watcher.until(lambda: watcher.health("one").errors.get("connection"))
    proxy.healthy()
    proxy.set(wrong_chain_id=5)
    await watcher.until(lambda: watcher.health("one").refused)


async def test_a_superseded_block_that_nobody_saw_is_not_told(node: Node, watch: Watch) -> None:
    watcher = await watch()
    await watcher.execution.start()
    follow = watcher.execution.follow([node.stamp(n) for n in range(4)])
    node.anvil.mine()
    first = await anext(follow)
    assert isinstance(first, Block) and first.stamp == node.stamp()
    node.anvil.mine(3)
    await watcher.until(lambda: watcher.execution.tip == node.stamp())
    assert watcher.execution.waiting == 3
    node.anvil.reorg(2)
    await watcher.until(lambda: watcher.execution.tip == node.stamp())
    events = [await anext(follow) for _ in range(3)]
    assert [e.stamp for e in events if isinstance(e, Block)] == [node.stamp(n) for n in (5, 6, 7)]
    await follow.aclose()


async def test_stamps_by_number_hash_and_latest(node: Node, watch: Watch) -> None:
    watcher = await watch()
    await watcher.execution.start()
    latest = await watcher.execution.stamp("latest")
    assert latest == node.stamp()
    assert await watcher.execution.stamp(2) == node.stamp(2) == await watcher.execution.stamp(node.stamp(2).hash)
    watcher.proxies[0].set(fake_heads=True)
    assert await watcher.execution.stamp("latest") == node.stamp()
