"""The sample states, field by field against what the executable specification says, and the columns made of them."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.chain.beacon.columns import StateColumns
from monitor.chain.beacon.layout import LAYOUTS
from monitor.chain.beacon.spec import FORKS, GNOSIS, MAINNET, MINIMAL, Fork, Spec
from monitor.chain.beacon.state import StateView, decode
from monitor.model import BlockStamp, Hash, Slot
from tests.chain.beacon_presets import encode, state_of
from tests.chain.beacon_states import FAR, SAMPLES, SampleName, big_state, sample

ABOUT_IT = {"note", "fork", "preset", "size_bytes", "sha256", "hash_tree_root", "epoch", "latest_block_root_with_state_root_filled_in"}
COMPUTED = {
    "derived_at_slot", "attestation_deltas_epoch_E_minus_1", "after_process_epoch", "expected_withdrawals_on_this_state",
    "expected_withdrawals_processed_partials", "exit_queue_vectors",
}  # fmt: skip
"""What the specification computes from a state: for those who compute."""


def view_of(name: SampleName) -> StateView:
    found = sample(name)
    return decode(found.data, found.spec, fork=found.fork, slot=found.slot)


def plain(value: Any) -> Any:
    """A value as the samples' JSON has it."""
    match value:
        case dict():
            return {name: plain(inner) for name, inner in value.items()}
        case bytes():
            return "0x" + value.hex()
        case np.ndarray() if value.dtype.names:
            return [{name: plain(row[name]) for name in value.dtype.names} for row in value]
        case np.ndarray() if value.dtype.kind == "V":
            return [plain(item.tobytes()) for item in value]
        case np.ndarray():
            return value.tolist()
        case np.void() if value.dtype.names:
            return {name: plain(value[name]) for name in value.dtype.names}
        case np.void():
            return plain(value.tobytes())
        case np.generic():
            return value.item()
    return value


def committee(view: StateView, members: list[int]) -> list[str]:
    keys = plain(view["validators"]["pubkey"])
    return [keys[member] for member in members]


def special(view: StateView, key: str, expected: Any) -> tuple[Any, Any]:
    """What is found and expected for a key that is not simply a field's value."""
    size = view.spec.sync_committee_size
    match key:
        case "fork_field":
            return plain(view["fork"]), expected
        case "validators":
            rows = [{"index": at, **row, "slashed": bool(row["slashed"])} for at, row in enumerate(plain(view[key]))]
            return rows, expected
        case "slashings_nonzero":
            return {str(at): int(view["slashings"][at]) for at in np.flatnonzero(view["slashings"])}, expected
        case "slashings_sum":
            return int(view["slashings"].sum()), expected
        case "current_sync_committee_rule":
            return plain(view["current_sync_committee"]["pubkeys"]), committee(view, [at % 40 for at in range(size)])
        case "next_sync_committee_rule":
            return plain(view["next_sync_committee"]["pubkeys"]), committee(view, [(7 * at + 3) % 40 for at in range(size)])
        case "latest_execution_payload_header":
            found = {**view[key], "extra_data": view[key]["extra_data"].tobytes()}
            return {name: plain(found[name]) for name in expected}, expected
        case "latest_execution_payload_bid":
            return {name: plain(view[key][name]) for name in expected}, expected
        case "execution_payload_availability_rule":
            return view["execution_payload_availability"].tolist(), [at % 5 != 0 for at in range(8192)]
        case "builder_pending_payments_nonzero":
            paid = {str(at): plain(payment) for at, payment in enumerate(view["builder_pending_payments"])}
            flat = {at: {**payment.pop("withdrawal"), **payment} for at, payment in paid.items()}
            return {at: payment for at, payment in flat.items() if payment["weight"] or payment["amount"]}, expected
        case "ptc_window_rule":
            return view["ptc_window"].tolist(), [[(3 * slot + member) % 40 for member in range(512)] for slot in range(96)]
    return plain(view[key]), expected


