"""Each vectorised formula against the plain restatement, on random states of all forks and presets."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.chain.beacon.spec import FORKS, PRESETS, Fork
from monitor.model.beacon import STATUSES
from monitor.protocols.ethereum.churn import Churn, turn
from monitor.protocols.ethereum.finality import finality_after
from monitor.protocols.ethereum.participation import HEAD, SOURCE, TARGET, Roll
from monitor.protocols.ethereum.rewards import attestation_deltas
from monitor.protocols.ethereum.statuses import statuses
from tests.protocols.ethereum import restated
from tests.protocols.ethereum.restated import State, Validator
from tests.protocols.ethereum.states import ETHER, columns_of, lively, states


@settings(max_examples=60)
@given(states())
def test_statuses(state: State) -> None:
    assert [STATUSES[code] for code in statuses(columns_of(state))] == [restated.status(v, state.epoch) for v in state.validators]


@settings(max_examples=60)
@given(states())
def test_justification_finality_and_leak(state: State) -> None:
    columns, after = columns_of(state), lively(state)
    found = finality_after(columns, Roll.of(columns))
    assert (found.previous_justified, found.current_justified, found.finalized) == (
        after.previous_justified,
        after.current_justified,
        after.finalized,
    )
    assert found.bits == sum(1 << at for at, bit in enumerate(after.bits) if bit)
    assert found.leaking == restated.leaking(after)


@settings(max_examples=150)
@given(states())
def test_attestation_deltas(state: State) -> None:
    columns, after = columns_of(state), lively(state)
    roll = Roll.of(columns)
    deltas = attestation_deltas(columns, roll, finality_after(columns, roll).leaking)
    restated.update_scores(after)
    assert deltas.scores.tolist() == [v.score for v in after.validators]
    assert deltas.source.tolist() == restated.flag_deltas(after, restated.SOURCE)
    assert deltas.target.tolist() == restated.flag_deltas(after, restated.TARGET)
    assert deltas.head.tolist() == restated.flag_deltas(after, restated.HEAD)
    assert deltas.inactivity.tolist() == restated.inactivity_deltas(after)
    assert deltas.ideal.tolist() == restated.ideal(after)


@settings(max_examples=60)
@given(states())
def test_the_roll(state: State) -> None:
    columns, epoch = columns_of(state), state.epoch
    roll = Roll.of(columns)
    assert roll.total_active == restated.total_active(state)
    for bit, flag in ((restated.SOURCE, SOURCE), (restated.TARGET, TARGET), (restated.HEAD, HEAD)):
        members = restated.unslashed_participating(state, bit, epoch - 1)
        assert roll.timely(flag).tolist() == [any(v is member for member in members) for v in state.validators]
    assert roll.silent.tolist() == [v.active(epoch - 1) and not v.slashed and v.previous & 7 == 0 for v in state.validators]


@given(st.sampled_from(sorted(PRESETS)), st.sampled_from(FORKS), st.integers(1, 130_000_000))
def test_churn(preset: str, fork: Fork, ether: int) -> None:
    found = Churn.of(PRESETS[preset], fork, ether * ETHER + 7)
    assert (found.activation, found.exit, found.consolidation) == restated.churn(PRESETS[preset], fork, ether * ETHER + 7)


def test_churn_of_mainnet_at_34_million_ether() -> None:
    spec, total = PRESETS["mainnet"], 34_000_000 * ETHER
    assert Churn.of(spec, "fulu", total) == Churn(256 * ETHER, 256 * ETHER, 262 * ETHER)
    assert Churn.of(spec, "gloas", total) == Churn(256 * ETHER, 1037 * ETHER, 518 * ETHER)


@given(
    st.sampled_from(sorted(PRESETS)), st.integers(0, 1000), st.integers(0, 1100), st.integers(0, 300), st.integers(1, 300), st.integers(0, 9000)
)  # fmt: skip
def test_the_turn_of_an_exit(preset: str, epoch: int, earliest: int, left: int, churn: int, gwei: int) -> None:
    found = turn(PRESETS[preset], epoch, earliest, left, churn, gwei)
    assert found is not None
    assert (found.epoch, found.left) == restated.exit_turn(PRESETS[preset], epoch, earliest, left, churn, gwei)


@pytest.mark.parametrize(("voted", "justified"), [(2, True), (1, False)])
def test_exactly_two_thirds_justify(voted: int, justified: bool) -> None:
    registry = [Validator(previous=7 if at < voted else 0, current=7 if at < voted else 0) for at in range(3)]
    state = State(PRESETS["mainnet"], "fulu", 32 * 100 + 31, registry, [0], bits=[False] * 4, current_justified=90, previous_justified=80)
    columns = columns_of(state)
    found = finality_after(columns, Roll.of(columns))
    assert (found.current_justified, found.bits) == ((100, 0b11) if justified else (90, 0))
    registry[0].current = registry[1].current = 0
    columns = columns_of(state)
    assert finality_after(columns, Roll.of(columns)).current_justified == (99 if justified else 90)
