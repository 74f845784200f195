"""The processor of reports: what is agreed, what is delivered, what is late, and what is refused."""

from __future__ import annotations

import dataclasses

import pytest

from monitor.devnet import actions, reports
from monitor.devnet.transactions import TransactionFailed, ether
from monitor.devnet.world import World

FIELDS = (
    "ref_slot", "deadline", "main_hash", "main_submitted", "extra_hash", "extra_format", "extra_submitted", "extra_items", "extra_done",
)  # fmt: skip
TEN_EXITED = [reports.Exited(1, operator, operator + 1) for operator in range(10)]


def state(world: World) -> dict[str, object]:
    return dict(zip(FIELDS, world["accounting_oracle"].read("getProcessingState"), strict=True))


def test_the_processing_state_follows_the_stages_of_a_report(world: World) -> None:
    actions.warp_to_next_frame(world, 900)
    ref_slot = world["hash_consensus_ao"].read("getCurrentFrame")[0]
    empty = dict.fromkeys(FIELDS, 0) | {"ref_slot": ref_slot, "main_hash": bytes(32), "extra_hash": bytes(32)}
    assert state(world) == empty
    prepared = actions.agree_only(world, exited=TEN_EXITED)
    agreed = empty | {"deadline": world.time_of(ref_slot + 225 * 32), "main_hash": prepared.hash(world)}
    assert state(world) == agreed
    world.send(*reports.main_data(world, prepared))
    main = state(world)
    assert (main["main_submitted"], main["extra_format"], main["extra_items"], main["extra_done"], main["extra_submitted"]) == (
        True,
        1,
        10,
        0,
        False,
    )
    first, second = reports.rest(world, prepared)
    (receipt,) = world.send(first)
    assert world["accounting_oracle"].events(receipt) == [
        ("ExtraDataSubmitted", {"refSlot": ref_slot, "itemsProcessed": 8, "itemsCount": 10})
    ]
    assert (state(world)["extra_done"], state(world)["extra_submitted"]) == (8, False)
    world.send(second)
    assert (state(world)["extra_done"], state(world)["extra_submitted"]) == (10, True)
    assert world["accounting_oracle"].read("devExitedValidators", 1, 9) == 10


def test_empty_extra_data_needs_its_own_transaction(world: World) -> None:
    actions.warp_to_next_frame(world, 900)
    prepared = actions.deliver_main_only(world)
    assert (state(world)["main_submitted"], state(world)["extra_submitted"]) == (True, False)
    (receipt,) = actions.deliver_extra(world, prepared)
    assert world["accounting_oracle"].events(receipt)[0][1] | {"refSlot": 0} == {"refSlot": 0, "itemsProcessed": 0, "itemsCount": 0}
    assert state(world)["extra_submitted"] is True


def test_chunks_in_the_wrong_order_are_refused(world: World) -> None:
    actions.warp_to_next_frame(world, 900)
    prepared = actions.deliver_main_only(world, exited=TEN_EXITED)
    _, second = reports.rest(world, prepared)
    with pytest.raises(TransactionFailed):
        world.send(second)


def test_the_rejected_item_type_is_refused(world: World) -> None:
    actions.warp_to_next_frame(world, 900)
    stuck = bytearray(reports.extra_data([reports.Exited(1, 1, 1)], 8)[0])
    stuck[32 + 4] = 1
    prepared = dataclasses.replace(reports.build(world, exited=[reports.Exited(1, 1, 1)]), chunks=(bytes(stuck),))
    world.send(*reports.votes(world, prepared), *reports.main_data(world, prepared))
    with pytest.raises(TransactionFailed):
        actions.deliver_extra(world, prepared)


