"""A chain's constants: the presets, and what a node's configuration makes of them."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.chain.beacon.spec import GNOSIS, MAINNET, MINIMAL, PRESETS, Spec, UnusableSpec

NUMBERS = [field.name for field in fields(Spec) if field.name != "preset_base"]


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_the_preset_that_the_node_names_is_taken(name: str, quote: str) -> None:
    assert Spec.of({"PRESET_BASE": f"{quote}{name}{quote}"}) == PRESETS[name]


def test_a_node_that_names_none_is_of_mainnet() -> None:
    assert Spec.of({"CONFIG_NAME": "hoodi", "BLOB_SCHEDULE": []}) == MAINNET


@given(st.sampled_from(NUMBERS), st.integers(1, 2**64 - 1), st.booleans())
def test_every_number_that_the_node_gives_is_taken(name: str, number: int, text: bool) -> None:
    changed: dict[str, Any] = {name: number}
    assert Spec.of({name.upper(): str(number) if text else number}) == replace(MAINNET, **changed)


def test_a_slot_s_length_is_read_under_both_names() -> None:
    assert Spec.of({"SECONDS_PER_SLOT": "5"}).slot_duration_ms == 5000
    assert Spec.of({"SECONDS_PER_SLOT": "12", "SLOT_DURATION_MS": "11500"}).slot_duration_ms == 11500


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"PRESET_BASE": "testing"}, "PRESET_BASE is 'testing': known are mainnet, minimal, gnosis"),
        ({"SLOTS_PER_EPOCH": "0"}, "SLOTS_PER_EPOCH is 0: it must be above zero and fit 64 bits"),
        ({"SECONDS_PER_SLOT": "-12"}, "SECONDS_PER_SLOT is -12: it must be above zero and fit 64 bits"),
        ({"PTC_SIZE": str(2**64)}, f"PTC_SIZE is {2**64}: it must be above zero and fit 64 bits"),
        ({"PTC_SIZE": "0x200"}, "PTC_SIZE is '0x200', not a whole number"),
        ({"PTC_SIZE": 1.5}, "PTC_SIZE is 1.5, not a whole number"),
        ({"PTC_SIZE": None}, "PTC_SIZE is None, not a whole number"),
        ({"PTC_SIZE": ["1"]}, r"PTC_SIZE is \['1'\], not a whole number"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused(answer: dict[str, Any], told: str) -> None:
    with pytest.raises(UnusableSpec, match=f"^{told}$"):
        Spec.of(answer)


def test_slots_and_epochs() -> None:
    assert (MAINNET.epoch_of(31), MAINNET.epoch_of(32), MAINNET.last_slot(0), MAINNET.last_slot(400_000)) == (0, 1, 31, 12_800_031)
    assert (MAINNET.slot_seconds, MAINNET.epoch_seconds) == (12.0, 384.0)
    assert (GNOSIS.slot_seconds, GNOSIS.epoch_seconds, GNOSIS.proposer_lookahead_slots) == (5.0, 80.0, 32)
    assert (MINIMAL.epoch_seconds, MINIMAL.builder_payment_slots, MINIMAL.ptc_window_slots) == (48.0, 16, 24)
