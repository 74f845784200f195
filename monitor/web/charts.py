"""Which series the page draws: the chief ones of each signal, as data. Titles are for people at night."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from monitor.catalogue.shipped import SHIPPED

HOUR = 3600
SPAN = HOUR
"""Seconds of block time that a chart shows."""
EPOCHS_SPAN = 6 * HOUR
"""The same for what is known once an epoch."""
SIGNALS = ("validators", "slashing", "peg", "queue", "oracle", "roles", "accounting", "chain")
"""The order of the page."""


@dataclass(frozen=True, slots=True)
class Chart:
    """The series of ``family`` with these labels ("" is an absent label), brought to one by ``reduce``, for each protocol.

    ``age``: the family is a time, and its distance from the block's time is shown. ``rate``: a ratio that is no share of anything,
    so it is not said in per cent.
    """

    signal: str
    title: str
    family: str
    labels: Mapping[str, str] = field(default_factory=dict)
    reduce: Literal["min", "max", "sum"] = "max"
    age: bool = False
    rate: bool = False


WHOLE = {"operator": ""}
CHARTS = (
    Chart("validators", "Votes for the target", "validators_participation_ratio", {**WHOLE, "duty": "target", "by": "stake"}, "min"),
    Chart("validators", "Offline for 3 epochs", "validators_offline_ratio", {**WHOLE, "epochs": "3", "by": "stake"}),
    Chart("validators", "Rewards over ideal", "validators_effectiveness_ratio", WHOLE, "min"),
    Chart("slashing", "Slashed validators", "slashing_validators", WHOLE),
    Chart("slashing", "Loss by slashings", "slashing_loss_ratio", WHOLE),
    Chart("slashing", "Slashed stake, network", "slashing_network_ratio"),
    Chart("peg", "Deviation from fair value", "peg_deviation_ratio", {}, "min"),
    Chart("peg", "Spread of the venues", "peg_spread_ratio"),
    Chart("peg", "Independent venues", "peg_sources", {}, "min"),
    Chart("peg", "Token's part of the pools", "peg_pool_share_ratio"),
    Chart("queue", "Waiting to be withdrawn", "queue_unfinalized_ether"),
    Chart("queue", "Covered by ether at hand", "queue_coverage_ratio", {}, "min"),
    Chart("queue", "Oldest request", "queue_oldest_request_timestamp_seconds", {}, "min", age=True),
    Chart("queue", "Missing for claims", "queue_claims_shortfall_ether"),
    Chart("oracle", "Last report", "oracle_report_timestamp_seconds", {}, "min", age=True),
    Chart("oracle", "Report late by", "oracle_report_late_seconds"),
    Chart("oracle", "Different reports", "oracle_report_variants"),
    Chart("oracle", "Poorest member's wallet", "oracle_member_balance_ether", {}, "min"),
    Chart("roles", "Unapproved role holders", "role_holders_unapproved", {}, "sum"),
    Chart("roles", "Paused contracts", "contract_paused", {}, "sum"),
    Chart("roles", "Code as approved", "contract_implementation_approved", {}, "min"),
    Chart("roles", "Contracts moved away", "contract_pointer_drift", {}, "sum"),
    Chart("accounting", "Ether per share", "accounting_share_rate_ratio", rate=True),
    Chart("accounting", "Drift between reports", "accounting_share_rate_drift_ratio"),
    Chart("accounting", "Gap in the books", "accounting_identity_gap_wei"),
    Chart("accounting", "APR of 7 days", "accounting_apr_7d_ratio", {}, "min"),
    Chart("chain", "Epochs to finality", "beacon_finality_distance_epochs"),
    Chart("chain", "Missed slots", "beacon_missed_slots_ratio"),
    Chart("chain", "Exit takes", "beacon_queue_wait_seconds", {"queue": "exit"}),
    Chart("chain", "Entry takes", "beacon_queue_wait_seconds", {"queue": "entry"}),
)
_CADENCE = {family.name: family.cadence.seconds for family in SHIPPED}


def span(family: str) -> int:
    """Seconds of block time that the charts of a family go back."""
    return EPOCHS_SPAN if _CADENCE.get(family, 0) >= 300 else SPAN


def kept() -> dict[str, int]:
    """How far back the window must hold each charted family."""
    return {chart.family: span(chart.family) for chart in CHARTS}