def test_data_that_is_not_what_was_agreed_is_refused(world: World) -> None:
    actions.warp_to_next_frame(world, 900)
    prepared = actions.agree_only(world)
    with pytest.raises(TransactionFailed):
        world.send(*reports.main_data(world, dataclasses.replace(prepared, validators_gwei=prepared.validators_gwei + 1)))
    with pytest.raises(TransactionFailed):
        world.send(world["accounting_oracle"].tx(world.account("attacker"), "submitReportData", prepared.values(), 5))
    with pytest.raises(TransactionFailed):
        world.send(world["accounting_oracle"].tx(world.deployment.members[0], "submitReportData", prepared.values(), 4))


def test_a_report_cannot_be_delivered_twice_nor_after_its_frame(world: World) -> None:
    actions.warp_to_next_frame(world, 900)
    prepared = reports.build(world)
    reports.report(world)
    with pytest.raises(TransactionFailed):
        world.send(*reports.main_data(world, prepared))
    actions.warp_to_next_frame(world, 900)
    late = actions.agree_only(world)
    actions.warp_to_next_frame(world, 900)
    with pytest.raises(TransactionFailed):
        actions.deliver(world, late)


def test_what_was_missed_is_warned_of_with_the_next_consensus(world: World) -> None:
    actions.warp_to_next_frame(world, 900)
    actions.agree_only(world)
    missed = world["hash_consensus_ao"].read("getCurrentFrame")[0]
    actions.warp_to_next_frame(world, 900)
    prepared = reports.build(world)
    receipts = world.send(*reports.votes(world, prepared))
    events = [event for receipt in receipts for event in world["accounting_oracle"].events(receipt)]
    assert events[0] == ("WarnProcessingMissed", {"refSlot": missed})
    assert events[1][0] == "ReportSubmitted"


def test_unfinished_extra_data_is_warned_of_with_the_next_consensus(world: World) -> None:
    actions.warp_to_next_frame(world, 900)
    prepared = actions.deliver_main_only(world, exited=TEN_EXITED)
    world.send(reports.rest(world, prepared)[0])
    actions.warp_to_next_frame(world, 900)
    receipts = reports.report(world)
    names = [name for receipt in receipts for name, _ in world["accounting_oracle"].events(receipt)]
    assert names == ["WarnExtraDataIncompleteProcessing", "ReportSubmitted", "ProcessingStarted", "ExtraDataSubmitted"]


def test_a_report_after_missed_frames_covers_all_the_time(world: World) -> None:
    for _ in range(3):
        actions.warp_to_next_frame(world, 900)
    receipts = reports.report(world)
    rebased = [args for receipt in receipts for name, args in world["lido"].events(receipt) if name == "TokenRebased"]
    assert [args["timeElapsed"] for args in rebased] == [3 * 86400]


def test_a_share_rate_far_from_the_true_one_is_refused(world: World) -> None:
    actions.request_withdrawals(world, world.account("staker_0"), [ether(1)])
    actions.warp_to_next_frame(world, 900)
    actions.warp_to_next_frame(world, 900)
    honest = reports.build(world)
    prepared = dataclasses.replace(honest, share_rate=honest.share_rate * 994 // 1000)
    world.send(*reports.votes(world, prepared))
    with pytest.raises(TransactionFailed, match="0xb7302e52"):
        world.send(*reports.main_data(world, prepared))


def test_the_heartbeat_reports_when_due_and_only_then(world: World) -> None:
    assert actions.heartbeat(world) == []
    actions.warp_to_next_frame(world, 60)
    assert actions.heartbeat(world) == []
    world.warp(900)
    assert actions.heartbeat(world) != []
    assert reports.reported(world)
    assert actions.heartbeat(world) == []


def test_the_heartbeat_makes_validators_exit_for_what_the_queue_lacks(world: World) -> None:
    actions.deposit(world, world["lido"].read("getDepositableEther"))
    actions.flood(world, world.account("staker_0"), ether(20_000))
    actions.live_through(world, 2)
    assert world["withdrawal_queue"].read("unfinalizedRequestNumber") == 0
    assert world["lido"].read("getBalanceStats")[0] < ether(50_000)
