"""The pipeline on a real chain, stopped and begun again: what it missed is told, and stops being told."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from monitor.devnet.world import World
from monitor.model import BlockStamp, Transition
from monitor.service import state
from monitor.service.build import build
from monitor.service.facts import fact_finder
from monitor.service.pipeline import Pipeline, Rooms
from monitor.service.settings import load
from monitor.store import Store, lease, replay
from tests.cli.conftest import plain, write

HISTORY = 5
"""Blocks back whose state the endpoint is said to have."""


@pytest.fixture
def settings(world: World, tmp_path: Path) -> Path:
    world.deployment.write(tmp_path / "deployment.yaml")
    body = plain(tmp_path)
    body["network"] = {
        "chain_id": int(world.rpc.call("eth_chainId"), 16), "genesis_time": world.deployment.genesis_time, "block_seconds": 1, "wall_clock": False,
        "history_blocks": HISTORY, "execution": [{"name": "anvil", "url": world.anvil.http_url}],
    }  # fmt: skip
    body["protocols"] = [{"name": "lido", "deployment": str(tmp_path / "deployment.yaml")}]
    return write(tmp_path, body)


async def judged(settings: Path, until: int) -> int:
    """One life of the pipeline, from the committed state until it has judged a block; the blocks that it passed over."""
    parts = build(load(settings))
    parts.store.migrate()
    held = lease.acquire(parts.store, "judging", lease.new_owner(), 10)
    assert held is not None
    before = await parts.store.look(lambda unit: state.load(unit, parts.setup))
    await parts.execution.start()
    rooms = Rooms(
        parts.execution, parts.collectors, parts.book, parts.responses, parts.store, fact_finder(parts.execution, parts.collectors, parts.gauge),
        lambda: None, parts.settings.network.slot_seconds,
    )  # fmt: skip
    running = asyncio.create_task(Pipeline(rooms, parts.setup, before, parts.progress, held).run())
    try:
        async with asyncio.timeout(20):
            while not isinstance(parts.progress.at, BlockStamp) or parts.progress.at.number < until:
                assert not running.done(), running
                await asyncio.sleep(0.02)
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await parts.execution.close()
        lease.release(parts.store, held)
        parts.store.close()
    return parts.progress.gap_blocks


def gaps(settings: Path) -> list[Transition]:
    with Store.open(load(settings).store.location()) as store, store.read() as unit:
        return [t for t in replay.transitions(unit) if dict(t.labels)["alertname"] == "StateGap"]


def test_an_outage_longer_than_the_history_is_told_once_and_expires(world: World, settings: Path) -> None:
    async def lives() -> None:
        first = world.anvil.head()[0]
        assert await judged(settings, first) == 0
        assert gaps(settings) == []

        world.anvil.mine(40, apart=1)
        second = world.anvil.head()[0]
        missed = await judged(settings, second)
        (begins,) = gaps(settings)
        told = dict(begins.labels)
        assert begins.new == "firing" and missed == int(told["last"]) - int(told["first"]) + 1
        assert int(told["first"]) == first + 1 and second - HISTORY - 2 <= int(told["last"]) < second

        world.warp(3700)
        await judged(settings, world.anvil.head()[0])
        begun, ended = gaps(settings)
        assert begun == begins and (ended.new, ended.cause, ended.episode) == ("inactive", "expired", begins.episode)

    asyncio.run(lives())
