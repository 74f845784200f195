"""What the end of epoch E justifies and finalizes, and whether the inactivity leak applies then (consensus-specs, Altair)."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.chain.beacon.columns import StateColumns
from monitor.protocols.ethereum.participation import TARGET, Roll, effective_sum


@dataclass(frozen=True, slots=True)
class Finality:
    """Epochs of the checkpoints after the transition at the end of E. ``bits``: bit 0 is E, bit 1 is E - 1, and so on."""

    bits: int
    previous_justified: int
    current_justified: int
    finalized: int
    leaking: bool
    """Whether rewards and penalties of this transition are those of the inactivity leak."""


def finality_after(columns: StateColumns, roll: Roll) -> Finality:
    """Weigh the target votes of E - 1 and E as the transition does, before rewards (weigh_justification_and_finalization)."""
    epoch = columns.epoch
    old_previous, old_current = int(columns.previous_justified.epoch), int(columns.current_justified.epoch)
    bits, previous, justified, finalized = columns.justification_bits, old_previous, old_current, int(columns.finalized.epoch)
    if epoch > 1:  # the first two epochs justify nothing: their checkpoints have no root yet
        previous, bits = old_current, (bits << 1) & 0b1111
        if 3 * effective_sum(columns, roll.timely(TARGET)) >= 2 * roll.total_active:
            justified, bits = epoch - 1, bits | 0b10
        if 3 * roll.target_now >= 2 * roll.total_active:
            justified, bits = epoch, bits | 0b01
        finalized = _finalized(bits, epoch, old_previous, old_current, finalized)
    leaking = epoch - 1 - finalized > columns.spec.min_epochs_to_inactivity_penalty
    return Finality(bits, previous, justified, finalized, leaking)


def _finalized(bits: int, epoch: int, old_previous: int, old_current: int, finalized: int) -> int:
    """The four rules; a later one overrides an earlier one, as in the specification."""
    rules = ((0b1110, old_previous, 3), (0b0110, old_previous, 2), (0b0111, old_current, 2), (0b0011, old_current, 1))
    for needed, source, distance in rules:
        if bits & needed == needed and source + distance == epoch:
            finalized = source
    return finalized
