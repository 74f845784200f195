"""The withdrawal queue: strictly in order, losses shared and gains not, and what a pause stops."""

from __future__ import annotations

import dataclasses

import pytest

from monitor.devnet import actions, reports
from monitor.devnet.rpc import RpcError
from monitor.devnet.transactions import TransactionFailed, ether
from monitor.devnet.world import World

E27 = 10**27


def pay(world: World, **how: object) -> dict[str, int]:
    """One frame on, with a report; what it finalized."""
    actions.warp_to_next_frame(world, 900)
    receipts = reports.report(world, **how)
    found = [args for receipt in receipts for name, args in world["withdrawal_queue"].events(receipt) if name == "WithdrawalsFinalized"]
    assert len(found) <= 1
    return found[0] if found else {}


def claimable(world: World, ids: list[int]) -> list[int]:
    queue = world["withdrawal_queue"]
    hints = queue.read("findCheckpointHints", ids, 1, queue.read("getLastCheckpointIndex"))
    return list(queue.read("getClaimableEther", ids, list(hints)))


def test_a_healthy_report_pays_the_nominal_amount(world: World) -> None:
    ids = actions.request_withdrawals(world, world.account("staker_0"), [ether(5), 10**6, ether(1000)])
    assert world["withdrawal_queue"].read("unfinalizedStETH") == ether(1005) + 10**6
    actions.warp_to_next_frame(world, 900)
    paid = pay(world)
    assert (paid["from"], paid["to"], paid["amountOfETHLocked"]) == (ids[0], ids[-1], ether(1005) + 10**6)
    assert claimable(world, ids) == [ether(5), 10**6, ether(1000)]


