"""The simulator's epoch transition against the executable specification's results, and laws that hold for any state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from monitor.devnet.beacon import transition
from monitor.devnet.beacon.state import FAR, State
from tests.devnet.beacon.samples import NAMES, expected, state_of

_ATTRIBUTE = {"activation_epoch": "activation", "exit_epoch": "exit", "withdrawable_epoch": "withdrawable",
              "activation_eligibility_epoch": "eligibility", "effective_balance": "effective"}  # fmt: skip


@pytest.fixture(params=NAMES)
def sample(request: pytest.FixtureRequest) -> dict[str, Any]:
    return expected(request.param)


def test_an_epoch_ends_as_the_specification_says(sample: dict[str, Any]) -> None:
    state, after = state_of(sample), sample["after_process_epoch"]
    before = state.copy()
    transition.process_epoch(state, lambda epoch: epoch.to_bytes(32, "little"))

    assert state.balances.tolist() == after["balances"]
    assert state.effective.tolist() == after["effective_balances"]
    assert state.scores.tolist() == after["inactivity_scores"]
    assert state.previous_flags[: len(before)].tolist() == before.current_flags.tolist()
    assert state.finalized.epoch == after["finalized_checkpoint_epoch"]
    assert state.current_justified.epoch == after["current_justified_epoch"]
    assert state.previous_justified.epoch == after["previous_justified_epoch"]
    assert int(state.slashings.sum()) == after["slashings_sum"]
    assert state.deposit_to_consume == after["deposit_balance_to_consume"]
    assert (state.exit_to_consume, state.earliest_exit) == (after["exit_balance_to_consume"], after["earliest_exit_epoch"])
    told = [{"pubkey": "0x" + bytes(d["pubkey"]).hex(), "amount": int(d["amount"]), "slot": int(d["slot"])} for d in state.deposits]
    assert told == [{name: row[name] for name in ("pubkey", "amount", "slot")} for row in after["pending_deposits"]]
    assert state.consolidations.tolist() == [tuple(row.values()) for row in after["pending_consolidations"]]
    assert _changed(before, state) == after["changed_validators"]


def _changed(before: State, after: State) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for name, attribute in _ATTRIBUTE.items():
        old, new = getattr(before, attribute), getattr(after, attribute)[: len(before)]
        for index in np.flatnonzero(old != new):
            value = int(new[index])
            found.setdefault(str(index), {})[name] = 2**64 - 1 if value == FAR else value
    return found


def test_exits_queue_as_the_specification_says(sample: dict[str, Any]) -> None:
    for vector in sample["exit_queue_vectors"]:
        state = state_of(sample)
        assert transition.exit_epoch(state, vector["exit_balance"]) == vector["exit_epoch"]
        assert state.exit_to_consume == vector["exit_balance_to_consume_after"]
