"""Waits of the four queues, against plain simulations of the chain's own rules."""

from __future__ import annotations

import time
from random import Random

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.chain.beacon.columns import PENDING_CONSOLIDATION, PENDING_PARTIAL_WITHDRAWAL
from monitor.chain.beacon.spec import MAINNET, MINIMAL, Spec
from monitor.protocols.ethereum.churn import Churn
from monitor.protocols.ethereum.entry import entry_epoch
from monitor.protocols.ethereum.queues import queues
from tests.chain.beacon_states import sample
from tests.protocols.ethereum import restated
from tests.protocols.ethereum.restated import FAR, Deposit, State, Validator
from tests.protocols.ethereum.states import ETHER, columns_of, sample_columns

EPOCH = 1000
ACTIVE = 34_000_000 * ETHER
SLOT = MAINNET.last_slot(EPOCH)


def quiet(*validators: Validator, spec: Spec = MAINNET, **fields: object) -> State:
    return State(spec, "fulu", spec.last_slot(EPOCH), list(validators) or [Validator()], [0] * spec.epochs_per_slashings_vector, **fields)  # type: ignore[arg-type]


# ---------------------------------------------------------------- entry


def simulated_entry(state: State, churn: int, finalized: int, gwei: int) -> int:
    """The epoch at whose end a deposit behind all others is credited, one transition after the other."""
    state = state.copy()
    state.deposits.append(Deposit(b"\xff" * 48, gwei, state.slot, ours=True))
    while True:
        if any(d.ours for d in restated.process_deposits(state, finalized, churn)):
            return state.epoch
        state.slot += state.spec.slots_per_epoch
        finalized = max(finalized, state.epoch - 1)


