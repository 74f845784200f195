"""Bytes that are no state, or not the one asked for: always BadState with the field, never anything else, and never much memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.chain.beacon.layout import LAYOUTS
from monitor.chain.beacon.spec import FORKS, GNOSIS, MAINNET, MINIMAL, Fork
from monitor.chain.beacon.ssz import places
from monitor.chain.beacon.state import BadState, decode
from tests.chain.beacon_presets import state_of
from tests.chain.beacon_states import OFFSETS, REGISTRY, assemble, sample

GOOD = sample("fulu-minimal")
AT = OFFSETS["fulu-minimal"]
STARTS = {part: int.from_bytes(GOOD.data[at : at + 4], "little") for part, at in AT.items()}
NAMES = {name for container in LAYOUTS.values() for name, _ in container.fields} | {"state"}
forks = st.sampled_from(FORKS)
offsets = st.one_of(st.integers(0, 2**32 - 1), st.integers(10_000, 40_000), st.sampled_from([0, 2**31, 2**32 - 1]))


def changed(at: int, value: bytes, data: bytes = GOOD.data) -> bytes:
    return data[:at] + value + data[at + len(value) :]


def u32(value: int) -> bytes:
    return value.to_bytes(4, "little")


def u64(value: int) -> bytes:
    return value.to_bytes(8, "little")


def read_all(data: bytes, fork: Fork | None = None) -> None:
    """Decode and read every field and the columns. Only BadState from decode is fine, and then a field of the layout is named."""
    try:
        view = decode(data, MINIMAL)
    except BadState as bad:
        assert bad.field.split(".")[0].split("[")[0] in NAMES
        assert str(bad) == f"{bad.field}: found {bad.found}, expected {bad.expected}"
        return
    assert fork in (None, view.fork)
    for name in view:
        assert view[name] is not None
    columns = view.columns()
    assert len(columns.pubkeys) == len(columns.balances) == len(columns)
    assert len(columns.pubkeys) * 121 <= len(data)


# ---------------------------------------------------------------- any bytes


@given(fork=forks, data=st.data())
def test_a_state_cut_off_anywhere_is_refused_or_whole(fork: Fork, data: st.DataObject) -> None:
    whole = state_of(fork, MINIMAL)
    read_all(whole[: data.draw(st.integers(0, len(whole) - 1))], fork)


@given(fork=forks, data=st.data())
def test_a_changed_offset_is_refused_or_harmless(fork: Fork, data: st.DataObject) -> None:
    whole = state_of(fork, MINIMAL)
    slots = [place.position for place in places(LAYOUTS[fork], MINIMAL).values() if place.variable]
    for _ in range(data.draw(st.integers(1, 3))):
        whole = changed(data.draw(st.sampled_from(slots)), u32(data.draw(offsets)), whole)
    read_all(whole)


@given(fork=forks, data=st.data())
def test_flipped_bits_never_raise_anything_else(fork: Fork, data: st.DataObject) -> None:
    whole = bytearray(state_of(fork, MINIMAL))
    for at in data.draw(st.lists(st.integers(0, len(whole) * 8 - 1), min_size=1, max_size=8)):
        whole[at // 8] ^= 1 << at % 8
    read_all(bytes(whole), fork)


@given(fork=forks, data=st.data())
def test_bytes_put_in_or_left_out_never_raise_anything_else(fork: Fork, data: st.DataObject) -> None:
    whole = state_of(fork, MINIMAL)
    start = data.draw(st.integers(0, len(whole)))
    end = min(len(whole), start + data.draw(st.integers(0, 200)))
    read_all(whole[:start] + data.draw(st.binary(max_size=200)) + whole[end:])


@given(st.binary(max_size=600))
def test_random_bytes_are_no_state(data: bytes) -> None:
    for spec in (MINIMAL, GNOSIS, MAINNET):
        with pytest.raises(BadState):
            decode(data, spec)


@given(st.integers(0, 20), st.sampled_from([10313, 10441, 14405]))
def test_random_bytes_with_the_right_first_offset_never_raise_anything_else(seed: int, head: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, 40_000, np.uint8).tobytes()
    read_all(changed(4272, u32(head), noise))


@given(data=st.data())
def test_no_number_in_the_bytes_decides_how_much_memory_is_taken(data: st.DataObject) -> None:
    whole = GOOD.data
    for at in data.draw(st.lists(st.sampled_from(sorted(AT.values())), min_size=1, max_size=4)):
        whole = changed(at, u32(data.draw(offsets)), whole)
    tracemalloc.start()
    try:
        read_all(whole)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


# ---------------------------------------------------------------- each check, by its name


def refused(data: bytes | bytearray, field: str, found: str, expected: str, **asked: Any) -> None:
    with pytest.raises(BadState) as caught:
        decode(data, asked.pop("spec", MINIMAL), **asked)
    assert (caught.value.field, caught.value.found, caught.value.expected) == (field, found, expected)


def test_too_few_bytes() -> None:
    refused(b"", "state", "0 bytes", "more than the 4272 before its first offset")
    refused(GOOD.data[:9000], "state", "9000 bytes", "at least the 10441 of its fixed part")


def test_a_fixed_part_of_no_known_fork() -> None:
    sizes = "the size of a fixed part: 10313 (electra), 10441 (fulu), 14405 (gloas)"
    refused(changed(4272, u32(10253)), "historical_roots", "offset 10253", sizes)


def test_another_preset_is_not_guessed() -> None:
    mainnet = "the size of a fixed part: 2736713 (electra), 2737225 (fulu), 3134845 (gloas)"
    gnosis = "the size of a fixed part: 2736713 (electra), 2736969 (fulu), 2936317 (gloas)"
    refused(sample("fulu").data, "historical_roots", "offset 2737225", gnosis, spec=GNOSIS)
    refused(state_of("gloas", GNOSIS), "historical_roots", "offset 2936317", mainnet, spec=MAINNET)


@pytest.mark.parametrize("said", ["electra", "gloas", "deneb", "heze"])
def test_the_header_says_another_fork(said: str) -> None:
    refused(GOOD.data, "fork", "the layout of fulu", f"{said}, as the answer's header says", fork=cast(Fork, said))


def test_the_schedule_has_another_version() -> None:
    assert decode(GOOD.data, MINIMAL, version="0x06000000").fork == "fulu"
    expected = "0x90000075, as the fork schedule says"
    refused(GOOD.data, "fork.current_version", "0x06000000", expected, version="0x90000075")


def test_another_slot_than_asked_for() -> None:
    refused(GOOD.data, "slot", "3440007", "3440006, the slot asked for", slot=3440006)


@pytest.mark.parametrize("part", list(AT)[1:])
def test_an_offset_that_falls(part: str) -> None:
    before = STARTS[list(AT)[list(AT).index(part) - 1]]
    refused(changed(AT[part], u32(before - 1)), part, f"offset {before - 1}", f"one from {before} to {len(GOOD.data)}")


@pytest.mark.parametrize("part", list(AT)[1:])
def test_an_offset_behind_the_end(part: str) -> None:
    before, size = STARTS[list(AT)[list(AT).index(part) - 1]], len(GOOD.data)
    refused(changed(AT[part], u32(size + 1)), part, f"offset {size + 1}", f"one from {before} to {size}")


def part_of(part: str) -> bytes:
    ends = dict(zip(AT, [*list(STARTS.values())[1:], len(GOOD.data)], strict=True))
    return GOOD.data[STARTS[part] : ends[part]]


ITEMS: Mapping[str, int] = {
    "historical_roots": 32, "eth1_data_votes": 72, "validators": 121, "balances": 8, "inactivity_scores": 8, "historical_summaries": 64,
    "pending_deposits": 192, "pending_partial_withdrawals": 24, "pending_consolidations": 16,
}  # fmt: skip


@pytest.mark.parametrize("part", ITEMS)
def test_a_list_of_no_whole_number_of_items(part: str) -> None:
    longer = part_of(part) + b"\0"
    refused(assemble("fulu-minimal", {part: longer}), part, f"{len(longer)} bytes", f"a multiple of the {ITEMS[part]} bytes of an item")


@pytest.mark.parametrize("part", REGISTRY[1:])
def test_lists_of_the_registry_that_differ(part: str) -> None:
    size = len(part_of(part)) // 64
    refused(assemble("fulu-minimal", {part: part_of(part)[:-size]}), part, "63 items", "64, one a validator")


def test_a_validator_that_is_slashed_twice() -> None:
    refused(changed(STARTS["validators"] + 5 * 121 + 88, b"\2"), "validators[5].slashed", "2", "0 or 1")


def test_bits_beyond_a_vector_s_end() -> None:
    refused(changed(6936, b"\x1f"), "justification_bits", "a last byte of 0x1f", "no bits beyond its 4")


def test_a_newest_block_after_the_state_s_slot() -> None:
    refused(changed(64, u64(3440008)), "latest_block_header.slot", "3440008", "at most 3440007, the state's slot")


def test_a_payload_header_of_another_layout() -> None:
    start = STARTS["latest_execution_payload_header"]
    refused(changed(start + 436, u32(576)), "latest_execution_payload_header.extra_data", "offset 576", "584, the end of the fixed part")
    short = assemble("fulu-minimal", {"latest_execution_payload_header": bytes(500)})
    refused(short, "latest_execution_payload_header", "500 bytes", "at least the 584 of its fixed part")


def test_a_bid_of_the_fork_after_gloas() -> None:
    """Heze has Gloas' fixed part, and a longer bid."""
    data = state_of("gloas", MINIMAL)
    at = places(LAYOUTS["gloas"], MINIMAL)["latest_execution_payload_bid"].position
    start = int.from_bytes(data[at : at + 4], "little")
    longer = changed(start + 188, u32(256), data)
    refused(longer, "latest_execution_payload_bid.blob_kzg_commitments", "offset 256", "224, the end of the fixed part")


def test_an_empty_registry_is_a_state() -> None:
    empty = assemble("fulu-minimal", dict.fromkeys(REGISTRY, b""))
    assert len(decode(empty, MINIMAL).columns()) == 0
