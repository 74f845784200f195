"""Block roots, and which slots were missed."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.chain.beacon.columns import StateColumns
from monitor.chain.beacon.roots import NotInState, block_root, header_root, latest_block_root, missed_slots
from monitor.chain.beacon.spec import MINIMAL
from monitor.chain.beacon.state import decode
from monitor.model import Hash
from tests.chain.beacon_states import SAMPLES, SampleName, assemble, sample

LENGTH = 64
BLOCK_ROOTS = 176
"""Where the ring of block roots begins in every preset; the minimal one has 64."""


def columns_of(name: SampleName) -> StateColumns:
    return decode(sample(name).data, sample(name).spec).columns()


@pytest.mark.parametrize("name", SAMPLES)
def test_the_newest_block_s_root_is_its_header_s_with_the_state_root(name: SampleName) -> None:
    expected = sample(name).expected
    view = decode(sample(name).data, sample(name).spec)
    assert latest_block_root(view, expected["hash_tree_root"]) == expected["latest_block_root_with_state_root_filled_in"]


def test_a_state_root_that_is_filled_in_is_kept() -> None:
    header = {"slot": 5, "proposer_index": 6, "parent_root": b"\1" * 32, "state_root": b"\2" * 32, "body_root": b"\3" * 32}
    assert latest_block_root({"latest_block_header": header}, Hash("0x" + "ff" * 32)) == header_root(header)


def test_a_header_is_hashed_as_a_tree_of_eight_leaves() -> None:
    def pair(left: bytes, right: bytes) -> bytes:
        return hashlib.sha256(left + right).digest()

    header = {"slot": 2**64 - 1, "proposer_index": 1, "parent_root": b"\1" * 32, "state_root": b"\2" * 32, "body_root": b"\3" * 32}
    numbers = pair(b"\xff" * 8 + bytes(24), b"\1" + bytes(31))
    left = pair(numbers, pair(b"\1" * 32, b"\2" * 32))
    right = pair(pair(b"\3" * 32, bytes(32)), pair(bytes(32), bytes(32)))
    assert header_root(header) == "0x" + pair(left, right).hex()


@pytest.mark.parametrize("name", SAMPLES)
def test_checkpoints_and_parent_are_found_among_the_block_roots(name: SampleName) -> None:
    columns = columns_of(name)
    assert block_root(columns, columns.slot - 1) == sample(name).expected["latest_block_header"]["parent_root"]
    for checkpoint in (columns.previous_justified, columns.current_justified, columns.finalized):
        assert block_root(columns, checkpoint.epoch * columns.spec.slots_per_epoch) == checkpoint.root


@pytest.mark.parametrize("name", SAMPLES)
def test_the_samples_missed_no_slot(name: SampleName) -> None:
    columns = columns_of(name)
    assert missed_slots(columns, columns.epoch) == missed_slots(columns, columns.epoch - 1) == ()


def chain(slot: int, blocks: set[int]) -> StateColumns:
    """A minimal state at a slot of a chain with blocks in these slots (and at genesis). A block's root is its slot plus one."""
    roots = np.zeros((LENGTH, 8), ">u4")
    newest = 0
    for at in range(slot):
        newest = at if at in blocks else newest
        roots[at % LENGTH, 7] = newest + 1
    header = max((at for at in blocks if at <= slot), default=0)
    fixed = {40: slot.to_bytes(8, "little"), 64: header.to_bytes(8, "little"), BLOCK_ROOTS: roots.tobytes()}
    return decode(assemble("fulu-minimal", {}, fixed=fixed), MINIMAL, slot=slot).columns()


@given(slot=st.integers(0, 200), pattern=st.binary(min_size=26, max_size=26))
def test_missed_slots_are_those_without_a_block(slot: int, pattern: bytes) -> None:
    blocks = {at for at in range(1, slot + 1) if pattern[at // 8] >> at % 8 & 1}
    columns = chain(slot, blocks)
    for epoch in range(slot // 8 + 2):
        first, last = max(1, 8 * epoch), 8 * epoch + 7
        if slot - LENGTH <= first - 1 and last <= slot:
            assert missed_slots(columns, epoch) == tuple(at for at in range(first, last + 1) if at not in blocks)
        else:
            with pytest.raises(NotInState, match=f"the state of slot {slot} remembers"):
                missed_slots(columns, epoch)


def test_the_state_s_own_slot_is_missed_when_its_newest_block_is_older() -> None:
    every = set(range(1, 104))
    assert missed_slots(chain(103, every), 12) == ()
    assert missed_slots(chain(103, every - {103}), 12) == (103,)
    assert missed_slots(chain(103, every - {101, 102, 103}), 12) == (101, 102, 103)


def test_a_block_root_is_that_of_the_newest_block_at_or_before_the_slot() -> None:
    columns = chain(103, {90, 95})
    assert [int(block_root(columns, slot), 16) - 1 for slot in (90, 94, 95, 102)] == [90, 90, 95, 95]
    for slot in (38, 103, 104, -1):
        with pytest.raises(NotInState, match=f"block root of slot {slot}: the state of slot 103 remembers slots 39 to 102"):
            block_root(columns, slot)