@pytest.mark.parametrize("name", SAMPLES)
def test_every_stored_field_is_what_the_specification_says(name: SampleName) -> None:
    view = view_of(name)
    for key, expected in sample(name).expected.items():
        if key not in ABOUT_IT | COMPUTED:
            found, wanted = special(view, key, expected)
            assert found == wanted, key


@pytest.mark.parametrize("name", SAMPLES)
def test_no_byte_of_a_state_belongs_to_no_field(name: SampleName) -> None:
    view = view_of(name)
    assert list(view) == [field for field, _ in LAYOUTS[view.fork].fields]
    assert encode(LAYOUTS[view.fork], view, view.spec) == sample(name).data


@pytest.mark.parametrize("spec", [MAINNET, MINIMAL, GNOSIS], ids=lambda spec: spec.preset_base)
@pytest.mark.parametrize("fork", FORKS)
def test_each_fork_is_told_from_the_bytes_in_each_preset(spec: Spec, fork: Fork) -> None:
    data = state_of(fork, spec)
    view = decode(data, spec)
    assert view.fork == fork
    assert encode(LAYOUTS[fork], view, spec) == data
    assert plain(view["validators"]) == plain(view_of(fork)["validators"])


def test_lengths_that_a_node_gives_are_followed() -> None:
    spec = Spec.of({"PRESET_BASE": "minimal", "SLOTS_PER_HISTORICAL_ROOT": "48", "PTC_SIZE": "5", "MIN_SEED_LOOKAHEAD": "2"})
    view = decode(state_of("gloas", spec), spec)
    assert view.fork == "gloas"
    assert (len(view["block_roots"]), view["proposer_lookahead"].shape, view["ptc_window"].shape) == (48, (24,), (32, 5))
    assert len(view["execution_payload_availability"]) == 48


# ---------------------------------------------------------------- views and columns


def mapped(data: bytes, folder: Path) -> mmap.mmap:
    (folder / "state").write_bytes(data)
    with (folder / "state").open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


@pytest.mark.parametrize("hold", [bytes, bytearray, lambda data: memoryview(data).cast("I" if len(data) % 4 == 0 else "H")])
def test_any_buffer_is_read_in_place(hold: Callable[[bytes], Any]) -> None:
    data = hold(sample("fulu-minimal").data)
    view = decode(data, MINIMAL)
    assert np.shares_memory(view["validators"], np.frombuffer(data, np.uint8))
    assert plain(view["balances"]) == sample("fulu-minimal").expected["balances"]
    with pytest.raises(ValueError, match="read-only"):
        view["balances"][0] = 0


def test_a_mapped_file_can_be_closed_once_the_columns_are_made(tmp_path: Path) -> None:
    held = mapped(sample("fulu-minimal").data, tmp_path)
    columns = decode(held, MINIMAL).columns()
    held.close()
    assert columns.balances.tolist() == sample("fulu-minimal").expected["balances"]


def check_arrays(columns: StateColumns, data: bytes | bytearray) -> None:
    for field in fields(columns):
        found = getattr(columns, field.name)
        if isinstance(found, np.ndarray):
            assert found.flags.aligned, field.name
            assert found.flags.c_contiguous, field.name
            assert not np.shares_memory(found, np.frombuffer(data, np.uint8)), field.name


