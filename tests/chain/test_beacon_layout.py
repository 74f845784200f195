"""Where each field of a state is: derived by walking the tables, and compared with positions that were read off the specification."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.chain.beacon import layout
from monitor.chain.beacon.layout import LAYOUTS
from monitor.chain.beacon.spec import FORKS, GNOSIS, MAINNET, MINIMAL, Fork, Spec
from monitor.chain.beacon.ssz import List, head_size, places
from tests.chain.beacon_presets import state_of
from tests.chain.beacon_states import OFFSETS, SAMPLES, SampleName, sample

COMMON = {
    "genesis_time": 0, "genesis_validators_root": 8, "slot": 40, "fork": 48, "latest_block_header": 64, "block_roots": 176,
    "state_roots": 262320, "historical_roots": 524464, "eth1_data": 524468, "eth1_data_votes": 524540, "eth1_deposit_index": 524544,
    "validators": 524552, "balances": 524556, "randao_mixes": 524560, "slashings": 2621712, "previous_epoch_participation": 2687248,
    "current_epoch_participation": 2687252, "justification_bits": 2687256, "previous_justified_checkpoint": 2687257,
    "current_justified_checkpoint": 2687297, "finalized_checkpoint": 2687337, "inactivity_scores": 2687377,
    "current_sync_committee": 2687381, "next_sync_committee": 2712005,
}  # fmt: skip
ELECTRA = {
    **COMMON, "latest_execution_payload_header": 2736629, "next_withdrawal_index": 2736633, "next_withdrawal_validator_index": 2736641,
    "historical_summaries": 2736649, "deposit_requests_start_index": 2736653, "deposit_balance_to_consume": 2736661,
    "exit_balance_to_consume": 2736669, "earliest_exit_epoch": 2736677, "consolidation_balance_to_consume": 2736685,
    "earliest_consolidation_epoch": 2736693, "pending_deposits": 2736701, "pending_partial_withdrawals": 2736705,
    "pending_consolidations": 2736709,
}  # fmt: skip
GLOAS = {
    **COMMON, "latest_block_hash": 2736629, "next_withdrawal_index": 2736661, "next_withdrawal_validator_index": 2736669,
    "historical_summaries": 2736677, "deposit_requests_start_index": 2736681, "deposit_balance_to_consume": 2736689,
    "exit_balance_to_consume": 2736697, "earliest_exit_epoch": 2736705, "consolidation_balance_to_consume": 2736713,
    "earliest_consolidation_epoch": 2736721, "pending_deposits": 2736729, "pending_partial_withdrawals": 2736733,
    "pending_consolidations": 2736737, "proposer_lookahead": 2736741, "builders": 2737253, "next_withdrawal_builder_index": 2737257,
    "execution_payload_availability": 2737265, "builder_pending_payments": 2738289, "builder_pending_withdrawals": 2741617,
    "latest_execution_payload_bid": 2741621, "payload_expected_withdrawals": 2741625, "ptc_window": 2741629,
}  # fmt: skip
MAINNET_POSITIONS: dict[Fork, dict[str, int]] = {"electra": ELECTRA, "fulu": {**ELECTRA, "proposer_lookahead": 2736713}, "gloas": GLOAS}
MINIMAL_COMMON = {
    "historical_roots": 4272, "eth1_data_votes": 4348, "validators": 4360, "balances": 4364, "slashings": 6416,
    "previous_epoch_participation": 6928, "current_epoch_participation": 6932, "justification_bits": 6936, "finalized_checkpoint": 7017,
    "inactivity_scores": 7057,
}  # fmt: skip
MINIMAL_TAIL = {
    "latest_execution_payload_header": 10229, "historical_summaries": 10249, "deposit_requests_start_index": 10253,
    "pending_deposits": 10301, "pending_partial_withdrawals": 10305, "pending_consolidations": 10309,
}  # fmt: skip
ENDS = {
    (MAINNET, "electra"): 2736713, (MAINNET, "fulu"): 2737225, (MAINNET, "gloas"): 3134845,
    (MINIMAL, "electra"): 10313, (MINIMAL, "fulu"): 10441, (MINIMAL, "gloas"): 14405,
    (GNOSIS, "electra"): 2736713, (GNOSIS, "fulu"): 2736969, (GNOSIS, "gloas"): 2936317,
}  # fmt: skip
SIZES = {
    "VALIDATOR": 121, "PENDING_DEPOSIT": 192, "PENDING_PARTIAL_WITHDRAWAL": 24, "PENDING_CONSOLIDATION": 16, "WITHDRAWAL": 44, "BUILDER": 93,
    "BUILDER_PENDING_WITHDRAWAL": 36, "BUILDER_PENDING_PAYMENT": 52, "ETH1_DATA_ITEM": 72, "HISTORICAL_SUMMARY": 64,
}  # fmt: skip
RECORD = {
    "pubkey": 0, "withdrawal_credentials": 48, "effective_balance": 80, "slashed": 88, "activation_eligibility_epoch": 89,
    "activation_epoch": 97, "exit_epoch": 105, "withdrawable_epoch": 113,
}  # fmt: skip
PAYLOAD_HEADER = {
    "parent_hash": 0, "fee_recipient": 32, "state_root": 52, "receipts_root": 84, "logs_bloom": 116, "prev_randao": 372, "block_number": 404,
    "gas_limit": 412, "gas_used": 420, "timestamp": 428, "extra_data": 436, "base_fee_per_gas": 440, "block_hash": 472,
    "transactions_root": 504, "withdrawals_root": 536, "blob_gas_used": 568, "excess_blob_gas": 576,
}  # fmt: skip
BID = {
    "parent_block_hash": 0, "parent_block_root": 32, "block_hash": 64, "prev_randao": 96, "fee_recipient": 128, "gas_limit": 148,
    "builder_index": 156, "slot": 164, "value": 172, "execution_payment": 180, "blob_kzg_commitments": 188, "execution_requests_root": 192,
}  # fmt: skip


def positions(fork: Fork, spec: Spec) -> dict[str, int]:
    return {name: place.position for name, place in places(LAYOUTS[fork], spec).items()}


@pytest.mark.parametrize("fork", FORKS)
def test_every_field_of_mainnet_is_where_the_specification_puts_it(fork: Fork) -> None:
    assert positions(fork, MAINNET) == MAINNET_POSITIONS[fork]


@pytest.mark.parametrize("fork", FORKS)
def test_fields_of_the_minimal_preset_move_with_its_vectors(fork: Fork) -> None:
    known = MINIMAL_COMMON if fork == "gloas" else {**MINIMAL_COMMON, **MINIMAL_TAIL}
    assert {name: positions(fork, MINIMAL)[name] for name in known} == known


@pytest.mark.parametrize("fork", FORKS)
def test_gnosis_differs_from_mainnet_only_behind_its_shorter_lookahead(fork: Fork) -> None:
    ours, mainnet = positions(fork, GNOSIS), positions(fork, MAINNET)
    behind = list(ours)[list(ours).index("proposer_lookahead") + 1 :] if fork != "electra" else []
    assert {name: at for name, at in ours.items() if name not in behind} == {name: at for name, at in mainnet.items() if name not in behind}
    assert all(mainnet[name] - ours[name] >= 256 for name in behind)


@pytest.mark.parametrize(("spec", "fork"), ENDS)
def test_the_fixed_part_ends_where_the_first_offset_points_to(spec: Spec, fork: Fork) -> None:
    assert head_size(LAYOUTS[fork], spec) == ENDS[spec, fork]
    at = positions(fork, spec)["historical_roots"]
    assert int.from_bytes(state_of(fork, spec)[at : at + 4], "little") == ENDS[spec, fork]


@pytest.mark.parametrize("name", SAMPLES)
def test_variable_fields_are_those_with_an_offset_in_the_sample(name: SampleName) -> None:
    found = sample(name)
    where = places(LAYOUTS[found.fork], found.spec)
    assert {field: place.position for field, place in where.items() if place.variable} == OFFSETS[name]


def test_items_have_the_specification_s_sizes() -> None:
    assert {name: getattr(layout, name).itemsize for name in SIZES} == SIZES
    assert {name: at for name, (_, at, *_) in (layout.VALIDATOR.fields or {}).items()} == RECORD
    items = [kind.item for container in LAYOUTS.values() for _, kind in container.fields if isinstance(kind, List)]
    assert all(_packed(item) for item in items)


def test_containers_of_variable_size_have_their_own_offsets_where_they_should() -> None:
    header, bid = places(layout.EXECUTION_PAYLOAD_HEADER, MAINNET), places(layout.EXECUTION_PAYLOAD_BID, MAINNET)
    assert {name: place.position for name, place in header.items()} == PAYLOAD_HEADER
    assert {name: place.position for name, place in bid.items()} == BID
    assert (head_size(layout.EXECUTION_PAYLOAD_HEADER, MAINNET), head_size(layout.EXECUTION_PAYLOAD_BID, MAINNET)) == (584, 224)


def _packed(item: np.dtype[np.void]) -> bool:
    """Whether no byte of an item is padding."""
    return item.names is None or item.itemsize == sum(item[name].itemsize for name in item.names)
