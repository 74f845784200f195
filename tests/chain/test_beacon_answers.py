"""A beacon node may answer any JSON at all: it is read as the specification has it, or refused."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.chain.beacon import answers
from monitor.chain.beacon.blocks import block
from monitor.chain.errors import Malformed
from monitor.model import Hash
from monitor.model.beacon import Offence

ROOT = Hash("0x" + "ab" * 32)
KEYS = (
    "data", "root", "canonical", "header", "message", "slot", "proposer_index", "parent_root", "body", "proposer_slashings", "attester_slashings",
    "attestation_1", "attesting_indices", "current_justified", "finalized", "epoch", "is_syncing", "genesis_time", "SECONDS_PER_SLOT",
)  # fmt: skip
values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.text(max_size=6), st.sampled_from([ROOT, "7", "-1", "1e3", "٣", "9" * 21, str(2**64)])
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=5)),
    max_leaves=25,
)
READERS: tuple[Callable[[Any], Any], ...] = (
    answers.stated, answers.syncing, answers.checkpoints, answers.genesis, answers.constants, answers.forks, lambda a: block(a, ROOT),
)  # fmt: skip


@given(values)
def test_every_answer_is_read_or_refused(value: Any) -> None:
    for read in READERS:
        for answer in (value, {"data": value}, {"data": {"message": value}}):
            with contextlib.suppress(Malformed):
                read(answer)


@pytest.mark.parametrize("number", ["", " 7", "7 ", "+7", "0x7", "7.0", "1e3", "-0", "٣", 7, 7.0, True, None, [], str(2**64), "0" * 21])
def test_numbers_are_decimal_strings_of_64_bits(number: Any) -> None:
    with pytest.raises(Malformed, match="decimal string"):
        answers.decimal(number, "it")


def test_the_greatest_number_is_read() -> None:
    assert answers.decimal("18446744073709551615", "it") == 2**64 - 1


def signed(proposer: str) -> dict[str, Any]:
    return {"message": {"proposer_index": proposer}}


def body(**more: Any) -> Any:
    inner = {"proposer_slashings": [], "attester_slashings": [], **more}
    message = {"slot": "9", "proposer_index": "4", "parent_root": ROOT.upper().replace("X", "x"), "body": inner}
    return {"version": "fulu", "data": {"message": message, "signature": "0x"}, "new": {}}


def test_the_offences_of_a_block() -> None:
    votes = [{"attestation_1": {"attesting_indices": ["9", "11", "3"]}, "attestation_2": {"attesting_indices": ["11", "8", "9"]}}]
    found = block(
        body(proposer_slashings=[{"signed_header_1": signed("5"), "signed_header_2": signed("5")}], attester_slashings=votes), ROOT
    )
    assert (found.slot, found.proposer, found.parent, found.root) == (9, 4, ROOT, ROOT)
    assert found.offences == (Offence("proposal", (5,)), Offence("attestation", (9, 11)))


@pytest.mark.parametrize(
    "more",
    [
        {"proposer_slashings": None},
        {"attester_slashings": {}},
        {"proposer_slashings": [{"signed_header_1": signed("5"), "signed_header_2": signed("6")}]},
        {"proposer_slashings": [{"signed_header_1": signed("5")}]},
        {"attester_slashings": [{"attestation_1": {"attesting_indices": ["9", 11]}, "attestation_2": {"attesting_indices": []}}]},
        {"attester_slashings": [None]},
    ],
)
def test_a_body_whose_slashings_cannot_be_read_is_refused_and_not_taken_for_one_without(more: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        block(body(**more), ROOT)


def test_the_constants_and_forks_of_a_node() -> None:
    spec = answers.constants(
        {"data": {"PRESET_BASE": "mainnet", "SECONDS_PER_SLOT": "12", "BLOB_SCHEDULE": [{"EPOCH": "1"}], "NEW": "0x1"}}
    )
    assert (spec.preset_base, spec.slot_seconds) == ("mainnet", 12.0)
    with pytest.raises(Malformed, match="PRESET_BASE"):
        answers.constants({"data": {"PRESET_BASE": "other"}})
    later, never = {"current_version": "0x06000000", "epoch": "411392"}, {"current_version": "0x07000000", "epoch": str(2**64 - 1)}
    first = {"current_version": "0x00000000", "epoch": "0"}
    assert answers.forks({"data": [later, never, first]}) == ((0, "0x00000000"), (411392, "0x06000000"))


def test_a_header_without_the_newer_fields_is_canonical_and_judged() -> None:
    message = {"slot": "1", "proposer_index": "2", "parent_root": ROOT, "state_root": ROOT, "body_root": ROOT}
    found = answers.stated(orjson.loads(orjson.dumps({"data": {"root": ROOT, "header": {"message": message}}})))
    assert (found.canonical, found.optimistic, found.header.slot) == (True, False, 1)
