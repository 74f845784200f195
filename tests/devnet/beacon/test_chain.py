"""The simulated chain: what validators do shows in its states, and its states are the same however one comes to them."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.chain.beacon.spec import ETHER, MAINNET, MINIMAL
from monitor.chain.beacon.state import decode
from monitor.devnet.beacon import ssz, transition
from monitor.devnet.beacon.chain import KEPT_EPOCHS, Chain, Pruned
from monitor.devnet.beacon.orders import BadOrder, Orders
from monitor.devnet.beacon.registry import registry
from monitor.devnet.beacon.roots import header_root
from monitor.devnet.beacon.sim import DEVNET
from monitor.devnet.beacon.state import FAR, State
from monitor.devnet.beacon.withdrawals import Sweepers, expected
from tests.devnet.beacon.conftest import EPOCH, MakeChain, payload
from tests.devnet.beacon.samples import NAMES, state_of
from tests.devnet.beacon.samples import expected as sample_of


def encoded(chain: Chain, slot: int) -> bytes:
    return ssz.encode(chain.state_at(slot), chain.genesis_time, chain.validators_root, chain.rings)


def next_epoch(chain: Chain, epochs: int = 1, left: int = 1) -> None:
    """Grow to the last slot of an epoch (``left`` = 1) or some slots before its end."""
    per_epoch = chain.spec.slots_per_epoch
    chain.grow((chain.head_slot // per_epoch + epochs + 1) * per_epoch - left, payload(chain.state.payload.number + 1))


# ---------------------------------------------------------------- states


@pytest.mark.parametrize("fork", ["electra", "fulu"])
@pytest.mark.parametrize("spec", [MAINNET, MINIMAL], ids=["mainnet", "minimal"])
def test_states_decode_by_the_clients_layout(make_chain: MakeChain, spec: Any, fork: Any) -> None:
    chain = make_chain(spec=spec, fork=fork)
    orders = Orders(chain)
    orders.deposit(2)
    orders.slash([3, 5])
    orders.miss_slots(3)
    next_epoch(chain)
    state = chain.state
    columns = decode(encoded(chain, chain.head_slot), spec, fork=fork, slot=chain.head_slot).columns()
    assert columns.balances.tolist() == state.balances.tolist()
    assert columns.effective_balance.tolist() == state.effective.tolist()
    assert columns.previous_epoch_participation.tolist() == state.previous_flags.tolist()
    assert columns.current_epoch_participation.tolist() == state.current_flags.tolist()
    assert columns.slashed.nonzero()[0].tolist() == [3, 5]
    assert columns.exit_epoch.tolist() == [2**64 - 1 if value == FAR else value for value in state.exit.tolist()]
    assert columns.slashings.sum() == state.slashings.sum() == int(state.effective[[3, 5]].sum())
    assert (columns.finalized.epoch, columns.current_justified.epoch) == (state.finalized.epoch, state.current_justified.epoch)
    assert len(columns.pending_deposits) == len(state.deposits) == 2
    assert columns.latest_block_slot == state.header.slot
    assert columns.block.number == state.payload.number
    assert columns.block_roots[(chain.head_slot - 1) % len(columns.block_roots)].tobytes() == chain.rings.blocks[chain.head_slot - 1]
    if fork == "fulu":
        assert columns.proposer_lookahead is not None
        assert columns.proposer_lookahead.tolist() == state.lookahead.tolist()


def test_a_state_is_the_same_whenever_it_is_asked(make_chain: MakeChain) -> None:
    chain = make_chain(validators=128, slots=20, miss_rate=0.1)
    Orders(chain).slash(operator="solo", count=3)
    slots = [chain.head_slot + ahead for ahead in (0, 1, 5, 11, 12, 13, 40)]
    fresh: dict[int, bytes] = {}
    for slot in slots:
        chain.grow(slot, payload(slot))
        fresh[slot] = encoded(chain, slot)
    next_epoch(chain)
    assert {slot: encoded(chain, slot) for slot in slots} == fresh


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=6), st.integers(0, 2**16 - 1))
def test_growth_does_not_depend_on_its_steps(steps: list[int], seed: int) -> None:
    def make() -> Chain:
        chain = Chain.begin(MINIMAL, "fulu", 0, registry(None, 96), EPOCH * 8, payload(1), miss_rate=0.05, seed=seed.to_bytes(2, "little"))
        chain.missing = {chain.first_slot + at for at in (seed % 20, seed % 7, 7, 8)}
        return chain

    chain, whole = make(), make()
    for step in steps:
        chain.fill(step)
    whole.fill(sum(steps))
    assert encoded(chain, chain.head_slot) == encoded(whole, whole.head_slot)
    assert chain.rings.blocks[chain.head_slot] == whole.rings.blocks[whole.head_slot]


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 20), st.integers(1, 20))
def test_a_reorganised_chain_equals_one_that_never_was_otherwise(before: int, back: int) -> None:
    def make() -> Chain:
        chain = Chain.begin(MINIMAL, "fulu", 0, registry(None, 96), EPOCH * 8, payload(1))
        chain.grow(chain.first_slot + 25, payload(2))
        return chain

    chain, straight = make(), make()
    Orders(chain).slash([1, 2])
    Orders(straight).slash([1, 2])
    chain.grow(chain.head_slot + before, payload(3))
    chain.rewind(chain.head_slot - back)
    if back > before:
        straight.rewind(chain.head_slot)
    else:
        straight.fill(before - back)
    for one in (chain, straight):
        one.grow(chain.first_slot + 60, payload(4))
    assert encoded(chain, chain.head_slot) == encoded(straight, chain.head_slot)
    assert chain.state.slashed.nonzero()[0].tolist() == [1, 2]


def test_what_an_orphaned_block_carried_is_included_again(make_chain: MakeChain) -> None:
    chain = make_chain(slots=40)
    Orders(chain).slash([7], kind="proposal")
    (block,) = chain.grow(chain.head_slot + 1, payload(3))
    assert chain.state.slashed[7]
    assert [one.root for one in chain.rewind(block.slot - 1)] == [block.root]
    assert not chain.state.slashed[7]
    (other,) = chain.grow(block.slot, payload(3, b"other"))
    assert other.operations == block.operations
    assert other.root != block.root
    assert chain.state.slashed[7]


def test_old_states_are_pruned_and_memory_is_bounded(make_chain: MakeChain) -> None:
    chain = make_chain(validators=64, spec=MINIMAL)
    next_epoch(chain, 40)
    oldest = chain.oldest_state()
    assert oldest == (chain.head_slot // 8 - KEPT_EPOCHS) * 8
    assert chain.state_at(oldest).slot == oldest
    with pytest.raises(Pruned):
        chain.state_at(oldest - 3 * 8)
    assert len(chain.starts) <= KEPT_EPOCHS + 3
    assert len(chain.blocks) <= 1.25 * MINIMAL.slots_per_historical_root + 1
    with pytest.raises(Pruned):
        chain.state_at(chain.head_slot + 1)


def test_headers_are_linked_and_roots_are_real(make_chain: MakeChain) -> None:
    chain = make_chain(slots=70)
    blocks = [chain.blocks[slot] for slot in sorted(chain.blocks)]
    for parent, block in itertools.pairwise(blocks):
        assert block.header.parent == parent.root == header_root(parent.header)
    vector = sample_of("fulu-minimal")
    state = state_of(vector)
    filled = bytes.fromhex(vector["hash_tree_root"][2:])
    header = type(state.header)(state.header.slot, state.header.proposer, state.header.parent, filled, state.header.body_root)
    assert header_root(header).hex() == vector["latest_block_root_with_state_root_filled_in"][2:]


# ---------------------------------------------------------------- what validators do


def test_a_healthy_chain_votes_and_finalizes(make_chain: MakeChain) -> None:
    chain = make_chain()
    next_epoch(chain, 3)
    state = chain.state
    assert state.epoch - state.finalized.epoch == 2
    assert set(state.previous_flags.tolist()) == {7}
    assert (state.scores == 0).all()


def test_an_offline_operator_votes_for_nothing_and_comes_back(make_chain: MakeChain) -> None:
    chain = make_chain()
    orders = Orders(chain)
    theirs = chain.registry.group == chain.registry.operators.index("operator-05")
    assert orders.offline("operator-05") == theirs.sum()
    next_epoch(chain, 2)
    assert set(chain.state.previous_flags[theirs].tolist()) == {0}
    others = chain.state.previous_flags[~theirs]
    assert (others > 0).all()
    missed = [slot for slot in range(chain.head_slot - 31, chain.head_slot + 1) if slot not in chain.blocks]
    assert all(theirs[chain.state.lookahead[slot % 32]] for slot in missed)
    orders.online("operator-05")
    next_epoch(chain, 3)
    assert set(chain.state.previous_flags.tolist()) == {7}


def test_late_votes_lose_the_head_alone(make_chain: MakeChain) -> None:
    chain = make_chain()
    Orders(chain).late("exchange-a")
    next_epoch(chain, 2)
    theirs = chain.registry.group == chain.registry.operators.index("exchange-a")
    assert set(chain.state.previous_flags[theirs].tolist()) == {3}


def test_missed_slots_are_missed_whatever_comes(make_chain: MakeChain) -> None:
    chain = make_chain(slots=33)
    slots = Orders(chain).miss_slots(7)
    next_epoch(chain, 1)
    assert not set(slots) & set(chain.blocks)
    assert all(chain.rings.blocks[slot] == chain.rings.blocks[slots[0] - 1] for slot in slots)
    assert slots[-1] + 1 in chain.blocks
    voters = chain.starts[slots[0] // 32].committee(slots[0])
    # Included six slots later: the head is lost, and with more than five slots the source too.
    assert set(chain.state.previous_flags[voters].tolist()) == {2}


def test_without_a_third_of_the_stake_nothing_is_final_and_scores_rise(make_chain: MakeChain) -> None:
    chain = make_chain()
    orders = Orders(chain)
    assert orders.stall(0.4) >= 0.4
    finalized = chain.state.finalized.epoch
    next_epoch(chain, 8)
    state = chain.state
    # What had its votes when the stall began is still finalized.
    assert state.finalized.epoch <= finalized + 2
    assert transition.leaking(state)
    stalled = state.previous_flags == 0
    assert (state.scores[stalled] >= 16).all()
    assert (state.balances[stalled] < chain.registry.balances[stalled]).all()
    assert (state.balances[~stalled] >= chain.registry.balances[~stalled]).all()
    watched = chain.registry.group < chain.registry.watched
    assert not stalled[watched].any()
    orders.unstall()
    next_epoch(chain, 5)
    assert chain.state.epoch - chain.state.finalized.epoch == 2


@pytest.mark.parametrize("kind", ["proposal", "attestation"])
def test_slashed_validators_pay_at_once_and_at_the_midpoint(make_chain: MakeChain, kind: Any) -> None:
    # The minimal preset's memory of slashings is short: the midpoint comes 32 epochs before the end of 64.
    chain = make_chain(spec=replace(MINIMAL, min_validator_withdrawability_delay=16), validators=96)
    orders = Orders(chain)
    before = int(chain.state.balances[4])
    chosen, events = orders.slash([4], kind=kind)
    assert (chosen, [topic for topic, _ in events]) == ([4], [f"{'proposer' if kind == 'proposal' else 'attester'}_slashing"])
    chain.fill(1)
    state = chain.state
    assert before - state.balances[4] >= 32 * ETHER // 4096 - 10**6
    assert state.slashings.sum() == 32 * ETHER
    assert state.withdrawable[4] == EPOCH + 64
    middle = int(state.withdrawable[4]) - 32
    chain.fill((middle + 1) * 8 - 1 - chain.head_slot)
    paid, total = int(chain.state.balances[4]), chain.state.total_active()
    chain.fill(1)
    assert paid - chain.state.balances[4] >= 3 * 32 * ETHER // (total // ETHER) * 32


def test_thousands_are_slashed_in_one_block(make_chain: MakeChain) -> None:
    chain = make_chain(validators=2048)
    chosen, _ = Orders(chain).slash(count=1500)
    chain.fill(4)
    block = next(block for block in chain.blocks.values() if block.operations)
    assert len(block.operations) == 1
    assert chain.state.slashed.sum() == len(chosen) == 1500
    assert chain.state.exit[chosen].max() > chain.state.exit[chosen].min()


def test_exits_queue_and_are_withdrawable_a_day_later(make_chain: MakeChain) -> None:
    chain = make_chain(validators=512, slots=33)
    orders = Orders(chain)
    chosen, _ = orders.exit(operator="solo", count=24)
    chain.fill(3)
    state = chain.state
    assert (state.exit[chosen] < FAR).all()
    assert (state.withdrawable[chosen] - state.exit[chosen] == 256).all()
    churn = transition.exit_churn(state)
    first = int(state.exit[chosen].min())
    for epoch in range(first, int(state.exit[chosen].max()) + 1):
        assert state.effective[state.exit <= epoch].sum() <= churn * (epoch - first + 1)
    assert len(set(state.exit[chosen].tolist())) > 3
    with pytest.raises(BadOrder, match="cannot do that"):
        orders.exit(chosen[:1])


def test_a_consolidation_moves_the_balance(make_chain: MakeChain) -> None:
    chain = make_chain(validators=2048, spec=replace(DEVNET, min_validator_withdrawability_delay=8))
    ((source, target),) = Orders(chain).consolidate()
    chain.fill(2)
    assert len(chain.state.consolidations) == 1
    assert chain.state.exit[source] < FAR
    before = int(chain.state.balances[target])
    chain.fill((int(chain.state.withdrawable[source]) - chain.state.epoch + 1) * 32)
    assert not len(chain.state.consolidations)
    # What the source has left is what it earned above its effective balance; the sweep takes it.
    assert chain.state.effective[source] == 0
    assert chain.state.balances[target] + chain.state.withdrawn[target] > before + 31 * ETHER


def test_deposits_become_validators(make_chain: MakeChain) -> None:
    chain = make_chain(validators=512)
    keys = Orders(chain).deposit(2, operator="operator-03")
    next_epoch(chain, 12)
    state = chain.state
    new = [i for i, key in enumerate(state.pubkeys) if bytes(key) in keys]
    assert new == [512, 513]
    assert state.active(state.epoch)[new].all()
    assert set(chain.state.previous_flags[new].tolist()) == {7}
    place = chain.registry.operators.index("operator-03")
    sums = chain.watched_sums(chain.head_slot)
    assert sums.balances[place] == state.balances[np.append(chain.registry.group == place, [True, True])].sum()


def test_balances_are_told_for_days_and_exactly(make_chain: MakeChain) -> None:
    chain = make_chain(validators=128, swept=True)
    orders = Orders(chain)
    next_epoch(chain, 1)
    slot = chain.head_slot
    watched = chain.registry.group < chain.registry.watched
    held, paid = int(chain.state.balances[watched].sum()), int(chain.state.withdrawn[watched].sum())
    next_epoch(chain, 30)
    told = orders.balances_at(slot)
    assert (told["gwei"], told["withdrawn"]) == (held, paid)
    assert paid > 0
    assert orders.balances_at(slot, ["operator-03"])["gwei"] < held
    with pytest.raises(BadOrder, match="kept are"):
        orders.balances_at(slot - 1)
    with pytest.raises(BadOrder, match="no operator"):
        orders.balances_at(slot, ["nobody"])


# ---------------------------------------------------------------- laws


@pytest.mark.parametrize("name", NAMES)
def test_withdrawals_are_those_of_the_specification(name: str) -> None:
    sample = sample_of(name)
    state = state_of(sample)
    who, amounts, processed = expected(state, Sweepers.of(state, np.zeros(0, bool)))
    told = [(row["validator_index"], row["amount"]) for row in sample["expected_withdrawals_on_this_state"]]
    assert list(zip(who.tolist(), amounts.tolist(), strict=True)) == told
    assert processed == sample["expected_withdrawals_processed_partials"]


_ORDERS = st.sampled_from(["slash", "exit", "offline", "stall", "unstall", "deposit", "consolidate", "miss", "online"])


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(_ORDERS, st.integers(1, 20)), min_size=1, max_size=8))
def test_gwei_come_from_rewards_alone_and_states_stay_sound(script: list[tuple[str, int]]) -> None:
    """Whatever drills do: no balance below zero, epochs in order, columns of one length, votes of active validators only."""
    chain = Chain.begin(MINIMAL, "fulu", 0, registry(None, 80), EPOCH * 8, payload(1))
    orders = Orders(chain)
    for what, number in script:
        with contextlib.suppress(BadOrder):  # so many may not be left
            _do(orders, what, number)
        chain.fill(number)
        _sound(chain.state)


def _do(orders: Orders, what: str, number: int) -> None:
    match what:
        case "slash":
            orders.slash(count=number)
        case "exit":
            orders.exit(count=number)
        case "offline":
            orders.offline("operator-11")
        case "stall":
            orders.stall(number / 20)
        case "unstall":
            orders.unstall()
        case "deposit":
            orders.deposit(number)
        case "consolidate":
            orders.consolidate()
        case "miss":
            orders.miss_slots(number)
        case "online":
            orders.online()


def _sound(state: State) -> None:
    assert (state.balances >= 0).all()
    assert (state.scores >= 0).all()
    columns = (
        "effective",
        "slashed",
        "eligibility",
        "activation",
        "exit",
        "withdrawable",
        "previous_flags",
        "current_flags",
        "scores",
        "withdrawn",
    )
    assert {len(getattr(state, name)) for name in columns} == {len(state)} == {len(state.pubkeys)} == {len(state.credentials)}
    assert (state.activation <= state.exit).all()
    assert (state.exit <= state.withdrawable).all()
    assert (state.exit[state.slashed] < FAR).all()
    assert (state.effective <= state.max_effective()).all()
    assert (state.effective % ETHER == 0).all()
    assert not state.current_flags[~state.active(state.epoch)].any()
    assert state.finalized.epoch <= state.current_justified.epoch <= state.epoch
    assert state.balances.sum() + state.withdrawn.sum() <= int(32.2 * ETHER) * len(state) + int(state.effective.max()) * 8
