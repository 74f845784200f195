"""The collectors over the real stand-in contracts: what they say against what the chain's own ABI says."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.collectors import collectors
from monitor.collectors.accounting import YEAR
from monitor.devnet import actions
from monitor.devnet.world import World
from monitor.model import Failed, Ok, address
from monitor.protocols.lido import protocol
from monitor.protocols.lido.deployment import mainnet
from tests.collectors.watcher import Watcher

ETH = 10**18


@pytest.fixture
def watcher(world: World, tmp_path: Path) -> Watcher:
    made = Watcher(world, tmp_path)
    made.catch_up()
    return made


def test_a_fresh_devnet_is_known_in_full_and_approved(watcher: Watcher, world: World) -> None:
    assert watcher.unreadable == []
    world.anvil.mine()
    watcher.catch_up()
    assert all(isinstance(f.status, Ok) for f in watcher.frames.values()), [
        f for f in watcher.frames.values() if not isinstance(f.status, Ok)
    ]
    wrong = [
        (s.family, s.labels)
        for f in watcher.frames.values()
        for s, v in zip(f.layout.series, f.values, strict=True)
        if (s.family in ("role_holders_unapproved", "role_holders_missing", "contract_pointer_drift", "accounting_identity_gap_wei") and v)
        or (s.family.endswith("_approved") and not s.family.startswith("role_holders") and not v)
    ]
    assert wrong == []
    assert watcher.value("oracle_members") == 9
    assert watcher.value("oracle_quorum") == 5
    assert watcher.value("accounting_pooled_ether") == world["lido"].read("getTotalPooledEther") / ETH


def test_a_grant_is_told_at_once_and_counted_from_the_next_block(watcher: Watcher, world: World) -> None:
    attacker = world.account("attacker")
    actions.grant_role(world, "withdrawal_queue", "PAUSE_ROLE", attacker)
    watcher.catch_up()
    (told,) = watcher.told("role_change")
    assert (told["contract"], told["role"], told["account"], told["change"], told["approved"]) == (
        "withdrawal_queue", "PAUSE_ROLE", attacker, "granted", "no",
    )  # fmt: skip
    world.anvil.mine()
    watcher.catch_up()
    assert watcher.value("role_holders_unapproved", contract="withdrawal_queue", role="PAUSE_ROLE") == 1
    assert watcher.value("role_holder", account=attacker, approved="no") == 1
    actions.revoke_role(world, "withdrawal_queue", "PAUSE_ROLE", attacker)
    world.anvil.mine()
    watcher.catch_up()
    assert watcher.value("role_holders_unapproved", contract="withdrawal_queue", role="PAUSE_ROLE") == 0
    assert [e["approved"] for e in watcher.told("role_change")] == ["no", "yes"]


@pytest.mark.parametrize("contract", ["withdrawal_queue", "lido"])
def test_an_upgrade_shows_in_its_block_and_is_told(contract: str, watcher: Watcher, world: World) -> None:
    actions.upgrade(world, contract)
    watcher.catch_up()
    new = world.deployment.spare_implementations[contract]
    assert watcher.value("contract_implementation_approved", contract=contract, implementation=new) == 0
    events = [e for e in watcher.told("contract_upgrade") if e["contract"] == contract]
    assert [(e["account"], e["approved"]) for e in events] == [(new, "no")]


def test_a_timed_pause_is_told_and_ends_without_an_event(watcher: Watcher, world: World) -> None:
    actions.pause_queue(world, 3600)
    watcher.catch_up()
    assert [e["change"] for e in watcher.told("contract_pause_change")] == ["paused"]
    assert watcher.value("contract_paused", contract="withdrawal_queue") == 1
    assert watcher.value("contract_resume_timestamp_seconds") == world["withdrawal_queue"].read("getResumeSinceTimestamp")
    world.warp(3601)
    watcher.catch_up()
    assert watcher.value("contract_paused", contract="withdrawal_queue") == 0
    assert watcher.value("contract_resume_timestamp_seconds") is None
    assert len(watcher.told("contract_pause_change")) == 1


def test_a_flood_of_requests_and_its_finalization(watcher: Watcher, world: World) -> None:
    staker = world.account("staker_0")
    first = world.now()
    ids = actions.request_withdrawals(world, staker, [500 * ETH, 700 * ETH])
    actions.flood(world, staker, 3000 * ETH)
    watcher.catch_up()
    queue, lido = world["withdrawal_queue"], world["lido"]
    depth = queue.read("unfinalizedStETH")
    assert depth >= 4200 * ETH - 100
    assert watcher.value("queue_unfinalized_ether") == depth / ETH
    assert watcher.value("queue_unfinalized_requests") == queue.read("unfinalizedRequestNumber")
    money = min(lido.read("getWithdrawalsReserve"), depth) + sum(
        world.balance(world[v].address) for v in ("withdrawal_vault", "el_rewards_vault")
    )
    assert watcher.value("queue_coverage_ratio") == money / depth
    requested = queue.read("getWithdrawalStatus", [ids[0]])[0][3]
    assert first <= requested == watcher.value("queue_oldest_request_timestamp_seconds")
    actions.live_through(world, 2)
    world.anvil.mine()
    watcher.catch_up()
    assert watcher.value("queue_finalized_request_id") == queue.read("getLastFinalizedRequestId") > 0
    assert watcher.value("queue_claimable_ether") == queue.read("getLockedEtherAmount") / ETH
    assert (watcher.value("queue_claims_shortfall_ether") or 0) <= 0


def test_a_report_is_followed_through_all_its_stages(watcher: Watcher, world: World) -> None:
    oracle, committee = world["accounting_oracle"], world["hash_consensus_ao"]
    actions.warp_to_next_frame(world, 3600)
    watcher.catch_up()
    ref_slot = committee.read("getCurrentFrame")[0]
    assert watcher.value("oracle_report_due_seconds") == world.time_of(ref_slot)
    assert watcher.value("oracle_report_late_seconds") == world.now() - world.time_of(ref_slot) - 2700
    assert watcher.value("oracle_report_delivered") == 0
    prepared = actions.agree_only(world)
    watcher.catch_up()
    agreed_at = world.now()
    assert watcher.value("oracle_consensus_reached") == 1
    world.warp(600)
    watcher.catch_up()
    waited = watcher.value("oracle_undelivered_agreement_seconds")
    assert waited is not None and 600 <= waited <= world.now() - agreed_at + 60
    before = world["lido"].read("getTotalPooledEther"), world["lido"].read("getTotalShares")
    actions.deliver(world, prepared)
    world.anvil.mine()
    watcher.catch_up()
    after = world["lido"].read("getTotalPooledEther"), world["lido"].read("getTotalShares")
    assert oracle.read("getLastProcessingRefSlot") == ref_slot
    assert watcher.value("oracle_report_delivered") == 1
    assert watcher.value("oracle_report_late_seconds") == 0
    assert watcher.value("oracle_report_timestamp_seconds") == world.time_of(ref_slot)
    assert len(watcher.told("oracle_report")) == 1
    assert len(watcher.told("oracle_member_report")) == 5
    grown = after[0] * before[1] / (before[0] * after[1]) - 1
    assert watcher.value("accounting_rebase_ratio") == pytest.approx(grown, abs=1e-12)
    assert watcher.value("accounting_apr_ratio") == pytest.approx(grown * YEAR / 86_400, abs=1e-9)
    assert watcher.value("accounting_apr_7d_ratio") == watcher.value("accounting_apr_ratio")
    assert abs(watcher.value("accounting_share_rate_drift_ratio") or 0) < 1e-18
    assert [e["direction"] for e in watcher.told("accounting_rebase")] == ["up"]


def test_extra_data_that_does_not_come_is_waited_for(watcher: Watcher, world: World) -> None:
    actions.warp_to_next_frame(world, 1000)
    prepared = actions.deliver_main_only(world)
    world.warp(900)
    watcher.catch_up()
    waiting = watcher.value("oracle_extra_data_pending_seconds")
    assert waiting is not None and 900 <= waiting < 960
    actions.deliver_extra(world, prepared)
    watcher.catch_up()
    assert watcher.value("oracle_extra_data_pending_seconds") == 0


def test_a_stalled_oracle_loses_reports_and_its_members_miss_their_duty(watcher: Watcher, world: World) -> None:
    for _ in range(3):
        actions.warp_to_next_frame(world, 60)
        watcher.catch_up()
    assert watcher.value("oracle_reports_lost") == 2
    missed = [watcher.value("oracle_member_missed_duties", member=m) for m in world.deployment.members]
    # Two frames are over, five duties each; the lane moves on by one member a frame.
    assert sorted(missed, key=lambda v: -1 if v is None else v) == [0, 0, 0, 1, 1, 2, 2, 2, 2]


def test_a_dissenting_member_makes_a_second_variant(watcher: Watcher, world: World) -> None:
    actions.warp_to_next_frame(world, 1300)
    actions.agree_only(world)
    voted = {e["member"] for e in watcher.told("oracle_member_report")}
    lane = {address(m) for m in world["hash_consensus_ao"].read("getFastLaneMembers")[0]}
    idle = next(m for m in world.deployment.members if m not in voted and address(m) not in lane)
    actions.dissent(world, idle, b"\x66" * 32)
    watcher.catch_up()
    assert watcher.value("oracle_report_variants") == 2


def test_shares_without_ether_are_drift(watcher: Watcher, world: World) -> None:
    shares = world["lido"].read("getTotalShares")
    actions.mint_unbacked(world, world.account("attacker"), shares // 100)
    watcher.catch_up()
    assert watcher.value("accounting_share_rate_drift_ratio") == pytest.approx(-1 / 101, rel=1e-9)
    assert watcher.told("accounting_rebase") == []


def test_the_heads_wait_for_one_block_is_all_that_a_quiet_run_is_blind_for(watcher: Watcher, world: World) -> None:
    actions.request_withdrawals(world, world.account("staker_1"), [ETH])
    actions.live_through(world, 1)
    world.anvil.mine()
    watcher.catch_up()
    reasons = {f.status.reason for f in watcher.blind if isinstance(f.status, Failed)}
    assert all("read with the next" in reason for reason in reasons), reasons


def test_the_shipped_mainnet_reads_stay_few_between_role_reads() -> None:
    """A batch a block: Multicall3 takes some hundreds of calls; the minute's role reads are the largest."""
    made = collectors(protocol(mainnet()), {})
    planned = {c.name: frozenset(c.plan({})) for c in made}
    every_block = frozenset().union(*(planned[c.name] for c in made if c.cadence.every_block))
    assert len(every_block) < 130  # half of them are quotes of the peg's venues
    assert len(planned["roles_holders"]) < 900


