"""Reports that move the share rate, and reports that say what a consensus layer has: on the real stand-ins, seen by the collectors."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from monitor.devnet import actions, reports
from monitor.devnet.deploy import role
from monitor.devnet.transactions import TransactionFailed, ether
from monitor.devnet.world import World
from tests.collectors.watcher import Watcher

GWEI = 10**9


def rate(world: World) -> Fraction:
    lido = world["lido"]
    return Fraction(lido.read("getTotalPooledEther"), lido.read("getTotalShares"))


def test_a_negative_rebase_lowers_the_rate_by_just_so_much_and_the_next_is_normal(world: World, tmp_path: Path) -> None:
    watcher = Watcher(world, tmp_path)
    actions.earn(world, ether(50))
    before = rate(world)
    actions.negative_rebase(world, 0.002)
    watcher.catch_up()
    assert float(rate(world) / before) == pytest.approx(0.998, rel=1e-9)
    assert [e["direction"] for e in watcher.told("accounting_rebase")] == ["down"]
    assert watcher.value("accounting_rebase_ratio") == pytest.approx(-0.002, rel=1e-6)
    assert watcher.value("accounting_rebase_clamped") == 0
    actions.normal_rebase(world)
    watcher.catch_up()
    assert [e["direction"] for e in watcher.told("accounting_rebase")] == ["down", "up"]
    assert 0 < (watcher.value("accounting_rebase_ratio") or 0) < 0.0004


def test_a_rebase_over_the_limit_is_cut_to_it_and_said_to_be(world: World, tmp_path: Path) -> None:
    watcher = Watcher(world, tmp_path)
    watcher.catch_up()
    assert watcher.value("accounting_rebase_limit_ratio") == 0.00075
    actions.clamped_rebase(world)
    watcher.catch_up()
    assert watcher.value("accounting_rebase_clamped") == 1
    assert world.balance(world["el_rewards_vault"].address) > 0, "the rest waits"
    assert watcher.value("accounting_rebase_ratio") == pytest.approx(0.00075 * 0.9, rel=0.01), "after fees"
    actions.normal_rebase(world)
    watcher.catch_up()
    assert watcher.value("accounting_rebase_clamped") == 0


def test_the_limit_that_is_read_is_the_one_that_holds(world: World, tmp_path: Path) -> None:
    checker, agent = "oracle_report_sanity_checker", world["agent"].address
    with pytest.raises(TransactionFailed):
        world.send(world.by_agent(checker, "setMaxPositiveTokenRebase", 1_500_000))
    world.send(world.by_agent(checker, "grantRole", role("MAX_POSITIVE_TOKEN_REBASE_MANAGER_ROLE"), agent))
    with pytest.raises(TransactionFailed):
        world.send(world.by_agent(checker, "setMaxPositiveTokenRebase", 0))
    world.send(world.by_agent(checker, "setMaxPositiveTokenRebase", 1_500_000))
    watcher = Watcher(world, tmp_path)
    actions.clamped_rebase(world)
    watcher.catch_up()
    assert watcher.value("accounting_rebase_limit_ratio") == 0.0015 and watcher.value("accounting_rebase_clamped") == 1
    assert watcher.value("accounting_rebase_ratio") == pytest.approx(0.0015 * 0.9, rel=0.01)


def test_reports_say_what_the_consensus_layer_has_and_a_lie_is_on_top(world: World) -> None:
    asked: list[int] = []
    held = world["lido"].read("getBalanceStats")[0] // GWEI + 123_456_789

    def balance(slot: int) -> int:
        asked.append(slot)
        return held

    world.cl_balance = balance
    try:
        actions.warp_to_next_frame(world, reports.FINALIZATION_DELAY + 60)
        ref_slot = world["hash_consensus_ao"].read("getCurrentFrame")[0]
        assert reports.build(world, cl_change=-ether(7)).validators_gwei == held - 7 * GWEI
        actions.heartbeat(world)
        validators, pending, deposited, _ = world["lido"].read("getBalanceStats")
        assert (validators, pending, deposited) == (held * GWEI, 0, 0)
        assert asked and set(asked) == {ref_slot}
        assert world["accounting_oracle"].read("getLastProcessingRefSlot") == ref_slot
    finally:
        world.cl_balance = None


def test_deposits_wait_until_the_consensus_layer_has_them(world: World) -> None:
    before = world["lido"].read("getBalanceStats")[0]
    actions.deposit(world, ether(96))
    actions.warp_to_next_frame(world, reports.FINALIZATION_DELAY + 60)
    seen: dict[str, int | None] = {}
    world.cl_balance = lambda slot: seen["gwei"]
    try:
        for appeared, pending in ((0, 96), (32, 64), (96, 0)):
            seen["gwei"] = (before + ether(appeared + 9)) // GWEI
            found = reports.build(world)
            assert (found.validators_gwei, found.pending_gwei) == (seen["gwei"], pending * GWEI)
        seen["gwei"] = (before - ether(20)) // GWEI
        assert reports.build(world).pending_gwei == 96 * GWEI, "a loss is no deposit"
        seen["gwei"] = None
        made_up = reports.build(world)
        assert made_up.pending_gwei == 0 and made_up.validators_gwei > (before + ether(96)) // GWEI
    finally:
        world.cl_balance = None
