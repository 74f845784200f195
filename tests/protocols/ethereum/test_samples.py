"""The formulas against what the executable specification says of the sample states, fork by fork."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.model.beacon import STATUSES, Owners
from monitor.protocols.ethereum import evaluate
from monitor.protocols.ethereum.churn import Churn, turn
from monitor.protocols.ethereum.finality import finality_after
from monitor.protocols.ethereum.participation import HEAD, SOURCE, TARGET, Roll, effective_sum
from monitor.protocols.ethereum.rewards import attestation_deltas, base_reward_per_increment
from monitor.protocols.ethereum.slashing import correlation_penalty, losses, slashed_in_window
from monitor.protocols.ethereum.statuses import statuses
from tests.chain.beacon_states import SAMPLES, SampleName, sample
from tests.protocols.ethereum import restated
from tests.protocols.ethereum.states import ROOT, columns_of, sample_columns, sample_plain

every_sample = pytest.mark.parametrize("name", SAMPLES)


@every_sample
def test_who_stands_where(name: SampleName) -> None:
    columns, derived = sample_columns(name), sample(name).expected["derived_at_slot"]
    roll = Roll.of(columns)
    assert [STATUSES[code] for code in statuses(columns)] == derived["statuses"]
    assert np.flatnonzero(roll.active).tolist() == derived["active_previous_epoch"]
    assert np.flatnonzero(roll.eligible).tolist() == derived["eligible"]
    assert roll.total_active == derived["total_active_balance"]
    assert roll.target_now == derived["current_epoch_target_balance"]
    for flag, duty in ((SOURCE, "source"), (TARGET, "target"), (HEAD, "head")):
        assert effective_sum(columns, roll.timely(flag)) == derived[f"previous_epoch_{duty}_balance"]


@every_sample
def test_deltas_and_ideal_rewards(name: SampleName) -> None:
    columns, expected = sample_columns(name), sample(name).expected
    roll = Roll.of(columns)
    finality = finality_after(columns, roll)
    deltas, wanted = attestation_deltas(columns, roll, finality.leaking), expected["attestation_deltas_epoch_E_minus_1"]
    assert base_reward_per_increment(columns.spec, roll.total_active) == expected["derived_at_slot"]["base_reward_per_increment"]
    for part in ("source", "target", "head", "inactivity", "ideal"):
        assert getattr(deltas, part).tolist() == wanted[part], part
    assert deltas.earned.tolist() == wanted["total"]


@every_sample
def test_what_the_transition_leaves(name: SampleName) -> None:
    columns, after = sample_columns(name), sample(name).expected["after_process_epoch"]
    roll = Roll.of(columns)
    finality = finality_after(columns, roll)
    deltas = attestation_deltas(columns, roll, finality.leaking)
    assert finality.leaking == sample(name).expected["derived_at_slot"]["is_in_inactivity_leak"]
    assert finality.finalized == after["finalized_checkpoint_epoch"]
    assert finality.current_justified == after["current_justified_epoch"]
    assert finality.previous_justified == after["previous_justified_epoch"]
    assert deltas.scores.tolist() == after["inactivity_scores"]
    moved = _credited_or_consolidated(name)
    balances = columns.balances.astype(np.int64) + deltas.earned
    for index, penalty in after["correlation_penalties"].items():
        balances[int(index)] -= penalty
    untouched = [i for i in range(len(columns)) if i not in moved]
    assert len(untouched) == 57
    assert [balances[i] for i in untouched] == [after["balances"][i] for i in untouched]


def _credited_or_consolidated(name: SampleName) -> set[int]:
    expected = sample(name).expected
    keys = {v["pubkey"]: v["index"] for v in expected["validators"]}
    deposits = {keys[d["pubkey"]] for d in expected["pending_deposits"] if d["pubkey"] in keys}
    return deposits | {index for c in expected["pending_consolidations"] for index in c.values()}


@every_sample
def test_correlation_penalties_of_those_at_their_midpoint(name: SampleName) -> None:
    columns = sample_columns(name)
    total = Roll.of(columns).total_active
    wanted = {int(index): penalty for index, penalty in sample(name).expected["after_process_epoch"]["correlation_penalties"].items()}
    half = columns.spec.epochs_per_slashings_vector // 2
    due = np.flatnonzero(columns.slashed & (columns.withdrawable_epoch == columns.epoch + half))
    window = slashed_in_window(columns, columns.withdrawable_epoch[due] - np.uint64(half))
    penalties = correlation_penalty(columns.spec, columns.effective_balance[due], window, total)
    assert dict(zip(due.tolist(), penalties.tolist(), strict=True)) == wanted
    lost = losses(columns, total)
    forecast = dict(zip(lost.who.tolist(), lost.correlation.tolist(), strict=True))
    assert {index: forecast[index] for index in wanted} == wanted
    assert bool(wanted) == (name != "fulu-minimal")


@every_sample
def test_churn_and_exit_queue(name: SampleName) -> None:
    columns, expected = sample_columns(name), sample(name).expected
    derived = expected["derived_at_slot"]
    churn = Churn.of(columns.spec, columns.fork, derived["total_active_balance"])
    assert churn.consolidation == derived["consolidation_churn_limit"]
    assert churn.activation == derived.get("activation_churn_limit", derived.get("activation_exit_churn_limit"))
    assert churn.exit == derived.get("exit_churn_limit", derived.get("activation_exit_churn_limit"))
    assert expected["exit_queue_vectors"]
    for vector in expected["exit_queue_vectors"]:
        args = (columns.epoch, columns.earliest_exit_epoch, columns.exit_balance_to_consume, churn.exit, vector["exit_balance"])
        found = turn(columns.spec, *args)
        assert found is not None
        assert (found.epoch, found.left) == (vector["exit_epoch"], vector["exit_balance_to_consume_after"])


@every_sample
def test_facts_of_a_sample(name: SampleName) -> None:
    columns, expected = sample_columns(name), sample(name).expected
    facts = evaluate(columns, ROOT, Owners(), None, frozenset()).facts
    network = facts.groups["ethereum", ""]
    statuses_of = expected["derived_at_slot"]["statuses"]
    assert (facts.epoch, facts.slot, facts.root, facts.fork) == (expected["epoch"] - 1, expected["slot"], ROOT, expected["fork"])
    assert set(facts.groups) == {("ethereum", "")}
    assert network.statuses == {status: statuses_of.count(status) for status in STATUSES}
    assert network.balance == sum(expected["balances"])
    assert facts.slashings == expected["slashings_sum"]
    assert facts.total_active == expected["derived_at_slot"]["total_active_balance"]
    assert (facts.justified, facts.finalized) == (
        expected["current_justified_checkpoint"]["epoch"],
        expected["finalized_checkpoint"]["epoch"],
    )
    assert network.timely["target"][1] == expected["derived_at_slot"]["previous_epoch_target_balance"]
    assert facts.queues["entry"].gwei == sum(d["amount"] for d in expected["pending_deposits"])
    assert facts.queues["partial_withdrawal"].gwei == sum(p["amount"] for p in expected["pending_partial_withdrawals"])
    assert (network.proposed is None) == (name == "electra")


@every_sample
def test_the_plain_restatement_is_the_specification(name: SampleName) -> None:
    """What the random tests compare with is itself held to the executable specification."""
    state, expected = sample_plain(name), sample(name).expected
    columns, decoded = columns_of(state), sample_columns(name)
    for field in (
        "pubkeys",
        "effective_balance",
        "balances",
        "exit_epoch",
        "slashings",
        "previous_epoch_participation",
        "pending_deposits",
    ):
        ours, theirs = getattr(columns, field), getattr(decoded, field)
        assert len(ours) == len(theirs)
        if field != "pending_deposits":
            assert ours.tolist() == theirs.tolist(), field
    assert [restated.status(v, state.epoch) for v in state.validators] == expected["derived_at_slot"]["statuses"]
    assert restated.ideal(state) == expected["attestation_deltas_epoch_E_minus_1"]["ideal"]
    for vector in expected["exit_queue_vectors"]:
        _, exits, _ = restated.churn(state.spec, state.fork, restated.total_active(state))
        args = (state.epoch, state.earliest_exit_epoch, state.exit_balance_to_consume, exits, vector["exit_balance"])
        assert restated.exit_turn(state.spec, *args) == (vector["exit_epoch"], vector["exit_balance_to_consume_after"])
    after = expected["after_process_epoch"]
    penalties = restated.end_epoch(state)
    moved = _credited_or_consolidated(name)
    assert penalties == {int(index): penalty for index, penalty in after["correlation_penalties"].items()}
    assert [v.balance for i, v in enumerate(state.validators) if i not in moved] == [
        b for i, b in enumerate(after["balances"]) if i not in moved
    ]
    activation, _, _ = restated.churn(state.spec, state.fork, restated.total_active(state))
    restated.process_deposits(state, state.finalized, activation)
    assert [(d.pubkey.hex(), d.amount, d.slot) for d in state.deposits] == [
        (d["pubkey"][2:], d["amount"], d["slot"]) for d in after["pending_deposits"]
    ]
    assert state.deposit_balance_to_consume == after["deposit_balance_to_consume"]
