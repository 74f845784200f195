"""The pool's books: the identities hold to the wei whatever happens, and the rate changes in reports only."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.devnet import actions, reports
from monitor.devnet.transactions import TransactionFailed, ether
from monitor.devnet.world import World


def read_books(world: World) -> dict[str, int]:
    lido = world["lido"]
    validators, pending, deposited, _ = lido.read("getBalanceStats")
    return {
        "buffered": lido.read("getBufferedEther"),
        "validators": validators,
        "pending": pending,
        "deposited": deposited,
        "shares": lido.read("getTotalShares"),
        "external_shares": lido.read("getExternalShares"),
        "external_ether": lido.read("getExternalEther"),
        "pooled": lido.read("getTotalPooledEther"),
        "supply": lido.read("totalSupply"),
        "held": world.balance(lido.address),
        "per_token": world["wsteth"].read("stEthPerToken"),
    }


def check_identities(world: World) -> Fraction:
    """lido.md 4.1, without tolerance; the share rate is returned."""
    b = read_books(world)
    internal_ether = b["buffered"] + b["validators"] + b["pending"] + b["deposited"]
    internal_shares = b["shares"] - b["external_shares"]
    assert b["external_ether"] == b["external_shares"] * internal_ether // internal_shares
    assert b["pooled"] == internal_ether + b["external_ether"] == b["supply"]
    assert b["per_token"] == 10**18 * internal_ether // internal_shares
    assert b["held"] == b["buffered"]
    queue = world["withdrawal_queue"]
    assert world.balance(queue.address) == queue.read("getLockedEtherAmount")
    assert world["lido"].read("sharesOf", world["wsteth"].address) >= world["wsteth"].read("totalSupply")
    return Fraction(internal_ether, internal_shares)


def stake(world: World, wei: int) -> None:
    actions.stake(world, world.account("staker_1"), wei)


def request(world: World, wei: int) -> None:
    actions.request_withdrawals(world, world.account("staker_1"), [max(100, min(wei, actions.MAX_REQUEST))])


def deposit(world: World, wei: int) -> None:
    depositable = world["lido"].read("getDepositableEther")
    if depositable:
        actions.deposit(world, min(depositable, wei))


def mint_external(world: World, wei: int) -> None:
    world.send(world["lido"].tx(world.account("vault_hub"), "mintExternalShares", world.account("vault_hub"), min(wei, ether(100))))


def burn_external(world: World, wei: int) -> None:
    held = world["lido"].read("getExternalShares")
    if held:
        world.send(world["lido"].tx(world.account("vault_hub"), "burnExternalShares", min(wei, held)))


def gain(world: World, wei: int) -> None:
    actions.earn(world, wei)
    actions.live_through(world, 1)


def loss(world: World, wei: int) -> None:
    actions.warp_to_next_frame(world, 900)
    reports.report(world, cl_change=-min(wei, ether(500)))


STEPS: tuple[Callable[[World, int], None], ...] = (stake, request, deposit, mint_external, burn_external, gain, loss)
RATE_CHANGES = (gain, loss)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(steps=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(100, 3000 * 10**18)), min_size=3, max_size=9))
def test_identities_hold_to_the_wei_after_any_sequence(chain_world: World, steps: list[tuple[Callable[[World, int], None], int]]) -> None:
    snapshot = chain_world.anvil.snapshot()
    try:
        rate = check_identities(chain_world)
        for step, wei in steps:
            step(chain_world, wei)
            after = check_identities(chain_world)
            if step not in RATE_CHANGES:
                # Shares round down, so a step may leave a wei to all the others: far below what an alarm may see.
                assert abs(after / rate - 1) < Fraction(1, 10**18)
            rate = after
    finally:
        chain_world.anvil.revert(snapshot)


def events_of(world: World, receipts: list[Any]) -> list[str]:
    """Names of all contracts' events in the order of the logs; the NFT's and the token's Transfer are told apart by contract."""
    by_address = {world[name].address.lower(): name for name in ("lido", "withdrawal_queue", "accounting_oracle", "burner")}
    found = []
    for receipt in receipts:
        for log in receipt.logs:
            name = by_address.get(log["address"].lower())
            if name and (event := world[name].artifact.log(dict(log))):
                found.append(f"{name}.{event[0]}")
    return found


def test_a_report_does_all_in_one_transaction_in_mainnets_order(world: World) -> None:
    ids = actions.request_withdrawals(world, world.account("staker_0"), [ether(800)] * 2)
    actions.live_through(world, 1)
    actions.warp_to_next_frame(world, 900)
    actions.earn(world, ether(1))
    actions.request_withdrawals(world, world.account("staker_0"), [ether(5)])
    actions.warp_to_next_frame(world, 900)
    exits = actions.exit_validators(world, ether(3))
    prepared = reports.build(world, exits=exits, bunker=True)
    world.send(*reports.votes(world, prepared))
    receipts = world.send(*reports.main_data(world, prepared))
    assert ids == [1, 2]
    assert events_of(world, receipts) == [
        "accounting_oracle.ProcessingStarted", "withdrawal_queue.BunkerModeEnabled",
        "lido.Transfer", "lido.TransferShares", "burner.StETHBurnRequested",
        "lido.DepositedPostReportUpdated", "lido.CLBalancesUpdated", "lido.SharesBurnt", "burner.StETHBurnt",
        "lido.ELRewardsReceived", "lido.WithdrawalsReceived", "withdrawal_queue.BatchMetadataUpdate", "withdrawal_queue.WithdrawalsFinalized",
        "lido.ETHDistributed", "lido.Transfer", "lido.TransferShares", "lido.Transfer", "lido.TransferShares",
        "lido.TokenRebased", "lido.InternalShareRateUpdated",
    ]  # fmt: skip


