"""What the facts of an epoch say of each owner."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.chain.beacon.columns import StateColumns
from monitor.chain.beacon.spec import MAINNET, MINIMAL
from monitor.model.beacon import STATUSES, Epoch, GroupFacts, Owners
from monitor.protocols.ethereum import Evaluated, NotEvaluable, Streaks, evaluate
from monitor.protocols.ethereum.groups import exact_sums
from monitor.protocols.ethereum.slashing import losses
from tests.protocols.ethereum import restated
from tests.protocols.ethereum.restated import State, Validator
from tests.protocols.ethereum.states import ETHER, ROOT, columns_of, lively, roots, states

LIDO = (("lido", "a"), ("lido", "b"), ("lido", "new"), ("other", "x"))
EPOCH = 1000


def owners(*of: int) -> Owners:
    return Owners(LIDO, np.array(of, np.int32))


def judged(columns: StateColumns, whose: Owners, before: Streaks | None = None) -> Evaluated:
    return evaluate(columns, ROOT, whose, before, frozenset({"lido"}))


def state_of(*validators: Validator) -> State:
    return State(MINIMAL, "fulu", MINIMAL.last_slot(EPOCH), list(validators), [0] * 64, finalized=EPOCH - 2)


def plain_facts(state: State, streaks: Streaks, members: list[int]) -> dict[str, object]:
    """The facts of some validators, each looked at by itself."""
    after = lively(state)
    restated.update_scores(after)
    deltas = [restated.flag_deltas(after, flag) for flag in range(3)] + [restated.inactivity_deltas(after)]
    ideal, who = restated.ideal(after), [state.validators[i] for i in members]
    active = [i for i in members if state.validators[i].active(state.epoch - 1) and not state.validators[i].slashed]
    told = [k for k in (1, 2, 3, 5, 10, 225) if k <= streaks.seen]
    stake = {i: state.validators[i].effective_balance for i in members}
    voted = {bit: [i for i in active if state.validators[i].previous >> bit & 1] for bit in range(3)}
    offline = {k: [i for i in members if streaks.counts[i] >= k] for k in told}
    return {
        "statuses": {s: sum(restated.status(v, state.epoch) == s for v in who) for s in STATUSES},
        "balance": sum(v.balance for v in who),
        "active": len(active),
        "active_effective": sum(stake[i] for i in active),
        "timely": {d: (len(voted[bit]), sum(stake[i] for i in voted[bit])) for bit, d in enumerate(("source", "target", "head"))},
        "offline": {k: (len(found), sum(stake[i] for i in found)) for k, found in offline.items()},
        "longest_streak": max((int(streaks.counts[i]) for i in members), default=0),
        "earned": sum(d[i] for d in deltas for i in active),
        "ideal": sum(ideal[i] for i in active),
        "slashed": sum(v.slashed and state.epoch < v.withdrawable_epoch for v in who),
    }


@settings(max_examples=60)
@given(states(presets=(MAINNET, MINIMAL)), st.integers(0, 2**32), st.sampled_from([0, 1, 4, 300]))
def test_facts_of_every_owner(state: State, seed: int, seen: int) -> None:
    random, size = Random(seed), len(state.validators)
    whose = owners(*(random.choice([-1, 0, 1, 3]) for _ in range(random.randint(0, size))))
    counts = np.array([random.choice([0, 0, min(seen, 9), min(seen, 224), seen]) for _ in range(size)], np.uint16)
    before = Streaks(Epoch(state.epoch - 2), seen, counts) if seen else None
    columns = columns_of(state)
    found = judged(columns, whose, before)
    assert found.streaks.seen == seen + 1
    members: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i in range(size):
        group = whose.group(i)
        members["ethereum", ""].append(i)
        if group:
            members[group].append(i)
            members[group[0], ""].append(i)
    assert set(found.facts.groups) == {*LIDO, ("lido", ""), ("other", ""), ("ethereum", "")}
    lost = losses(columns, restated.total_active(state))
    for key, facts in found.facts.groups.items():
        for name, wanted in plain_facts(state, found.streaks, members[key]).items():
            assert getattr(facts, name) == wanted, (key, name)
        loss = [
            sum(part[at].item() for at, i in enumerate(lost.who) if i in members[key])
            for part in (lost.initial, lost.attestation, lost.correlation)
        ]
        assert [facts.loss.initial, facts.loss.attestation, facts.loss.correlation] == loss
    assert found.facts.balances_at == {p: sum(state.validators[i].balance for i in members[p, ""]) for p in ("lido", "other")}


def test_a_streak_is_not_told_before_so_many_epochs_were_seen() -> None:
    columns = columns_of(state_of(Validator(previous=0)))
    alone = judged(columns, owners(0)).facts.groups["lido", "a"]
    assert alone.offline == {1: (1, 32 * ETHER)}
    seen = judged(columns, owners(0), Streaks(Epoch(EPOCH - 2), 4, np.array([2], np.uint16))).facts.groups["lido", "a"]
    assert seen.offline == {1: (1, 32 * ETHER), 2: (1, 32 * ETHER), 3: (1, 32 * ETHER), 5: (0, 0)}
    assert seen.longest_streak == 3


def test_amounts_are_whole_numbers_of_python() -> None:
    found = judged(columns_of(state_of(Validator(), Validator(previous=0))), owners(0)).facts
    for facts in found.groups.values():
        for name in ("balance", "active", "active_effective", "longest_streak", "proposed", "missed", "earned", "ideal", "slashed"):
            assert type(getattr(facts, name)) is int, name
        pairs = [*facts.timely.values(), *facts.offline.values(), tuple(facts.statuses.values())]
        assert {type(n) for pair in pairs for n in pair} == {int}
        assert {type(facts.loss.initial), type(facts.loss.attestation), type(facts.loss.correlation)} == {int}
    assert {type(q.gwei) for q in found.queues.values()} == {int}


def test_someone_elses_slashed_validator_counts_for_the_network_only() -> None:
    slashed = Validator(slashed=True, exit_epoch=EPOCH + 9, withdrawable_epoch=EPOCH + 60)
    facts = judged(columns_of(state_of(Validator(), slashed)), owners(0, -1)).facts
    assert (facts.groups["lido", ""].slashed, facts.groups["ethereum", ""].slashed) == (0, 1)
    assert facts.groups["lido", ""].loss.total == 0 < facts.groups["ethereum", ""].loss.total


def test_a_validator_beyond_the_known_keys_is_nobodys_yet() -> None:
    facts = judged(columns_of(state_of(Validator(), Validator())), owners(0)).facts
    assert (facts.groups["lido", ""].active, facts.groups["ethereum", ""].active) == (1, 2)


def test_foreign_keys_are_told_and_counted_nowhere_else() -> None:
    whose = replace(owners(0, -1), foreign={("lido", "a"): 1})
    facts = judged(columns_of(state_of(Validator(), Validator())), whose).facts
    assert facts.foreign == {("lido", "a"): 1}
    assert (facts.groups["lido", "a"].active, facts.groups["lido", ""].active) == (1, 1)


def test_more_owners_than_validators_does_no_harm() -> None:
    """After a reorganisation the registry may be shorter than what was looked up."""
    assert judged(columns_of(state_of(Validator())), owners(0, 1, 1)).facts.groups["lido", "b"].active == 0


def test_sums_are_exact_where_floats_are_not() -> None:
    random = Random(7)
    amounts = [random.choice([2**63, 2**62 + 1, 2**53 + 1, 1, 0]) for _ in range(500)]
    bins = [random.randrange(3) for _ in amounts]
    for signed in (False, True):
        signs = [random.choice([1, -1]) if signed else 1 for _ in amounts]
        values = [sign * (amount // 2 + 1) if signed else amount for sign, amount in zip(signs, amounts, strict=True)]
        wanted = [sum(v for v, b in zip(values, bins, strict=True) if b == at) for at in range(4)]
        assert exact_sums(np.array(bins), np.array(values, np.int64 if signed else np.uint64), 4).tolist() == wanted


@pytest.mark.parametrize("slot", [8 * EPOCH, 8 * EPOCH + 6, 7, 3])
def test_a_state_of_another_slot_is_refused(slot: int) -> None:
    state = state_of(Validator())
    state.slot = slot
    with pytest.raises(NotEvaluable):
        judged(columns_of(state), owners(0))


def test_the_first_epochs_can_be_judged() -> None:
    for epoch in (1, 2):
        state = State(MINIMAL, "fulu", MINIMAL.last_slot(epoch), [Validator()], [0] * 64)
        facts = judged(columns_of(state), owners(0)).facts
        assert (facts.epoch, facts.missed_slots, facts.leaking) == (epoch - 1, 0, False)


# ---------------------------------------------------------------- proposals


def proposals(columns: StateColumns, whose: Owners) -> dict[tuple[str, str], tuple[int | None, int | None]]:
    groups: dict[tuple[str, str], GroupFacts] = dict(judged(columns, whose).facts.groups)
    return {key: (facts.proposed, facts.missed) for key, facts in groups.items()}


def test_missed_proposals_are_those_of_the_states_own_epoch() -> None:
    state = state_of(Validator(), Validator(), Validator())
    first = EPOCH * 8
    lookahead = np.array([0, 0, 1, 1, 2, 2, 0, 1] + [2] * 8, np.uint64)
    missed = {first - 1, first, first + 3, first + 4}  # the first is of another epoch
    columns = columns_of(state, proposer_lookahead=lookahead, block_roots=roots(64, state.slot, missed))
    found = proposals(columns, owners(0, 1, -1))
    assert (found["lido", "a"], found["lido", "b"], found["lido", ""]) == ((2, 1), (2, 1), (4, 2))
    assert found["ethereum", ""] == (5, 3)
    assert judged(columns, owners()).facts.missed_slots == 3


def test_the_states_own_slot_is_missed_when_the_newest_block_is_older() -> None:
    state = state_of(Validator())
    columns = columns_of(state, latest_block_slot=state.slot - 1)
    assert judged(columns, owners(0)).facts.missed_slots == 1
    assert proposals(columns, owners(0))["lido", "a"] == (7, 1)


def test_a_whole_epoch_without_blocks() -> None:
    state = state_of(Validator())
    missed = set(range(EPOCH * 8 - 3, state.slot))
    columns = columns_of(state, latest_block_slot=EPOCH * 8 - 4, block_roots=roots(64, state.slot, missed))
    assert judged(columns, owners(0)).facts.missed_slots == 8


def test_before_fulu_nobody_knows_who_was_to_propose() -> None:
    state = state_of(Validator())
    state.fork = "electra"
    assert proposals(columns_of(state), owners(0))["lido", "a"] == (None, None)


# ---------------------------------------------------------------- registry


def test_the_registry_is_aligned_with_the_state() -> None:
    columns, whose = columns_of(state_of(Validator(), Validator(slashed=True))), owners(0)
    registry = judged(columns, whose).registry
    assert registry.slashed.tolist() == [False, True]
    assert (registry.slot, registry.owners, registry.complete) == (columns.slot, whose, {"lido"})
    assert registry.effective_balance is columns.effective_balance


def test_a_leak_is_told_and_leaves_no_ideal() -> None:
    state = replace(
        state_of(Validator(previous=0), Validator()), finalized=EPOCH - 8, current_justified=EPOCH - 6, previous_justified=EPOCH - 7
    )
    facts = judged(columns_of(state), owners(0, 0)).facts
    assert facts.leaking
    assert facts.groups["lido", ""].ideal == 0 > facts.groups["lido", ""].earned
