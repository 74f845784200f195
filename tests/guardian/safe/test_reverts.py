"""Revert data in words, whatever a contract puts into it."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from monitor.guardian.safe.reverts import explain
from monitor.protocols.abi import selector


def text(said: str) -> bytes:
    return selector("Error(string)") + encode(["string"], [said])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (text("GS026"), "GS026: a signature is not by an owner"),
        (text("GS013"), "nonce and signatures stay good"),
        (text("no"), "it says 'no'"),
        (selector("SenderNotPauser()"), "not the registered pauser"),
        (selector("InvalidNewPausedStatus()"), "prepare it again"),
        (b"", "without a reason"),
        (b"\x01\x02\x03\x04", "0x01020304"),
        (text("x")[:-1], "0x08c379a0"),
    ],
)
def test_reasons_are_told(data: bytes, said: str) -> None:
    assert said in explain(data)


@given(st.text(max_size=60))
def test_what_a_contract_says_cannot_draw_on_the_terminal(said: str) -> None:
    assert explain(text(said)).isprintable()


@given(st.binary(max_size=120))
def test_any_bytes_are_explained(data: bytes) -> None:
    assert explain(data)