@pytest.mark.parametrize("name", SAMPLES)
def test_columns_are_aligned_copies_with_the_values_of_the_state(name: SampleName) -> None:
    found, columns = sample(name), view_of(name).columns()
    check_arrays(columns, found.data)
    expected = found.expected
    rows = expected["validators"]
    for column in ("effective_balance", "slashed", "activation_eligibility_epoch", "activation_epoch", "exit_epoch", "withdrawable_epoch"):
        assert getattr(columns, column).tolist() == [row[column] for row in rows], column
    assert plain(columns.pubkeys) == [row["pubkey"] for row in rows]
    assert plain(columns.withdrawal_credentials) == [row["withdrawal_credentials"] for row in rows]
    for same in (
        "slot", "epoch", "balances", "previous_epoch_participation", "current_epoch_participation", "inactivity_scores",
        "deposit_balance_to_consume", "exit_balance_to_consume", "earliest_exit_epoch", "consolidation_balance_to_consume",
        "earliest_consolidation_epoch", "pending_deposits", "pending_partial_withdrawals", "pending_consolidations",
    ):  # fmt: skip
        assert plain(getattr(columns, same)) == expected[same], same
    assert plain(columns.proposer_lookahead) == expected.get("proposer_lookahead")
    assert [bool(columns.justification_bits >> bit & 1) for bit in range(4)] == expected["justification_bits"]
    for ours, theirs in (("previous_justified", "previous_justified_checkpoint"), ("current_justified", "current_justified_checkpoint"),
                         ("finalized", "finalized_checkpoint")):  # fmt: skip
        checkpoint = getattr(columns, ours)
        assert {"epoch": checkpoint.epoch, "root": checkpoint.root} == expected[theirs]
    assert int(columns.slashings.sum()) == expected["slashings_sum"]
    assert (columns.spec, columns.fork, len(columns)) == (found.spec, found.fork, 64)
    assert columns.latest_block_slot == expected["latest_block_header"]["slot"]


def test_a_registry_of_many_chunks_keeps_its_order() -> None:
    data = big_state(50_001, "fulu", pending_deposits=7)
    view = decode(data, MAINNET)
    columns = view.columns()
    check_arrays(columns, data)
    for ours, theirs in (("pubkeys", "pubkey"), ("withdrawal_credentials", "withdrawal_credentials"), ("exit_epoch", "exit_epoch")):
        assert getattr(columns, ours).tobytes() == view["validators"][theirs].tobytes()
    assert columns.slashed.tolist() == (view["validators"]["slashed"] == 1).tolist()
    assert len(columns) == len(columns.balances) == 50_001
    assert len(columns.pending_deposits) == 7


def test_bits_are_counted_from_the_lowest() -> None:
    data = bytearray(sample("fulu-minimal").data)
    data[6936] = 0b0110
    view = decode(data, MINIMAL)
    assert view["justification_bits"].tolist() == [False, True, True, False]
    assert view.columns().justification_bits == 0b0110


def test_far_future_and_full_amounts_stay_64_bit_integers() -> None:
    data = bytearray(sample("fulu-minimal").data)
    view = decode(data, MINIMAL)
    assert view["validators"]["exit_epoch"].dtype == view["balances"].dtype == np.uint64
    at = int.from_bytes(data[4364:4368], "little")
    data[at : at + 8] = b"\xff" * 8
    for place in (10261, 10269, 10277):  # deposit and exit balance to consume, earliest exit epoch
        data[place : place + 8] = b"\xff" * 8
    columns = decode(data, MINIMAL).columns()
    assert columns.exit_epoch.dtype == columns.balances.dtype == np.dtype(np.uint64)
    assert int(columns.exit_epoch.max()) == int(columns.balances[0]) == FAR
    assert (columns.deposit_balance_to_consume, columns.exit_balance_to_consume, columns.earliest_exit_epoch) == (FAR, FAR, FAR)
    assert (columns.exit_epoch > np.uint64(columns.epoch)).sum() == sum(
        row["exit_epoch"] > columns.epoch for row in sample("fulu-minimal").expected["validators"]
    )


# ---------------------------------------------------------------- the execution block


@pytest.mark.parametrize("name", ["electra", "fulu", "fulu-minimal"])
def test_the_block_is_that_of_the_newest_payload(name: SampleName) -> None:
    expected = sample(name).expected
    header = expected["latest_execution_payload_header"]
    block = view_of(name).columns().block
    assert (block.number, block.hash, block.timestamp) == (header["block_number"], header["block_hash"], header["timestamp"])
    assert block.parent == plain(view_of(name)["latest_execution_payload_header"]["parent_hash"])
    assert (block.slot, block.beacon_root) == (expected["latest_block_header"]["slot"], expected["latest_block_header"]["parent_root"])


