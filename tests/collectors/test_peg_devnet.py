"""The peg over real pools and a real feed: what a depeg, a broken pool and a frozen feed look like."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.devnet import actions, trades
from monitor.devnet.market import FEED, FLOOR_ETHER, HEARTBEAT, POOLS
from monitor.devnet.world import World
from monitor.model import Failed, Frame, labels
from tests.collectors.watcher import Watcher

SCOPE = labels(protocol="lido", token="stETH")


@pytest.fixture
def watcher(world: World, tmp_path: Path) -> Watcher:
    made = Watcher(world, tmp_path)
    made.catch_up()
    return made


def together(watcher: Watcher) -> Frame:
    watcher.catch_up()
    return watcher.frames["peg", SCOPE]


def test_a_fresh_market_is_at_par_and_counts_whole(watcher: Watcher) -> None:
    assert watcher.value("peg_sources") == 3
    assert watcher.value("peg_fair_value_ratio") == 1
    assert watcher.value("peg_deviation_ratio") == pytest.approx(0, abs=1e-4)
    for name in POOLS:
        assert watcher.value("peg_pool_share_ratio", venue=name) == pytest.approx(0.5, abs=1e-3)
        assert (watcher.value("peg_pool_depth_ether", venue=name) or 0) > 20 * FLOOR_ETHER


@pytest.mark.parametrize("fraction", [0.006, 0.03, 0.1, -0.01])
def test_a_depeg_is_seen_at_every_venue_in_its_block(fraction: float, watcher: Watcher, world: World) -> None:
    block = trades.depeg(world, fraction)
    watcher.catch_up()
    assert watcher.number == block
    assert watcher.value("peg_deviation_ratio") == pytest.approx(-fraction, abs=1e-4)
    assert watcher.value("peg_sources") == 3
    assert (watcher.value("peg_spread_ratio") or 0) < 1e-4
    for name in (*POOLS, FEED):
        assert watcher.value("peg_venue_deviation_ratio", venue=name) == pytest.approx(-fraction, abs=1e-4)
    share = watcher.value("peg_pool_share_ratio", venue="curve_steth_eth") or 0
    assert share > 0.55 if fraction > 0 else share < 0.45
    trades.repeg(world)
    watcher.catch_up()
    assert watcher.value("peg_deviation_ratio") == pytest.approx(0, abs=1e-4)


def test_depth_is_what_a_sale_really_loses(watcher: Watcher, world: World) -> None:
    """Selling the depth that is told loses no more than one per cent, selling three times as much does."""
    for name in POOLS:
        told, pool = watcher.value("peg_pool_depth_ether", venue=name), trades.state(world, name)
        assert told is not None
        size = int(told * 10**18)
        assert pool.sell(size) / size > 0.99 * pool.sell(10**18) / 10**18
        assert pool.sell(3 * size) / (3 * size) < 0.99 * pool.sell(10**18) / 10**18


def test_one_pool_that_falls_alone_does_not_move_the_result(watcher: Watcher, world: World) -> None:
    trades.depeg(world, 0.04, pools=("curve_steth_eth",), feed=False)
    watcher.catch_up()
    assert watcher.value("peg_venue_deviation_ratio", venue="curve_steth_eth") == pytest.approx(-0.04, abs=1e-4)
    assert watcher.value("peg_deviation_ratio") == pytest.approx(0, abs=1e-4)
    assert watcher.value("peg_spread_ratio") == pytest.approx(0.04, abs=1e-3)


def test_without_two_sources_the_deviation_is_unknown_and_the_number_of_sources_is_known(watcher: Watcher, world: World) -> None:
    trades.break_pool(world)
    watcher.catch_up()
    assert watcher.value("peg_source_live", venue="curve_steth_eth") == 0
    assert watcher.value("peg_price_ratio", venue="curve_steth_eth") is None
    assert watcher.value("peg_sources") == 2 and watcher.value("peg_deviation_ratio") is not None
    trades.freeze_feed(world)
    world.warp(HEARTBEAT * 5 // 4 + 60)
    status = together(watcher).status
    assert isinstance(status, Failed) and "insufficient sources" in status.reason
    assert watcher.value("peg_sources") == 1
    assert watcher.value("peg_source_live", venue=FEED) == 0
    assert (watcher.value("peg_source_age_seconds", venue=FEED) or 0) > HEARTBEAT * 5 // 4
    trades.break_pool(world, broken=False)
    trades.freeze_feed(world, False)
    watcher.catch_up()
    assert watcher.value("peg_sources") == 3 and watcher.value("peg_deviation_ratio") == pytest.approx(0, abs=1e-4)


def test_days_of_devnet_life_leave_the_peg_known(watcher: Watcher, world: World) -> None:
    actions.live_through(world, 3)
    world.anvil.mine()
    watcher.catch_up()
    assert watcher.value("peg_sources") == 3
    assert watcher.value("peg_deviation_ratio") == pytest.approx(0, abs=1e-4)
    assert not [f for f in watcher.blind if f.collector.startswith("peg")]