def test_a_loss_after_the_request_discounts_it_to_its_shares(world: World) -> None:
    ids = actions.request_withdrawals(world, world.account("staker_0"), [ether(100), ether(7)])
    statuses = world["withdrawal_queue"].read("getWithdrawalStatus", ids)
    actions.warp_to_next_frame(world, 9000)
    reports.report(world, finalize=False)
    actions.warp_to_next_frame(world, 900)
    prepared = reports.build(world, cl_change=-ether(1000))
    world.send(*reports.votes(world, prepared), *reports.main_data(world, prepared))
    expected = [min(nominal, shares * prepared.share_rate // E27) for nominal, shares, *_ in statuses]
    assert prepared.batches[-1] == ids[-1]
    assert claimable(world, ids) == expected
    assert all(got < nominal for got, (nominal, *_) in zip(expected, statuses, strict=True))
    locked = world["withdrawal_queue"].read("getLockedEtherAmount")
    assert 0 <= locked - sum(expected) <= len(ids)


def test_gains_after_the_request_go_to_the_others(world: World) -> None:
    ids = actions.request_withdrawals(world, world.account("staker_0"), [ether(100)])
    (_, shares, *_), *_ = world["withdrawal_queue"].read("getWithdrawalStatus", ids)
    pay(world, finalize=False, cl_change=ether(50))
    pay(world, cl_change=ether(50))
    assert claimable(world, ids) == [ether(100)]
    assert world["lido"].read("getPooledEthByShares", shares) > ether(100)


def test_without_ether_for_the_oldest_nothing_behind_it_is_paid(world: World) -> None:
    buffered = world["lido"].read("getBufferedEther")
    actions.deposit(world, world["lido"].read("getDepositableEther"))
    actions.stake(world, world.account("staker_2"), ether(10))
    actions.request_withdrawals(world, world.account("staker_0"), [ether(900), ether(1)])
    actions.warp_to_next_frame(world, 900)
    assert buffered > ether(900)
    assert pay(world) == {}
    assert world["withdrawal_queue"].read("unfinalizedRequestNumber") == 2
    # Deposits have a reserve that is filled first.
    exits = actions.exit_validators(world, ether(900))
    assert pay(world, exits=exits)["to"] == 1


def test_young_requests_wait_one_more_frame(world: World) -> None:
    _, deadline = world["hash_consensus_ao"].read("getCurrentFrame")
    world.warp(world.time_of(deadline) - 3600 - world.now())
    actions.request_withdrawals(world, world.account("staker_0"), [ether(1)])
    assert pay(world) == {}
    assert pay(world)["to"] == 1


def test_a_report_may_not_pay_young_requests(world: World) -> None:
    _, deadline = world["hash_consensus_ao"].read("getCurrentFrame")
    world.warp(world.time_of(deadline) - 3600 - world.now())
    actions.request_withdrawals(world, world.account("staker_0"), [ether(1)])
    actions.warp_to_next_frame(world, 900)
    prepared = dataclasses.replace(reports.build(world), batches=(1,))
    world.send(*reports.votes(world, prepared))
    with pytest.raises(TransactionFailed, match="0xdc2ac38e"):
        world.send(*reports.main_data(world, prepared))


def test_claims_pay_out_and_leave_no_debt(world: World) -> None:
    staker, queue = world.account("staker_0"), world["withdrawal_queue"]
    ids = actions.request_withdrawals(world, staker, [ether(5)] * 4)
    actions.warp_to_next_frame(world, 900)
    pay(world)
    before = world.balance(staker)
    actions.claim(world, staker, ids)
    assert before + ether(20) > world.balance(staker) > before + ether(19.9)
    assert queue.read("getLockedEtherAmount") == world.balance(queue.address) == 0
    assert all(status[5] for status in queue.read("getWithdrawalStatus", ids))
    with pytest.raises(RpcError, match="0xf0e0cc2d"):
        queue.read("ownerOf", ids[0])


def test_a_request_can_be_sold_and_its_new_owner_claims(world: World) -> None:
    queue, seller, buyer = world["withdrawal_queue"], world.account("staker_0"), world.account("staker_1")
    (first,) = actions.request_withdrawals(world, seller, [ether(5)])
    world.send(queue.tx(seller, "transferFrom", seller, buyer, first))
    assert (queue.read("getWithdrawalRequests", seller), queue.read("getWithdrawalRequests", buyer)) == ((), (first,))
    actions.warp_to_next_frame(world, 900)
    pay(world)
    with pytest.raises(TransactionFailed):
        actions.claim(world, seller, [first])
    actions.claim(world, buyer, [first])


def test_hints_and_bad_ids_answer_as_on_mainnet(world: World) -> None:
    queue = world["withdrawal_queue"]
    with pytest.raises(RpcError, match="0xc969e0f2"):
        queue.read("getWithdrawalStatus", [0])
    for _ in range(3):
        actions.request_withdrawals(world, world.account("staker_0"), [ether(1)] * 2)
        actions.warp_to_next_frame(world, 900)
        reports.report(world, finalize=False) if not reports.reported(world) else None
        pay(world)
    (young,) = actions.request_withdrawals(world, world.account("staker_0"), [ether(1)])
    last = queue.read("getLastCheckpointIndex")
    assert last == 3
    assert queue.read("findCheckpointHints", [1, 2, 3, 4, 5, 6], 1, last) == (1, 1, 2, 2, 3, 3)
    assert queue.read("findCheckpointHints", [young], 1, last) == (0,)
    with pytest.raises(RpcError, match="0x71894257"):
        queue.read("findCheckpointHints", [young, young], 1, last)
    with pytest.raises(RpcError, match="0x374e8bd1"):
        queue.read("findCheckpointHints", [2, 1], 1, last)
    with pytest.raises(RpcError, match="0xcee778e2"):
        queue.read("getClaimableEther", [1], [2])


def test_a_flood_is_many_ids_of_the_largest_size(world: World) -> None:
    ids = actions.flood(world, world.account("staker_1"), ether(61_500.5))
    sizes = [status[0] for status in world["withdrawal_queue"].read("getWithdrawalStatus", ids)]
    assert len(ids) == 62
    assert sum(sizes) == ether(61_500.5)
    assert max(sizes) == ether(1000)


def test_a_pause_stops_requests_and_payment_but_not_claims_nor_reports(world: World) -> None:
    queue, staker = world["withdrawal_queue"], world.account("staker_0")
    ids = actions.request_withdrawals(world, staker, [ether(5)])
    actions.warp_to_next_frame(world, 900)
    pay(world)
    actions.request_withdrawals(world, staker, [ether(5)])
    actions.pause_queue(world, 3 * 86400)
    with pytest.raises(TransactionFailed, match="0x14378398"):
        actions.request_withdrawals(world, staker, [ether(5)])
    actions.warp_to_next_frame(world, 900)
    assert pay(world) == {}
    assert reports.reported(world)
    actions.claim(world, staker, ids)
    assert queue.read("unfinalizedRequestNumber") == 1


def test_a_timed_pause_ends_by_itself_and_cannot_be_prolonged(world: World) -> None:
    queue = world["withdrawal_queue"]
    actions.pause_queue(world, 600)
    until = queue.read("getResumeSinceTimestamp")
    assert queue.read("isPaused") is True
    with pytest.raises(TransactionFailed, match="0x14378398"):
        actions.pause_queue(world, 900)
    world.warp(until - world.now() - 1)
    assert queue.read("isPaused") is True
    world.warp(1)
    assert queue.read("isPaused") is False
    with pytest.raises(TransactionFailed, match="0xb047186b"):
        actions.resume_queue(world)


def test_an_open_pause_lasts_until_someone_resumes(world: World) -> None:
    queue = world["withdrawal_queue"]
    actions.pause_queue(world, 2**256 - 1)
    world.warp(400 * 86400)
    assert queue.read("isPaused") is True
    actions.resume_queue(world)
    assert queue.read("isPaused") is False


def test_pause_until_names_the_last_paused_second(world: World) -> None:
    queue, reseal = world["withdrawal_queue"], world.account("reseal_manager")
    last = world.now() + 100
    world.send(queue.tx(reseal, "pauseUntil", last))
    assert queue.read("getResumeSinceTimestamp") == last + 1
    with pytest.raises(TransactionFailed):
        world.send(queue.tx(world.account("attacker"), "resume"))


def test_bunker_mode_begins_at_the_previous_reference_slot_and_ends_in_a_report(world: World) -> None:
    queue = world["withdrawal_queue"]
    assert queue.read("bunkerModeSinceTimestamp") == 2**256 - 1
    previous = world.time_of(world["accounting_oracle"].read("getLastProcessingRefSlot"))
    pay(world, bunker=True)
    assert (queue.read("isBunkerModeActive"), queue.read("bunkerModeSinceTimestamp")) == (True, previous)
    assert world["lido"].read("canDeposit") is False
    pay(world)
    assert queue.read("isBunkerModeActive") is False