def test_the_caller_s_stamp_is_taken_instead() -> None:
    stamp = BlockStamp(7, Hash("0x07"), Hash("0x06"), 8, Slot(9))
    assert view_of("gloas").columns(stamp).block == stamp


def gloas(**changes: Any) -> StateView:
    """The sample in the minimal preset, with other values. Its slot is 16000031, its ring of 64."""
    view = decode(state_of("gloas", MINIMAL), MINIMAL)
    return decode(encode(LAYOUTS["gloas"], {**view, **changes}, MINIMAL), MINIMAL)


def bid(**changes: Any) -> dict[str, Any]:
    return {**gloas()["latest_execution_payload_bid"], **changes}


def available(*slots: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    bits = np.zeros(64, np.bool_)
    bits[[slot % 64 for slot in slots]] = True
    return bits


def roots(missed: tuple[int, ...] = (), slot: int = 16000031) -> np.ndarray[Any, Any]:
    """A ring of block roots that are their block's slot."""
    found, newest = np.zeros((64, 8), ">u4"), slot - 64
    for at in range(slot - 64, slot):
        newest = newest if at in missed else at
        found[at % 64, 7] = newest
    return found.view("V32")[:, 0]


def test_gloas_knows_its_newest_payload_by_hash_alone() -> None:
    payload = gloas(latest_execution_payload_bid=bid(block_hash=b"\1" * 32), execution_payload_availability=available(16000028)).payload
    assert payload.hash == sample("gloas").expected["latest_block_hash"]
    assert (payload.number, payload.parent) == (None, None)
    assert (payload.slot, payload.timestamp) == (16000028, 1606824023 + 6 * 16000028)
    stamp = payload.stamp()
    assert (stamp.number, stamp.hash, stamp.parent) == (0, payload.hash, "0x" + "00" * 32)


def test_gloas_payload_of_the_newest_bid_has_the_bid_s_parents() -> None:
    expected, payload = sample("gloas").expected, view_of("gloas").payload
    assert payload.hash == expected["latest_execution_payload_bid"]["block_hash"]
    assert (payload.slot, payload.timestamp) == (16000031, expected["genesis_time"] + 12 * 16000031)
    assert payload.beacon_root == expected["latest_block_header"]["parent_root"]
    assert payload.parent == plain(view_of("gloas")["latest_execution_payload_bid"]["parent_block_hash"])


def test_gloas_slots_without_a_block_have_no_payload_though_all_bits_are_set_at_the_fork() -> None:
    header = {**gloas()["latest_block_header"], "slot": 16000027}
    view = gloas(
        latest_execution_payload_bid=bid(slot=0),
        latest_block_header=header,
        execution_payload_availability=np.ones(64, np.bool_),
        block_roots=roots((16000028, 16000029, 16000030)),
    )
    assert view.payload.slot == 16000027
    assert view.payload.beacon_root == f"0x{16000026:064x}"


def test_gloas_takes_the_newest_slot_with_a_payload_and_a_block() -> None:
    view = gloas(
        latest_execution_payload_bid=bid(block_hash=b"\1" * 32),
        execution_payload_availability=available(16000019, 16000025, 16000026),
        block_roots=roots((16000025, 16000026)),
    )
    assert (view.payload.slot, view.payload.beacon_root) == (16000019, f"0x{16000018:064x}")


def test_gloas_without_any_delivery_names_the_oldest_slot_it_remembers() -> None:
    view = gloas(latest_execution_payload_bid=bid(block_hash=b"\1" * 32), execution_payload_availability=available(), block_roots=roots())
    assert (view.payload.slot, view.payload.beacon_root) == (16000031 - 64, None)


def test_gloas_takes_the_newest_block_s_payload_after_a_day_without_blocks() -> None:
    silent = roots(tuple(range(16000031 - 64, 16000031)))
    view = gloas(latest_execution_payload_bid=bid(slot=0), execution_payload_availability=available(16000031), block_roots=silent)
    assert view.payload.slot == 16000031
