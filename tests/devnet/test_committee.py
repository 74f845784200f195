"""The oracle's committee: frames by the formula, the fast lane, agreement, disagreement, and agreement lost."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.devnet import actions, reports
from monitor.devnet.deploy import role
from monitor.devnet.transactions import TransactionFailed
from monitor.devnet.world import World

OTHER = b"\x22" * 32


def formula(world: World, now: int) -> tuple[int, int]:
    """lido.md 3.1: reference slot and deadline slot of the frame that holds a moment."""
    d = world.deployment
    epoch = (now - d.genesis_time) // (d.seconds_per_slot * d.slots_per_epoch)
    index = (epoch - d.initial_epoch) // d.epochs_per_frame
    ref_slot = (d.initial_epoch + index * d.epochs_per_frame) * d.slots_per_epoch - 1
    return ref_slot, ref_slot + d.epochs_per_frame * d.slots_per_epoch


def fast_lane(world: World) -> list[str]:
    """lido.md 3.4: a quorum of members from frame index mod N on, wrapping."""
    members = [m.lower() for m in world["hash_consensus_ao"].read("getMembers")[0]]
    d = world.deployment
    index = (formula(world, world.now())[0] + 1) // d.slots_per_epoch - d.initial_epoch
    start = index // d.epochs_per_frame % len(members)
    return [members[(start + i) % len(members)] for i in range(d.quorum)]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(seconds=st.integers(1, 30 * 86400))
def test_frames_follow_the_formula_at_any_moment(chain_world: World, seconds: int) -> None:
    snapshot = chain_world.anvil.snapshot()
    try:
        consensus = chain_world["hash_consensus_ao"]
        now = chain_world.warp(seconds)
        assert consensus.read("getCurrentFrame") == formula(chain_world, now)
        ref_slot, ref_time = chain_world["accounting_oracle"].read("getCurrentFrame")
        assert (ref_slot, ref_time) == (formula(chain_world, now)[0], chain_world.time_of(formula(chain_world, now)[0]))
        assert list(consensus.read("getFastLaneMembers")[0]) == fast_lane(chain_world)
    finally:
        chain_world.anvil.revert(snapshot)


def test_the_frame_rolls_over_at_the_boundary_even_without_a_report(world: World) -> None:
    consensus = world["hash_consensus_ao"]
    _, deadline = consensus.read("getCurrentFrame")
    # The chain's clock runs on with the wall's: half a slot is room enough for a busy machine.
    world.warp(world.time_of(deadline + 1) - 6 - world.now())
    assert consensus.read("getCurrentFrame")[1] == deadline
    world.warp(6)
    assert consensus.read("getCurrentFrame") == (deadline, deadline + 225 * 32)
    assert consensus.read("getConsensusState")[1:] == (bytes(32), False)


def test_chain_and_frame_are_mainnets(world: World) -> None:
    consensus = world["hash_consensus_ao"]
    assert consensus.read("getChainConfig") == (32, 12, world.deployment.genesis_time)
    assert consensus.read("getFrameConfig") == (world.deployment.initial_epoch, 225, 100)
    assert consensus.read("getInitialRefSlot") == world.deployment.initial_epoch * 32 - 1
    assert (len(consensus.read("getMembers")[0]), consensus.read("getQuorum")) == (9, 5)


def test_only_the_fast_lane_may_report_at_first(world: World) -> None:
    actions.warp_to_next_frame(world, 60)
    slow = next(m for m in world.deployment.members if m.lower() not in fast_lane(world))
    prepared = reports.build(world)
    with pytest.raises(TransactionFailed, match="0x3e1ca93d"):
        world.send(*reports.votes(world, prepared, [slow]))
    state = world["hash_consensus_ao"].read("getConsensusStateForMember", slow)
    assert (state[2], state[3], state[4]) == (True, False, False)
    ref_slot = world["hash_consensus_ao"].read("getCurrentFrame")[0]
    world.warp(world.time_of(ref_slot + 101) - world.now())
    world.send(*reports.votes(world, prepared, [slow]))
    state = world["hash_consensus_ao"].read("getConsensusStateForMember", slow)
    assert (state[4], state[5], state[6]) == (True, ref_slot, prepared.hash(world))


def test_consensus_is_reached_once_and_later_votes_do_not_repeat_it(world: World) -> None:
    actions.warp_to_next_frame(world, 3600)
    prepared = reports.build(world)
    receipts = world.send(*reports.votes(world, prepared, world.deployment.members[:7]))
    events = [(name, args) for receipt in receipts for name, args in world["hash_consensus_ao"].events(receipt)]
    assert [name for name, _ in events].count("ReportReceived") == 7
    assert [args["support"] for name, args in events if name == "ConsensusReached"] == [5]
    assert world["hash_consensus_ao"].read("getReportVariants") == ((prepared.hash(world),), (7,))


def test_a_dissenter_shows_as_a_second_variant(world: World) -> None:
    actions.warp_to_next_frame(world, 3600)
    actions.dissent(world, world.deployment.members[0], OTHER)
    prepared = reports.build(world)
    world.send(*reports.votes(world, prepared, world.deployment.members[1:5]))
    variants, support = world["hash_consensus_ao"].read("getReportVariants")
    assert dict(zip(variants, support, strict=True)) == {OTHER: 1, prepared.hash(world): 4}
    assert world["hash_consensus_ao"].read("getConsensusState")[1] == bytes(32)


def test_a_changed_vote_loses_consensus_and_takes_the_report_back(world: World) -> None:
    actions.warp_to_next_frame(world, 3600)
    prepared = reports.build(world)
    world.send(*reports.votes(world, prepared, world.deployment.members[:5]))
    receipt = actions.dissent(world, world.deployment.members[0], OTHER)
    assert [name for name, _ in world["hash_consensus_ao"].events(receipt)] == ["ReportReceived", "ConsensusLost"]
    assert [name for name, _ in world["accounting_oracle"].events(receipt)] == ["ReportDiscarded"]
    with pytest.raises(TransactionFailed):
        actions.deliver(world, prepared)
    world.send(*reports.votes(world, prepared, world.deployment.members[5:6]))
    actions.deliver(world, prepared)
    assert reports.reported(world)


def test_late_votes_after_the_data_are_silent(world: World) -> None:
    actions.warp_to_next_frame(world, 3600)
    prepared = reports.build(world)
    voters = world.deployment.members[:5]
    world.send(*reports.votes(world, prepared, voters), *reports.main_data(world, prepared))
    (late,) = world.send(*reports.votes(world, prepared, world.deployment.members[8:]))
    assert late.logs == ()
    with pytest.raises(TransactionFailed, match="0xe7bf4508"):
        world.send(*reports.votes(world, prepared, voters[:1]))


def test_outsiders_stale_slots_and_repeated_votes_are_refused(world: World) -> None:
    actions.warp_to_next_frame(world, 3600)
    prepared = reports.build(world)
    members = world.deployment.members
    with pytest.raises(TransactionFailed):
        world.send(*reports.votes(world, prepared, [world.account("attacker")]))
    world.send(*reports.votes(world, prepared, members[:1]))
    with pytest.raises(TransactionFailed):
        world.send(*reports.votes(world, prepared, members[:1]))
    actions.warp_to_next_frame(world, 3600)
    with pytest.raises(TransactionFailed, match="0xf803a2ca"):
        world.send(*reports.votes(world, prepared, members[1:2]))


def test_members_come_and_go_and_the_last_moves_into_the_hole(world: World) -> None:
    consensus, members = world["hash_consensus_ao"], world.deployment.members
    (receipt,) = world.send(world.by_agent("hash_consensus_ao", "removeMember", members[2], 5))
    assert [name for name, _ in consensus.events(receipt)] == ["MemberRemoved"]
    order = [m.lower() for m in consensus.read("getMembers")[0]]
    assert order == [m.lower() for m in [*members[:2], members[8], *members[3:8]]]
    (receipt,) = world.send(world.by_agent("hash_consensus_ao", "addMember", world.account("attacker"), 6))
    assert [name for name, _ in consensus.events(receipt)] == ["MemberAdded", "QuorumSet"]
    with pytest.raises(TransactionFailed):
        world.send(world.by_agent("hash_consensus_ao", "setQuorum", 4))


def test_a_smaller_quorum_can_make_consensus_of_votes_already_cast(world: World) -> None:
    world.send(world.by_agent("hash_consensus_ao", "setQuorum", 7))
    actions.warp_to_next_frame(world, 3600)
    prepared = reports.build(world)
    world.send(*reports.votes(world, prepared, world.deployment.members[:5]))
    assert world["hash_consensus_ao"].read("getConsensusState")[1] == bytes(32)
    (receipt,) = world.send(world.by_agent("hash_consensus_ao", "setQuorum", 5))
    assert [name for name, _ in world["hash_consensus_ao"].events(receipt)] == ["QuorumSet", "ConsensusReached"]


def test_disabled_consensus_shows_as_an_unreachable_quorum(world: World) -> None:
    actions.grant_role(world, "hash_consensus_ao", "DISABLE_CONSENSUS_ROLE", world["agent"].address)
    world.send(world.by_agent("hash_consensus_ao", "disableConsensus"))
    assert world["hash_consensus_ao"].read("getQuorum") == 2**256 - 1
    assert len(world["hash_consensus_ao"].read("getFastLaneMembers")[0]) == 9


def test_a_new_frame_length_keeps_the_current_reference_slot(world: World) -> None:
    consensus = world["hash_consensus_ao"]
    actions.grant_role(world, "hash_consensus_ao", "MANAGE_FRAME_CONFIG_ROLE", world["agent"].address)
    ref_slot, _ = consensus.read("getCurrentFrame")
    (receipt,) = world.send(world.by_agent("hash_consensus_ao", "setFrameConfig", 45, 10))
    assert {name for name, _ in consensus.events(receipt)} == {"FrameConfigSet", "FastLaneConfigSet"}
    assert consensus.read("getCurrentFrame") == (ref_slot, ref_slot + 45 * 32)


def test_the_committee_is_the_agents_to_change(world: World) -> None:
    consensus = world["hash_consensus_ao"]
    assert consensus.read("getRoleMemberCount", role("MANAGE_MEMBERS_AND_QUORUM_ROLE")) == 1
    with pytest.raises(TransactionFailed):
        world.send(consensus.tx(world.account("attacker"), "addMember", world.account("attacker"), 6))
