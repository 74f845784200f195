"""The constants of a beacon chain as data: presets and forks. A node's ``/eth/v1/config/spec`` overrides the preset it names.

Names are those of consensus-specs in lower case. Amounts are gwei.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

Fork = Literal["electra", "fulu", "gloas"]
FORKS: tuple[Fork, ...] = ("electra", "fulu", "gloas")
"""The forks whose states we read, oldest first. Another fork's state is refused, not guessed."""

ETHER = 10**9
"""One ether in gwei."""


class UnusableSpec(Exception):
    """A node's configuration cannot be used: which value, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Spec:
    """Vector lengths and constants (consensus-specs, presets and configs; defaults are mainnet's)."""

    preset_base: str = "mainnet"
    slot_duration_ms: int = 12_000
    slots_per_epoch: int = 32
    slots_per_historical_root: int = 8192
    epochs_per_historical_vector: int = 65_536
    epochs_per_slashings_vector: int = 8192
    epochs_per_eth1_voting_period: int = 64
    sync_committee_size: int = 512
    ptc_size: int = 512
    min_seed_lookahead: int = 1
    max_seed_lookahead: int = 4
    min_validator_withdrawability_delay: int = 256
    shard_committee_period: int = 256
    effective_balance_increment: int = ETHER
    min_activation_balance: int = 32 * ETHER
    max_effective_balance_electra: int = 2048 * ETHER
    ejection_balance: int = 16 * ETHER
    base_reward_factor: int = 64
    inactivity_score_bias: int = 4
    inactivity_score_recovery_rate: int = 16
    inactivity_penalty_quotient_bellatrix: int = 16_777_216
    min_epochs_to_inactivity_penalty: int = 4
    min_slashing_penalty_quotient_electra: int = 4096
    proportional_slashing_multiplier_bellatrix: int = 3
    churn_limit_quotient: int = 65_536
    churn_limit_quotient_gloas: int = 32_768
    consolidation_churn_limit_quotient: int = 65_536
    min_per_epoch_churn_limit_electra: int = 128 * ETHER
    max_per_epoch_activation_exit_churn_limit: int = 256 * ETHER
    max_per_epoch_activation_churn_limit_gloas: int = 256 * ETHER
    max_pending_deposits_per_epoch: int = 16
    max_pending_partials_per_withdrawals_sweep: int = 8

    @property
    def proposer_lookahead_slots(self) -> int:
        """Slots whose proposers a state knows: those of its epoch and of the look-ahead (Fulu)."""
        return (self.min_seed_lookahead + 1) * self.slots_per_epoch

    @property
    def builder_payment_slots(self) -> int:
        """Slots whose payments to builders are pending: the previous epoch's and the current one's (Gloas)."""
        return 2 * self.slots_per_epoch

    @property
    def ptc_window_slots(self) -> int:
        """Slots whose payload timeliness committees a state knows: previous epoch, current, look-ahead (Gloas)."""
        return (self.min_seed_lookahead + 2) * self.slots_per_epoch

    @property
    def slot_seconds(self) -> float:
        return self.slot_duration_ms / 1000

    @property
    def epoch_seconds(self) -> float:
        return self.slots_per_epoch * self.slot_seconds

    def epoch_of(self, slot: int) -> int:
        """The epoch that a slot belongs to."""
        return slot // self.slots_per_epoch

    def last_slot(self, epoch: int) -> int:
        """The last slot of an epoch."""
        return (epoch + 1) * self.slots_per_epoch - 1

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Spec:
        """From ``/eth/v1/config/spec``: the named preset, with every value that the node gives. Raises UnusableSpec.

        ``SECONDS_PER_SLOT`` serves where ``SLOT_DURATION_MS`` is missing. Keys that the node lacks keep the preset's value.
        """
        base = PRESETS.get(str(answer.get("PRESET_BASE", "mainnet")).strip("'\""))
        if base is None:
            raise UnusableSpec(f"PRESET_BASE is {answer.get('PRESET_BASE')!r}: known are {', '.join(PRESETS)}")
        found: dict[str, Any] = {}
        if "SECONDS_PER_SLOT" in answer:
            found["slot_duration_ms"] = 1000 * _whole("SECONDS_PER_SLOT", answer["SECONDS_PER_SLOT"])
        for field in fields(cls):
            if field.name != "preset_base" and field.name.upper() in answer:
                found[field.name] = _whole(field.name.upper(), answer[field.name.upper()])
        return replace(base, **found)


def _whole(name: str, value: Any) -> int:
    try:
        number = int(str(value), 10)
    except ValueError:
        raise UnusableSpec(f"{name} is {value!r}, not a whole number") from None
    if not 0 < number < 2**64:
        raise UnusableSpec(f"{name} is {number}: it must be above zero and fit 64 bits")
    return number


MAINNET = Spec()
GNOSIS = Spec(
    preset_base="gnosis", slot_duration_ms=5_000, slots_per_epoch=16, base_reward_factor=25, churn_limit_quotient=4096,
    max_per_epoch_activation_exit_churn_limit=64 * ETHER, max_pending_partials_per_withdrawals_sweep=6,
)  # fmt: skip
MINIMAL = Spec(
    preset_base="minimal", slot_duration_ms=6_000, slots_per_epoch=8, slots_per_historical_root=64, epochs_per_historical_vector=64,
    epochs_per_slashings_vector=64, epochs_per_eth1_voting_period=4, sync_committee_size=32, ptc_size=16, shard_committee_period=64,
    churn_limit_quotient=32, min_per_epoch_churn_limit_electra=64 * ETHER, max_per_epoch_activation_exit_churn_limit=128 * ETHER,
    max_pending_partials_per_withdrawals_sweep=2,
)  # fmt: skip
PRESETS: Mapping[str, Spec] = {"mainnet": MAINNET, "minimal": MINIMAL, "gnosis": GNOSIS}