def test_after_a_reorg_the_older_memory_judges_the_new_branch(watcher: Watcher, world: World) -> None:
    actions.request_withdrawals(world, world.account("staker_1"), [ETH])
    world.anvil.mine()
    watcher.catch_up()
    ancestor, memory, frames = watcher.number, watcher.memory, dict(watcher.frames)
    head = watcher.value("queue_oldest_request_timestamp_seconds")
    assert head is not None
    actions.grant_role(world, "withdrawal_queue", "PAUSE_ROLE", world.account("attacker"))
    actions.mint_unbacked(world, world.account("attacker"), world["lido"].read("getTotalShares") // 100)
    watcher.catch_up()
    assert watcher.value("accounting_share_rate_drift_ratio") != 0
    actions.reorg(world, world.anvil.head()[0] - ancestor)
    world.anvil.mine()
    watcher.number, watcher.memory, watcher.frames, watcher.events = ancestor, memory, frames, []  # as the window rewinds
    watcher.catch_up()
    assert watcher.told("role_change") == []
    assert watcher.value("role_holder", contract="withdrawal_queue", role="PAUSE_ROLE", approved="no") is None
    assert watcher.value("accounting_share_rate_drift_ratio") == 0
    assert watcher.value("queue_oldest_request_timestamp_seconds") == head