@settings(max_examples=100)
@given(st.integers(0, 60), st.integers(0, 2**32), st.sampled_from([128, 256]), st.integers(0, 4), st.sampled_from([1, 32, 2048]))
@example(33, 5, 128, 0, 32)
def test_an_entry_waits_as_the_rules_say(count: int, seed: int, churn: int, behind: int, ether: int) -> None:
    random = Random(seed)
    validators = [
        Validator(pubkey=random.randbytes(48), exit_epoch=exits, withdrawable_epoch=exits + 3 if exits != FAR else FAR)
        for exits in [FAR, FAR, EPOCH - 9, EPOCH - 2, EPOCH + 4, EPOCH + 40]
    ]
    start = SLOT - random.choice([40, 400, 4000])
    deposits = [
        Deposit(
            random.choice([random.randbytes(48), random.choice(validators).pubkey]),
            random.choice([1, 1, 32, 33, 129, 2048]) * ETHER,
            random.choice([0, start + (SLOT - start) * at // count]),
        )
        for at in range(count)
    ]
    state = quiet(*validators, deposits=deposits, deposit_balance_to_consume=random.choice([0, 5 * ETHER, 900 * ETHER]))
    finalized = EPOCH - 1 - behind
    found = entry_epoch(columns_of(state), churn * ETHER, finalized, ether * ETHER)
    assert found == simulated_entry(state, churn * ETHER, finalized, ether * ETHER)


def test_an_empty_entry_queue_takes_ten_epochs() -> None:
    """Asked for in epoch k, credited at the end of k + 2, active from k + 10."""
    assert entry_epoch(columns_of(quiet()), 256 * ETHER, EPOCH - 1, 32 * ETHER) == EPOCH + 2
    facts = queues(columns_of(quiet()), ACTIVE, EPOCH - 1)["entry"]
    assert (facts.gwei, facts.entries, facts.wait_seconds) == (0, 0, ((EPOCH + 10) * 32 - SLOT) * 12)


def test_a_million_ether_waits_seventeen_days() -> None:
    deposits = [Deposit(n.to_bytes(48, "big"), 32 * ETHER, 0) for n in range(1, 31_251)]
    columns = columns_of(quiet(deposits=deposits))
    started = time.process_time()
    facts = queues(columns, ACTIVE, EPOCH - 1)["entry"]
    assert time.process_time() - started < 1
    assert (facts.gwei, facts.entries) == (1_000_000 * ETHER, 31_250)
    assert facts.wait_seconds is not None
    assert 17.3 < facts.wait_seconds / 86_400 < 17.5


def test_tiny_deposits_fill_an_epoch_by_their_number() -> None:
    columns = columns_of(quiet(deposits=[Deposit(n.to_bytes(48, "big"), 1, 0) for n in range(1, 16 * 100 + 1)]))
    assert entry_epoch(columns, 256 * ETHER, EPOCH - 1, 1) == EPOCH + 100


def test_an_absurd_deposit_or_slot_ends_the_simulation_all_the_same() -> None:
    columns = columns_of(quiet(deposits=[Deposit(b"a" * 48, 2**63, 0), Deposit(b"b" * 48, 1, 2**62)]))
    found = entry_epoch(columns, 256 * ETHER, EPOCH - 1, 32 * ETHER)
    assert found is not None and found > 2**57
    assert entry_epoch(columns, 0, EPOCH - 1, 32 * ETHER) is None


def test_the_sample_deposits_are_credited_as_the_specification_does() -> None:
    """The fourth deposit stays for want of finality, and ours behind it."""
    columns = sample_columns("fulu")
    found = entry_epoch(columns, 128 * ETHER, sample("fulu").expected["after_process_epoch"]["finalized_checkpoint_epoch"], 32 * ETHER)
    assert found == columns.epoch + 2


# ---------------------------------------------------------------- exit, partial withdrawal, consolidation


def test_exits_that_wait_are_counted_without_those_who_move() -> None:
    out = {"exit_epoch": EPOCH + 30, "withdrawable_epoch": EPOCH + 286}
    stay, gone = Validator(), Validator(exit_epoch=EPOCH, withdrawable_epoch=EPOCH + 256)
    moving = np.array([(2, 0)], PENDING_CONSOLIDATION)
    state = quiet(stay, Validator(**out), Validator(**out, effective_balance=2048 * ETHER), gone)
    exits = queues(columns_of(state, pending_consolidations=moving), ACTIVE, EPOCH - 1)["exit"]
    assert (exits.gwei, exits.entries) == (32 * ETHER, 1)


def test_an_empty_exit_queue_is_through_after_the_look_ahead() -> None:
    exits = queues(columns_of(quiet()), ACTIVE, EPOCH - 1)["exit"]
    assert exits.wait_seconds == ((EPOCH + 5) * 32 - SLOT) * 12


@settings(max_examples=40)
@given(st.integers(0, 300), st.integers(0, 256))
def test_an_exit_waits_behind_those_before_it(ahead: int, left: int) -> None:
    state = quiet(earliest_exit_epoch=EPOCH + ahead, exit_balance_to_consume=left * ETHER)
    churn = restated.churn(MAINNET, "fulu", ACTIVE)[1]
    epoch, _ = restated.exit_turn(MAINNET, EPOCH, EPOCH + ahead, left * ETHER, churn, 32 * ETHER)
    assert queues(columns_of(state), ACTIVE, EPOCH - 1)["exit"].wait_seconds == (epoch * 32 - SLOT) * 12


@settings(max_examples=60)
@given(st.lists(st.sampled_from([0, 0, 0, 0, 1, 2, 40, 256]), max_size=120), st.integers(0, 12), st.sampled_from([MAINNET, MINIMAL]))
def test_a_partial_withdrawal_waits_for_its_epoch_and_its_place(steps: list[int], ahead: int, spec: Spec) -> None:
    """A block takes from the front what is due, so many at once."""
    dues = (EPOCH - 300 + np.cumsum(steps)).tolist()
    pending = np.array([(0, 10**9 + at, due) for at, due in enumerate(dues)], PENDING_PARTIAL_WITHDRAWAL)
    state = quiet(spec=spec, earliest_exit_epoch=EPOCH + ahead, exit_balance_to_consume=ETHER)
    columns = columns_of(state, pending_partial_withdrawals=pending)
    found = queues(columns, ACTIVE, EPOCH - 1)["partial_withdrawal"]
    churn = restated.churn(spec, "fulu", ACTIVE)[1]
    due, _ = restated.exit_turn(spec, EPOCH, EPOCH + ahead, ETHER, churn, ETHER)
    line, slot = [*dues, due + spec.min_validator_withdrawability_delay], columns.slot
    while line:
        slot += 1
        if slot // spec.slots_per_epoch < line[0] and len(line) == 1:
            slot = line[0] * spec.slots_per_epoch
        taken = 0
        while line and taken < spec.max_pending_partials_per_withdrawals_sweep and line[0] <= slot // spec.slots_per_epoch:
            line, taken = line[1:], taken + 1
    assert (found.gwei, found.entries) == (sum(p["amount"].item() for p in pending), len(dues))
    assert found.wait_seconds == (slot - columns.slot) * spec.slot_duration_ms // 1000


def test_a_consolidation_waits_by_its_own_churn() -> None:
    sources = np.array([(0, 1)], PENDING_CONSOLIDATION)
    state = quiet(Validator(balance=31 * ETHER), Validator())
    columns = columns_of(
        state, pending_consolidations=sources, earliest_consolidation_epoch=EPOCH + 20, consolidation_balance_to_consume=31 * ETHER
    )
    found = queues(columns, ACTIVE, EPOCH - 1)["consolidation"]
    assert (found.gwei, found.entries) == (31 * ETHER, 1)
    assert found.wait_seconds == ((EPOCH + 21 + 256) * 32 - SLOT) * 12


def test_a_small_chain_takes_no_consolidations() -> None:
    assert Churn.of(MAINNET, "fulu", 16_000_000 * ETHER).consolidation == 0
    assert queues(columns_of(quiet()), 16_000_000 * ETHER, EPOCH - 1)["consolidation"].wait_seconds is None
