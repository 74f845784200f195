"""The fields of a BeaconState, fork by fork, as data: name and kind, in the order of the specification.

Positions follow by walking a table with the lengths of a ``Spec`` (``places``), so every preset is read by the same table. Each fork's
table is the one before with its changes (consensus-specs, specs/electra, specs/fulu, specs/gloas: beacon-chain.md, BeaconState). Gloas
declares progressive containers and lists, which changes hash tree roots and no byte.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from monitor.chain.beacon.columns import PENDING_CONSOLIDATION, PENDING_DEPOSIT, PENDING_PARTIAL_WITHDRAWAL
from monitor.chain.beacon.spec import FORKS, Fork
from monitor.chain.beacon.ssz import Bitvector, Bytes, Container, Kind, List, Uint, Vector

Fields = tuple[tuple[str, Kind], ...]

U64_ITEM, BYTE, ROOT, PUBKEY = (np.dtype(name) for name in ("<u8", "u1", "V32", "V48"))
ETH1_DATA_ITEM = np.dtype([("deposit_root", "V32"), ("deposit_count", "<u8"), ("block_hash", "V32")])
VALIDATOR = np.dtype([
    ("pubkey", "V48"), ("withdrawal_credentials", "V32"), ("effective_balance", "<u8"), ("slashed", "u1"),
    ("activation_eligibility_epoch", "<u8"), ("activation_epoch", "<u8"), ("exit_epoch", "<u8"), ("withdrawable_epoch", "<u8"),
])  # fmt: skip
HISTORICAL_SUMMARY = np.dtype([("block_summary_root", "V32"), ("state_summary_root", "V32")])
WITHDRAWAL = np.dtype([("index", "<u8"), ("validator_index", "<u8"), ("address", "V20"), ("amount", "<u8")])
"""In Gloas a ``validator_index`` with bit 40 set is that of a builder: never an index into the registry."""
BUILDER = np.dtype([
    ("pubkey", "V48"), ("version", "u1"), ("execution_address", "V20"), ("balance", "<u8"), ("deposit_epoch", "<u8"),
    ("withdrawable_epoch", "<u8"),
])  # fmt: skip
BUILDER_PENDING_WITHDRAWAL = np.dtype([("fee_recipient", "V20"), ("amount", "<u8"), ("builder_index", "<u8")])
BUILDER_PENDING_PAYMENT = np.dtype([("weight", "<u8"), ("withdrawal", BUILDER_PENDING_WITHDRAWAL), ("proposer_index", "<u8")])

U64, U256 = Uint(8), Uint(32)
HASH, ADDRESS, VERSION = Bytes(32), Bytes(20), Bytes(4)
FORK = Container((("previous_version", VERSION), ("current_version", VERSION), ("epoch", U64)))
BEACON_BLOCK_HEADER = Container(
    (("slot", U64), ("proposer_index", U64), ("parent_root", HASH), ("state_root", HASH), ("body_root", HASH)),
)
ETH1_DATA = Container((("deposit_root", HASH), ("deposit_count", U64), ("block_hash", HASH)))
CHECKPOINT = Container((("epoch", U64), ("root", HASH)))
SYNC_COMMITTEE = Container((("pubkeys", Vector(PUBKEY, ("sync_committee_size",))), ("aggregate_pubkey", Bytes(48))))
EXECUTION_PAYLOAD_HEADER = Container((
    ("parent_hash", HASH), ("fee_recipient", ADDRESS), ("state_root", HASH), ("receipts_root", HASH), ("logs_bloom", Bytes(256)),
    ("prev_randao", HASH), ("block_number", U64), ("gas_limit", U64), ("gas_used", U64), ("timestamp", U64), ("extra_data", List(BYTE)),
    ("base_fee_per_gas", U256), ("block_hash", HASH), ("transactions_root", HASH), ("withdrawals_root", HASH), ("blob_gas_used", U64),
    ("excess_blob_gas", U64),
))  # fmt: skip
EXECUTION_PAYLOAD_BID = Container((
    ("parent_block_hash", HASH), ("parent_block_root", HASH), ("block_hash", HASH), ("prev_randao", HASH), ("fee_recipient", ADDRESS),
    ("gas_limit", U64), ("builder_index", U64), ("slot", U64), ("value", U64), ("execution_payment", U64),
    ("blob_kzg_commitments", List(PUBKEY)), ("execution_requests_root", HASH),
))  # fmt: skip

_ELECTRA: Fields = (
    ("genesis_time", U64),
    ("genesis_validators_root", HASH),
    ("slot", U64),
    ("fork", FORK),
    ("latest_block_header", BEACON_BLOCK_HEADER),
    ("block_roots", Vector(ROOT, ("slots_per_historical_root",))),
    ("state_roots", Vector(ROOT, ("slots_per_historical_root",))),
    ("historical_roots", List(ROOT)),
    ("eth1_data", ETH1_DATA),
    ("eth1_data_votes", List(ETH1_DATA_ITEM)),
    ("eth1_deposit_index", U64),
    ("validators", List(VALIDATOR)),
    ("balances", List(U64_ITEM)),
    ("randao_mixes", Vector(ROOT, ("epochs_per_historical_vector",))),
    ("slashings", Vector(U64_ITEM, ("epochs_per_slashings_vector",))),
    ("previous_epoch_participation", List(BYTE)),
    ("current_epoch_participation", List(BYTE)),
    ("justification_bits", Bitvector(4)),
    ("previous_justified_checkpoint", CHECKPOINT),
    ("current_justified_checkpoint", CHECKPOINT),
    ("finalized_checkpoint", CHECKPOINT),
    ("inactivity_scores", List(U64_ITEM)),
    ("current_sync_committee", SYNC_COMMITTEE),
    ("next_sync_committee", SYNC_COMMITTEE),
    ("latest_execution_payload_header", EXECUTION_PAYLOAD_HEADER),
    ("next_withdrawal_index", U64),
    ("next_withdrawal_validator_index", U64),
    ("historical_summaries", List(HISTORICAL_SUMMARY)),
    ("deposit_requests_start_index", U64),
    ("deposit_balance_to_consume", U64),
    ("exit_balance_to_consume", U64),
    ("earliest_exit_epoch", U64),
    ("consolidation_balance_to_consume", U64),
    ("earliest_consolidation_epoch", U64),
    ("pending_deposits", List(PENDING_DEPOSIT)),
    ("pending_partial_withdrawals", List(PENDING_PARTIAL_WITHDRAWAL)),
    ("pending_consolidations", List(PENDING_CONSOLIDATION)),
)
_FULU: Fields = (*_ELECTRA, ("proposer_lookahead", Vector(U64_ITEM, ("proposer_lookahead_slots",))))
_GLOAS: Fields = (
    *(("latest_block_hash", HASH) if name == "latest_execution_payload_header" else (name, kind) for name, kind in _FULU),
    ("builders", List(BUILDER)),
    ("next_withdrawal_builder_index", U64),
    ("execution_payload_availability", Bitvector("slots_per_historical_root")),
    ("builder_pending_payments", Vector(BUILDER_PENDING_PAYMENT, ("builder_payment_slots",))),
    ("builder_pending_withdrawals", List(BUILDER_PENDING_WITHDRAWAL)),
    ("latest_execution_payload_bid", EXECUTION_PAYLOAD_BID),
    ("payload_expected_withdrawals", List(WITHDRAWAL)),
    ("ptc_window", Vector(U64_ITEM, ("ptc_window_slots", "ptc_size"))),
)

LAYOUTS: Mapping[Fork, Container] = dict(zip(FORKS, map(Container, (_ELECTRA, _FULU, _GLOAS)), strict=True))
REGISTRY = ("validators", "balances", "previous_epoch_participation", "current_epoch_participation", "inactivity_scores")
"""Lists with one item a validator."""
FIRST_OFFSET = "historical_roots"
"""The first field of variable size, at the same position in every fork: its offset is the size of the fixed part, which tells the fork."""
