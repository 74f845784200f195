"""States to compute with: out of a plain one, and random ones."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
from hypothesis import strategies as st

from monitor.chain.beacon.columns import PENDING_CONSOLIDATION, PENDING_DEPOSIT, PENDING_PARTIAL_WITHDRAWAL, StateColumns
from monitor.chain.beacon.spec import FORKS, GNOSIS, MAINNET, MINIMAL, Spec
from monitor.chain.beacon.state import decode
from monitor.model import BlockStamp, Hash, Slot
from monitor.model.beacon import Checkpoint, Epoch
from tests.chain.beacon_states import SampleName, sample
from tests.protocols.ethereum import restated
from tests.protocols.ethereum.restated import FAR, Deposit, State, Validator

ETHER = 10**9
ROOT = Hash("0x" + "ab" * 32)


def sample_columns(name: SampleName) -> StateColumns:
    """A sample state, decoded."""
    found = sample(name)
    return decode(found.data, found.spec).columns()


def sample_plain(name: SampleName) -> State:
    """The same state for the plain restatement, from the JSON beside it."""
    found = sample(name)
    has = found.expected
    return State(
        found.spec,
        found.fork,
        found.slot,
        [
            Validator(
                **{key: value for key, value in v.items() if key not in ("index", "pubkey", "withdrawal_credentials")},
                balance=has["balances"][i],
                previous=has["previous_epoch_participation"][i],
                current=has["current_epoch_participation"][i],
                score=has["inactivity_scores"][i],
                pubkey=bytes.fromhex(v["pubkey"][2:]),
            )
            for i, v in enumerate(has["validators"])
        ],
        slashings=[has["slashings_nonzero"].get(str(i), 0) for i in range(found.spec.epochs_per_slashings_vector)],
        bits=list(has["justification_bits"]),
        previous_justified=has["previous_justified_checkpoint"]["epoch"],
        current_justified=has["current_justified_checkpoint"]["epoch"],
        finalized=has["finalized_checkpoint"]["epoch"],
        deposits=[Deposit(bytes.fromhex(d["pubkey"][2:]), d["amount"], d["slot"]) for d in has["pending_deposits"]],
        deposit_balance_to_consume=has["deposit_balance_to_consume"],
        exit_balance_to_consume=has["exit_balance_to_consume"],
        earliest_exit_epoch=has["earliest_exit_epoch"],
    )


def columns_of(state: State, **other: Any) -> StateColumns:
    """The columns of a plain state; ``other`` are fields that the plain one does not have, or another value of one that it has."""
    validators, slot = state.validators, state.slot

    def column(name: str, dtype: Any = np.uint64) -> Any:
        return np.array([getattr(v, name) for v in validators], dtype)

    deposits = np.zeros(len(state.deposits), PENDING_DEPOSIT)
    for at, deposit in enumerate(state.deposits):
        deposits[at]["pubkey"], deposits[at]["amount"], deposits[at]["slot"] = deposit.pubkey, deposit.amount, deposit.slot
    fields: dict[str, Any] = {
        "spec": state.spec,
        "fork": state.fork,
        "slot": slot,
        "latest_block_slot": slot,
        "block": BlockStamp(1, ROOT, ROOT, 12 * slot, Slot(slot)),
        "pubkeys": np.array([v.pubkey for v in validators], "V48"),
        "withdrawal_credentials": np.zeros(len(validators), "V32"),
        "effective_balance": column("effective_balance"),
        "slashed": column("slashed", np.bool_),
        "activation_eligibility_epoch": column("activation_eligibility_epoch"),
        "activation_epoch": column("activation_epoch"),
        "exit_epoch": column("exit_epoch"),
        "withdrawable_epoch": column("withdrawable_epoch"),
        "balances": column("balance"),
        "previous_epoch_participation": column("previous", np.uint8),
        "current_epoch_participation": column("current", np.uint8),
        "inactivity_scores": column("score"),
        "slashings": np.array(state.slashings, np.uint64),
        "block_roots": roots(state.spec.slots_per_historical_root, slot, set()),
        "justification_bits": sum(1 << at for at, bit in enumerate(state.bits) if bit),
        "previous_justified": Checkpoint(Epoch(state.previous_justified), ROOT),
        "current_justified": Checkpoint(Epoch(state.current_justified), ROOT),
        "finalized": Checkpoint(Epoch(state.finalized), ROOT),
        "deposit_balance_to_consume": state.deposit_balance_to_consume,
        "exit_balance_to_consume": state.exit_balance_to_consume,
        "earliest_exit_epoch": state.earliest_exit_epoch,
        "consolidation_balance_to_consume": 0,
        "earliest_consolidation_epoch": 0,
        "pending_deposits": deposits,
        "pending_partial_withdrawals": np.zeros(0, PENDING_PARTIAL_WITHDRAWAL),
        "pending_consolidations": np.zeros(0, PENDING_CONSOLIDATION),
        "proposer_lookahead": None if state.fork == "electra" else np.zeros(2 * state.spec.slots_per_epoch, np.uint64),
    }
    return StateColumns(**{**fields, **other})


def roots(length: int, slot: int, missed: set[int]) -> Any:
    """The ring of block roots of a state of a slot: one for each slot before it, and that of the slot before where one is missed."""
    slots = np.arange(max(0, slot - length), slot)
    newest = np.maximum.accumulate(np.where(np.isin(slots, list(missed)), 0, slots))
    found = np.zeros((length, 4), "<u8")
    found[slots % length, 0] = newest + 1
    return found.view("V32")[:, 0]


def validator(random: Random, epoch: int) -> Validator:
    """Any stage of life around an epoch, with any votes."""
    began = random.choice([FAR, epoch + 1, epoch, epoch - 1, max(0, epoch - 2), 0, 0, 0, 0])
    ended = FAR if began == FAR else random.choice([FAR, FAR, FAR, epoch + 3, epoch + 1, epoch, epoch - 1, max(0, epoch - 9)])
    increments = random.choice([32, 32, 31, 2048, random.randint(0, 2048)])
    delay = random.choice([0, 1, 20, 31, 32, 33, 64, 256, 4096, 8192])
    return Validator(
        effective_balance=increments * ETHER,
        slashed=ended != FAR and random.random() < 0.5,
        activation_eligibility_epoch=random.choice([FAR, epoch]) if began == FAR else max(0, min(began, epoch) - 1),
        activation_epoch=began,
        exit_epoch=max(began, ended),
        withdrawable_epoch=FAR if ended == FAR else max(began, ended) + delay,
        balance=max(0, random.choice([1, 1, 1, 0]) * increments * ETHER + random.choice([0, random.randint(-ETHER, 2 * ETHER)])),
        previous=random.choice([7, 7, 7, 3, 2, 1, 0, 5, 255]),
        current=random.choice([7, 7, 3, 0]),
        score=random.choice([0, 0, random.randint(0, 30), random.randint(0, 100_000)]),
        pubkey=random.randbytes(48),
    )


@st.composite
def states(draw: st.DrawFn, presets: Sequence[Spec] = (MAINNET, MINIMAL, GNOSIS), most: int = 12) -> State:
    """A state of the last slot of an epoch: any fork and preset, finalizing or not, leaking or not."""
    spec, fork, size = draw(st.sampled_from(presets)), draw(st.sampled_from(FORKS)), draw(st.integers(1, most))
    epoch = draw(st.one_of(st.integers(1, 12), st.integers(100, 500_000)))
    random = Random(draw(st.integers(0, 2**32 - 1)))  # one draw for all of the registry: a draw for each field takes most of the time
    current = random.randint(max(0, epoch - 8), max(0, epoch - 1))
    previous = random.randint(max(0, current - 3), current)
    slashings = [0] * spec.epochs_per_slashings_vector
    for _ in range(random.randint(0, 5)):
        slashings[random.randrange(len(slashings))] = random.randint(0, 4000) * ETHER
    return State(
        spec,
        fork,
        spec.last_slot(epoch),
        [validator(random, epoch) for _ in range(size)],
        slashings,
        bits=[random.random() < 0.7 for _ in range(4)],
        previous_justified=previous,
        current_justified=current,
        finalized=random.randint(max(0, previous - 6), previous),
        deposit_balance_to_consume=random.choice([0, 100 * ETHER, 7]),
        exit_balance_to_consume=random.randint(0, 128 * ETHER),
        earliest_exit_epoch=random.randint(0, epoch + 9),
    )


def lively(state: State) -> State:
    """The state after its own justification: what the rewards of the transition are computed from."""
    after = state.copy()
    restated.justify(after)
    return after
