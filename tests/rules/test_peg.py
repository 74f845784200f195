"""Which alerts a depeg of the devnet's market brings, by the shipped rules over the chain's own blocks: what drills may count on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from monitor.devnet import trades
from monitor.devnet.market import HEARTBEAT
from monitor.devnet.world import World
from monitor.rules import Instances, from_sources, judge, record
from monitor.service.setup import Setup
from tests.collectors.watcher import Watcher

PACK = Path(__file__).parents[2] / "rules/packs/lido.yaml"
GROUP = "lido-peg"
DRAINING = "LidoPegPoolDraining"


class Desk:
    """A watcher whose frames are judged block by block, as the pipeline does."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.watcher = world, Watcher(world, folder, approved={})
        self.watcher.collectors = tuple(c for c in self.watcher.collectors if c.name.startswith(("peg", "accounting")))
        groups = [g for g in yaml.safe_load(PACK.read_text())["groups"] if g["name"] == GROUP]
        self.rules = from_sources({"peg.yaml": yaml.safe_dump({"groups": groups})})
        self.window = Setup.of(self.rules, self.watcher.collectors).window()
        self.live = Instances()

    def firing(self) -> set[str]:
        """Alerts about the peg that fire after all blocks so far, and one more that is later than them."""
        self.world.warp(2)
        while self.watcher.number < self.world.anvil.head()[0]:
            target = self.watcher.number + 1
            self.watcher.frames.clear()
            self._one(target)
        return {i.rule.partition("/")[2] for i in self.live if i.state == "firing"}

    def pass_quietly(self, seconds: int) -> set[str]:
        for _ in range(-(-seconds // trades.STEP_SECONDS)):
            self.world.warp(trades.STEP_SECONDS)
        return self.firing()

    def _one(self, number: int) -> None:
        head = self.world.anvil.head
        self.world.anvil.head = lambda: (number, 0)  # type: ignore[method-assign]
        try:
            self.watcher.catch_up()
        finally:
            self.world.anvil.head = head  # type: ignore[method-assign]
        stamp = self.watcher.stamp()
        for frame in self.watcher.frames.values():
            self.window.append(frame)
        record(self.rules, self.window, stamp, self.live)
        self.live, _, _ = judge(self.rules, self.window, stamp, self.live)


@pytest.fixture
def desk(world: World, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(world, tmp_path)
    assert made.pass_quietly(600) == set()  # long enough for the rule that looks back ten minutes
    yield made


@pytest.mark.parametrize(
    ("fraction", "after", "expected"),
    [
        (0.006, 700, {"LidoPegDiscountNotice"}),
        (0.012, 500, {DRAINING}),
        (0.03, 400, {DRAINING, "LidoPegDiscountHigh"}),
        (0.05, 200, {DRAINING, "LidoPegDiscountCritical"}),
        (-0.01, 700, {"LidoPegPremium"}),
    ],
)
def test_what_a_depeg_brings_and_that_it_ends(fraction: float, after: int, expected: set[str], desk: Desk) -> None:
    trades.depeg(desk.world, fraction)
    found = desk.firing()
    assert found == ({DRAINING} if fraction > 0 else set())
    assert desk.pass_quietly(after) == expected - ({DRAINING} if after > 600 else set())
    trades.repeg(desk.world)
    assert desk.firing() == set()


def test_the_ladder_over_ten_minutes_is_the_rungs_below_and_the_highest_inhibits_them(desk: Desk) -> None:
    trades.depeg(desk.world, 0.05)
    assert desk.pass_quietly(700) == {f"LidoPegDiscount{rung}" for rung in ("Critical", "High", "", "Notice")}


def test_a_pool_that_falls_alone_is_a_disagreement_and_no_depeg(desk: Desk) -> None:
    trades.depeg(desk.world, 0.04, pools=("curve_steth_eth",), feed=False)
    assert desk.pass_quietly(700) == {"LidoPegVenuesDisagree"}


def test_a_broken_pool_alone_is_only_told_after_an_hour_and_one_source_left_is_too_few(desk: Desk) -> None:
    trades.break_pool(desk.world)
    assert desk.pass_quietly(700) == set()
    trades.freeze_feed(desk.world)
    desk.world.warp(HEARTBEAT * 5 // 4 + 60)
    assert desk.pass_quietly(100) >= {"LidoPegVenueNotLive"}
    assert "LidoPegTooFewSources" in desk.pass_quietly(200)
    trades.break_pool(desk.world, broken=False)
    trades.freeze_feed(desk.world, False)
    assert desk.firing() == set()


def test_nothing_known_ends_no_alert(desk: Desk) -> None:
    trades.depeg(desk.world, 0.03)
    assert "LidoPegDiscountHigh" in desk.pass_quietly(400)
    trades.freeze_feed(desk.world)
    desk.world.warp(HEARTBEAT * 5 // 4 + 60)
    trades.break_pool(desk.world)  # the deviation is unknown from here on
    desk.pass_quietly(300)
    assert {"LidoPegDiscountHigh", "LidoPegTooFewSources"} <= desk.firing()