def test_rebase_events_tell_the_state_before_and_after(world: World) -> None:
    actions.warp_to_next_frame(world, 900)
    before = read_books(world)
    exits, earned = actions.exit_validators(world, ether(10)), ether(2)
    actions.earn(world, earned)
    receipts = reports.report(world, exits=exits)
    after = read_books(world)
    events = {name: args for receipt in receipts for name, args in world["lido"].events(receipt)}
    rebased, distributed = events["TokenRebased"], events["ETHDistributed"]
    assert (rebased["preTotalShares"], rebased["preTotalEther"]) == (before["shares"], before["pooled"])
    assert (rebased["postTotalShares"], rebased["postTotalEther"]) == (after["shares"], after["pooled"])
    assert rebased["timeElapsed"] == 86400
    assert rebased["reportTimestamp"] == world["accounting_oracle"].read("getCurrentFrame")[1]
    assert distributed["preCLBalance"] == before["validators"] + before["pending"] + before["deposited"]
    assert distributed["postCLBalance"] == after["validators"] + after["pending"]
    assert (distributed["withdrawalsWithdrawn"], distributed["executionLayerRewardsWithdrawn"]) == (exits, earned)
    assert distributed["postBufferedEther"] == after["buffered"] == before["buffered"] + exits + earned


def test_fee_shares_are_worth_a_tenth_of_the_rewards(world: World) -> None:
    actions.warp_to_next_frame(world, 900)
    actions.earn(world, ether(2))
    receipts = reports.report(world, cl_change=ether(8))
    events = {name: args for receipt in receipts for name, args in world["lido"].events(receipt)}
    fee = world["lido"].read("getPooledEthByShares", events["TokenRebased"]["sharesMintedAsFees"])
    assert abs(fee - ether(1)) <= 2


def test_a_loss_on_the_consensus_layer_mints_no_fees(world: World) -> None:
    actions.warp_to_next_frame(world, 900)
    actions.earn(world, ether(50))
    receipts = reports.report(world, cl_change=-ether(10))
    events = {name: args for receipt in receipts for name, args in world["lido"].events(receipt)}
    assert events["TokenRebased"]["sharesMintedAsFees"] == 0
    assert events["TokenRebased"]["postTotalEther"] == events["TokenRebased"]["preTotalEther"] + ether(40)


def test_the_growth_of_a_report_is_capped_and_the_rest_waits_in_the_vault(world: World) -> None:
    actions.warp_to_next_frame(world, 900)
    before = read_books(world)
    vault = world["el_rewards_vault"].address
    actions.earn(world, ether(1000))
    reports.report(world, cl_change=0)
    after = read_books(world)
    cap = before["pooled"] * 750_000 // 10**9
    assert after["pooled"] == before["pooled"] + cap
    assert world.balance(vault) == ether(1000) - cap
    actions.live_through(world, 1)
    assert world.balance(vault) < ether(1000) - cap


def test_a_mass_slashing_makes_the_report_revert_and_agreement_stays_without_data(world: World) -> None:
    actions.warp_to_next_frame(world, 900)
    prepared = actions.agree_only(world, cl_change=-ether(4000))
    with pytest.raises(TransactionFailed, match="0x59f521a0"):
        actions.deliver(world, prepared)
    state = dict(zip(("refSlot", "deadline", "hash", "main"), world["accounting_oracle"].read("getProcessingState"), strict=False))
    assert state["hash"] == prepared.hash(world)
    assert state["main"] is False


def test_deposits_are_covered_by_the_first_report_after_their_frame(world: World) -> None:
    lido = world["lido"]
    actions.warp_to_next_frame(world, 900)
    actions.deposit(world, ether(64))
    assert lido.read("getBalanceStats")[2:] == (ether(64), 0)
    reports.report(world)
    assert lido.read("getBalanceStats")[2:] == (ether(64), 0)
    actions.warp_to_next_frame(world, 900)
    assert lido.read("getBalanceStats")[2:] == (ether(64), ether(64))
    reports.report(world)
    assert lido.read("getBalanceStats")[2:] == (0, 0)


def test_unbacked_shares_lower_the_rate_between_reports_and_can_be_taken_back(world: World) -> None:
    rate = check_identities(world)
    attacker, minted = world.account("attacker"), world["lido"].read("getTotalShares") // 100
    actions.mint_unbacked(world, attacker, minted)
    assert abs(check_identities(world) / rate - Fraction(100, 101)) < Fraction(1, 10**18)
    actions.burn_unbacked(world, attacker, minted)
    assert check_identities(world) == rate


def test_a_stopped_pool_makes_the_whole_report_revert(world: World) -> None:
    actions.warp_to_next_frame(world, 900)
    world.send(world.by_agent("lido", "stop"))
    prepared = actions.agree_only(world)
    with pytest.raises(TransactionFailed):
        actions.deliver(world, prepared)
    world.send(world.by_agent("lido", "resume"))
    actions.deliver(world, prepared)
    assert reports.reported(world)
