"""The sample states' expected values as states of the simulator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from monitor.chain.beacon.columns import PENDING_CONSOLIDATION, PENDING_DEPOSIT, PENDING_PARTIAL_WITHDRAWAL
from monitor.chain.beacon.spec import MAINNET, MINIMAL
from monitor.devnet.beacon.state import FAR, ZERO, Header, Payload, Point, State

DATA = Path(__file__).parents[2] / "data" / "beacon"
NAMES = ("electra", "fulu", "fulu-minimal")


def expected(name: str) -> dict[str, Any]:
    """The JSON beside a sample."""
    return dict(json.loads((DATA / f"beacon-state-{name}-sample.json").read_text()))


def _raw(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def _epochs(values: list[int]) -> Any:
    return np.array([min(value, FAR) for value in values], np.int64)


def _point(given: dict[str, Any]) -> Point:
    return Point(given["epoch"], _raw(given["root"]))


def _queue(rows: list[dict[str, Any]], dtype: np.dtype[Any]) -> Any:
    made = np.zeros(len(rows), dtype)
    for at, row in enumerate(rows):
        for name in dtype.names or ():
            value = row[name]
            made[at][name] = np.void(_raw(value)) if isinstance(value, str) else value
    return made


def state_of(sample: dict[str, Any]) -> State:
    """The sample's state."""
    spec = MINIMAL if sample["preset"] == "minimal" else MAINNET
    validators = sample["validators"]
    slashings = np.zeros(spec.epochs_per_slashings_vector, np.int64)
    for at, value in sample["slashings_nonzero"].items():
        slashings[int(at)] = value
    header = sample["latest_block_header"]
    return State(
        spec=spec,
        fork=sample["fork"],
        slot=sample["slot"],
        header=Header(header["slot"], header["proposer_index"], _raw(header["parent_root"]), ZERO, _raw(header["body_root"])),
        pubkeys=np.frombuffer(b"".join(_raw(v["pubkey"]) for v in validators), "V48"),
        credentials=np.frombuffer(b"".join(_raw(v["withdrawal_credentials"]) for v in validators), "V32"),
        effective=np.array([v["effective_balance"] for v in validators], np.int64),
        slashed=np.array([v["slashed"] for v in validators], bool),
        eligibility=_epochs([v["activation_eligibility_epoch"] for v in validators]),
        activation=_epochs([v["activation_epoch"] for v in validators]),
        exit=_epochs([v["exit_epoch"] for v in validators]),
        withdrawable=_epochs([v["withdrawable_epoch"] for v in validators]),
        balances=np.array(sample["balances"], np.int64),
        previous_flags=np.array(sample["previous_epoch_participation"], np.uint8),
        current_flags=np.array(sample["current_epoch_participation"], np.uint8),
        scores=np.array(sample["inactivity_scores"], np.int64),
        slashings=slashings,
        justification=sum(bit << at for at, bit in enumerate(sample["justification_bits"])),
        previous_justified=_point(sample["previous_justified_checkpoint"]),
        current_justified=_point(sample["current_justified_checkpoint"]),
        finalized=_point(sample["finalized_checkpoint"]),
        payload=Payload(1, ZERO, ZERO, 1),
        mix=ZERO,
        current_sync=np.zeros(spec.sync_committee_size, np.int64),
        next_sync=np.zeros(spec.sync_committee_size, np.int64),
        lookahead=np.array(sample.get("proposer_lookahead", []), np.int64),
        next_withdrawal_index=sample["next_withdrawal_index"],
        next_withdrawal_validator=sample["next_withdrawal_validator_index"],
        deposit_requests_start=sample["deposit_requests_start_index"],
        eth1_deposit_index=sample["eth1_deposit_index"],
        deposit_to_consume=sample["deposit_balance_to_consume"],
        exit_to_consume=sample["exit_balance_to_consume"],
        earliest_exit=sample["earliest_exit_epoch"],
        consolidation_to_consume=sample["consolidation_balance_to_consume"],
        earliest_consolidation=sample["earliest_consolidation_epoch"],
        deposits=_queue(sample["pending_deposits"], PENDING_DEPOSIT),
        partials=_queue(sample["pending_partial_withdrawals"], PENDING_PARTIAL_WITHDRAWAL),
        consolidations=_queue(sample["pending_consolidations"], PENDING_CONSOLIDATION),
        withdrawn=np.zeros(len(validators), np.int64),
    )
