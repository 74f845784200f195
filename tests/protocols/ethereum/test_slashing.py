"""What slashed validators lose: the published table, the plain restatement, and the ring of the slashings vector."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.chain.beacon.spec import MAINNET, MINIMAL
from monitor.protocols.ethereum import expected_losses
from monitor.protocols.ethereum.participation import Roll
from monitor.protocols.ethereum.slashing import initial_penalty, losses, slashed_in_window
from tests.protocols.ethereum import restated
from tests.protocols.ethereum.restated import FAR, State, Validator
from tests.protocols.ethereum.states import ETHER, columns_of, states

TOTAL = 34_000_000 * ETHER


def together(count: int, ether: int = 32) -> np.ndarray:
    return np.full(count, ether * ETHER, np.uint64)


@pytest.mark.parametrize(
    ("count", "initial", "attestation", "correlation", "total"),
    [
        (1, 7_812_500, 56_852_480, 90_336, 64_755_316),
        (100, 7_812_500, 56_852_480, 9_035_264, 73_700_244),
        (10_000, 7_812_500, 55_963_865, 903_529_408, 967_305_773),
        (50_000, 7_812_500, 52_409_405, 4_517_647_040, 4_577_868_945),
        (100_000, 7_812_500, 47_966_330, 9_035_294_112, 9_091_072_942),
        (354_167, 7_812_500, 28_433_180, 32 * ETHER - 7_812_500 - 28_433_180, 32 * ETHER),
    ],
)
def test_validators_slashed_together(count: int, initial: int, attestation: int, correlation: int, total: int) -> None:
    """At 34 million ether active, each of so many with 32 ether: figures of an exact simulation by the executable specification."""
    lost = expected_losses(MAINNET, together(count), TOTAL)
    assert (lost.initial[0], lost.attestation[0], lost.correlation[0], lost.total[0]) == (initial, attestation, correlation, total)
    assert len(set(lost.total.tolist())) == 1


def test_one_large_validator() -> None:
    lost = expected_losses(MAINNET, together(1, 2048), TOTAL)
    assert (lost.initial[0], lost.attestation[0], lost.correlation[0]) == (500_000_000, 3_633_711_157, 369_541_725)


def test_a_long_exit_queue_adds_epochs_of_penalties() -> None:
    lost = expected_losses(MAINNET, together(100), TOTAL, epochs=10_056)
    assert lost.total[0] == 86_636_404
    with pytest.raises(ValueError, match="8192"):
        expected_losses(MAINNET, together(1), TOTAL, epochs=8191)


def test_what_is_in_the_window_already_counts() -> None:
    alone, later = (
        expected_losses(MAINNET, together(1), TOTAL),
        expected_losses(MAINNET, together(1), TOTAL, slashed_before=99 * 32 * ETHER),
    )
    assert later.correlation[0] == expected_losses(MAINNET, together(100), TOTAL).correlation[0] > alone.correlation[0]


def test_nobody_loses_more_than_it_has() -> None:
    lost = expected_losses(MAINNET, together(3), TOTAL, balances=np.array([0, 5_000_000, 40_000_000], np.uint64))
    # The last one's effective balance falls to nothing after the first epoch, and with it all further penalties.
    assert lost.total.tolist() == [0, 5_000_000, 7_812_500 + 6940]
    assert expected_losses(MAINNET, together(0), TOTAL).total.tolist() == []


@settings(max_examples=40)
@given(
    st.integers(0, 2048), st.integers(-300_000_000, 250_000_000), st.integers(0, 100_000), st.integers(1_000, 60_000_000),
    st.sampled_from([64, 65, 100, 700]),
)  # fmt: skip
def test_a_forecast_is_every_epoch_one_after_the_other(ether: int, more: int, slashed: int, active: int, epochs: int) -> None:
    """Minimal preset, whose vector is short; balances within what keeps an effective balance from rising."""
    balance = max(0, ether * ETHER + more)
    spec, total = MINIMAL, active * ETHER
    lost = expected_losses(
        spec, np.array([ether * ETHER], np.uint64), total, slashed_before=slashed * ETHER, balances=np.array([balance], np.uint64), epochs=epochs
    )  # fmt: skip
    initial = min(balance, ether * ETHER // 4096)
    alike = Validator(effective_balance=ether * ETHER, balance=balance - initial)
    attestation, correlation = restated.doom(spec, total, alike, epochs, (slashed + ether) * ETHER)
    assert (lost.initial[0], lost.attestation[0], lost.correlation[0]) == (initial, attestation, correlation)


@settings(max_examples=60)
@given(states(presets=(MINIMAL,)))
def test_losses_of_a_state(state: State) -> None:
    spec, epoch, total = state.spec, state.epoch, restated.total_active(state)
    length, wanted = spec.epochs_per_slashings_vector, {}
    for i, v in enumerate(state.validators):
        midpoint = v.withdrawable_epoch - length // 2
        if not v.slashed or midpoint < epoch:
            continue
        window = range(max(epoch, midpoint) - length + 1, epoch + 1)
        slashed = sum(state.slashings[e % length] for e in window if e > epoch - length)
        left = v.withdrawable_epoch - epoch
        attestation, correlation = restated.doom(spec, total, v, left, slashed)
        base = v.effective_balance // ETHER * (ETHER * spec.base_reward_factor // restated.isqrt(total))
        paid = max(0, length - left) * (base * 14 // 64 + base * 26 // 64)
        wanted[i] = (v.effective_balance // 4096, paid + attestation, correlation)
    lost = losses(columns_of(state), total)
    found = zip(lost.initial.tolist(), lost.attestation.tolist(), lost.correlation.tolist(), strict=True)
    assert dict(zip(lost.who.tolist(), found, strict=True)) == wanted


def test_entries_leave_the_window_as_the_ring_turns() -> None:
    epoch, length = 1000, MINIMAL.epochs_per_slashings_vector
    slashings = [0] * length
    slashings[epoch % length] = 1 * ETHER  # slashed now
    slashings[(epoch - 10) % length] = 20 * ETHER
    slashings[(epoch + 1) % length] = 300 * ETHER  # the oldest: of 63 epochs ago
    state = State(MINIMAL, "fulu", MINIMAL.last_slot(epoch), [Validator()], slashings)
    midpoints = np.array([epoch, epoch + 1, epoch + 53, epoch + 54, epoch + 63, epoch + 64, epoch + 900], np.uint64)
    assert (slashed_in_window(columns_of(state), midpoints) // np.uint64(ETHER)).tolist() == [321, 21, 21, 1, 1, 0, 0]


def test_those_past_their_midpoint_have_no_loss_left_to_tell() -> None:
    epoch, half = 1000, MINIMAL.epochs_per_slashings_vector // 2
    due = Validator(slashed=True, exit_epoch=990, withdrawable_epoch=epoch + half)
    past = Validator(slashed=True, exit_epoch=990, withdrawable_epoch=epoch + half - 1)
    leaving = Validator(exit_epoch=990, withdrawable_epoch=FAR)
    columns = columns_of(State(MINIMAL, "fulu", MINIMAL.last_slot(epoch), [past, due, leaving], [0] * 64))
    assert losses(columns, Roll.of(columns).total_active).who.tolist() == [1]


def test_the_initial_penalty() -> None:
    assert initial_penalty(MAINNET, np.array([32 * ETHER, 2048 * ETHER], np.uint64)).tolist() == [7_812_500, 500_000_000]


def test_what_one_pays_first_does_not_move_anothers_effective_balance() -> None:
    """Both have lost more than a quarter of an ether lately; one is at its midpoint now, before its effective balance follows."""
    epoch, half = 1000, MINIMAL.epochs_per_slashings_vector // 2
    low = {"slashed": True, "exit_epoch": 990, "balance": 31 * ETHER}
    now, later = Validator(**low, withdrawable_epoch=epoch + half), Validator(**low, withdrawable_epoch=epoch + half + 9)
    slashings = [10**6 * ETHER, *[0] * 63]
    alone = columns_of(State(MINIMAL, "fulu", MINIMAL.last_slot(epoch), [now], slashings))
    both = columns_of(State(MINIMAL, "fulu", MINIMAL.last_slot(epoch), [now, later], slashings))
    assert losses(both, TOTAL).correlation[0] == losses(alone, TOTAL).correlation[0] > 0
