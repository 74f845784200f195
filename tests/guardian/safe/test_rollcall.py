"""Who can sign now: counted by signatures of a text that can do nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from eth_account import Account
from eth_account.messages import _hash_eip191_message, encode_typed_data
from eth_hash.auto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.guardian.keys import Signer
from monitor.guardian.safe.document import BadFile
from monitor.guardian.safe.rollcall import Answer, RollCall, load_answer, load_call, report
from monitor.guardian.safe.transaction import SafeTransaction
from monitor.model import address

KEYS = [Signer(Account.from_key(bytes([i]) * 32)) for i in range(1, 7)]
OWNERS = tuple(k.address for k in KEYS)
SAFE = address("0x" + "5a" * 20)
CALL = RollCall(1, SAFE, b"\x07" * 32, 1_000_000)


async def answer(key: int, after: int, call: RollCall = CALL) -> Answer:
    at = call.asked + after
    return Answer(f"answer-{key}", call.drill, at, await KEYS[key].sign_bytes(call.preimage(at)))


async def test_the_report_names_who_answered_who_did_not_and_the_time_to_the_threshold() -> None:
    found = report(CALL, [await answer(3, 600), await answer(0, 60), await answer(5, 900), await answer(0, 30)], OWNERS, 3, 1_001_000)
    assert found.answered == ((OWNERS[0], 30), (OWNERS[3], 600), (OWNERS[5], 900)) and found.seconds_to_threshold == 900
    assert found.missing == (OWNERS[1], OWNERS[2], OWNERS[4]) and not found.refused


async def test_too_few_answers_are_no_threshold() -> None:
    assert report(CALL, [await answer(0, 1), await answer(1, 2)], OWNERS, 3, 1_001_000).seconds_to_threshold is None


async def test_old_foreign_and_impossible_answers_do_not_count() -> None:
    other = RollCall(1, SAFE, b"\x08" * 32, CALL.asked)
    another_safe = RollCall(1, address("0x" + "5b" * 20), CALL.drill, CALL.asked)
    moved = await answer(2, 10)
    answers = [
        await answer(0, 10, other), await answer(1, -1), await answer(2, 10_000), await answer(3, 10, another_safe),
        Answer("moved", moved.drill, moved.answered - 5, moved.signature),
    ]  # fmt: skip
    found = report(CALL, answers, OWNERS[:4], 1, CALL.asked + 1000)
    assert not found.answered and [why.split(";")[0][:20] for _, why in found.refused] == [
        "it answers another r", "its time is before t", "its time is before t", found.refused[3][1][:20], found.refused[4][1][:20],
    ]  # fmt: skip
    assert all("who is no owner" in why for _, why in found.refused[3:])


def test_a_wallet_signs_the_same_as_we_do() -> None:
    assert keccak(CALL.preimage(5)) == _hash_eip191_message(encode_typed_data(full_message=CALL.typed_data(5)))


@given(
    st.integers(1, 2**60),
    st.binary(min_size=20, max_size=20),
    st.binary(min_size=32, max_size=32),
    st.integers(0, 2**60),
    st.binary(max_size=80),
)
@settings(max_examples=40, deadline=None)
def test_its_domain_is_never_that_of_a_safe(chain: int, safe: bytes, drill: bytes, asked: int, data: bytes) -> None:
    where = address("0x" + safe.hex())
    assert RollCall(chain, where, drill, asked).preimage(asked)[:34] != SafeTransaction(chain, where, 0, where, data).preimage[:34]


async def test_files_are_read_back_and_junk_is_refused(tmp_path: Path) -> None:
    given_answer = await answer(1, 5)
    (tmp_path / "call").write_text(CALL.as_json())
    (tmp_path / "answer").write_text(given_answer.as_json())
    assert load_call(tmp_path / "call") == CALL
    assert load_answer(tmp_path / "answer") == Answer(
        str(tmp_path / "answer"), *(getattr(given_answer, n) for n in ("drill", "answered", "signature"))
    )
    for text in ("", "[]", "{}", CALL.as_json().replace("1000000", "true"), CALL.as_json().replace("0x07", "07"), given_answer.as_json()):
        (tmp_path / "junk").write_text(text)
        with pytest.raises(BadFile, match="junk"):
            load_call(tmp_path / "junk")
