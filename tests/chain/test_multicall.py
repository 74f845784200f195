"""Our coding of aggregate3 is the ABI's."""

from __future__ import annotations

import time

from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode
from hypothesis import given
from hypothesis import strategies as st

from monitor.chain.multicall import SELECTOR, decode, encode
from monitor.model import address

calls = st.lists(st.tuples(st.integers(0, 2**160 - 1).map(lambda n: address(f"0x{n:040x}")), st.binary(max_size=100)), max_size=12)


@given(calls)
def test_calls_are_encoded_as_the_abi_says(given_calls: list[tuple[str, bytes]]) -> None:
    expected = abi_encode(["(address,bool,bytes)[]"], [[(target, True, data) for target, data in given_calls]])
    assert encode(given_calls) == SELECTOR + expected  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=100)), max_size=12))
def test_results_are_decoded_as_the_abi_says(results: list[tuple[bool, bytes]]) -> None:
    encoded = abi_encode(["(bool,bytes)[]"], [results])
    assert decode(encoded, len(results)) == list(abi_decode(["(bool,bytes)[]"], encoded)[0])


def test_five_hundred_calls_take_a_few_milliseconds() -> None:
    many = [(address(f"0x{i:040x}"), i.to_bytes(36, "big")) for i in range(500)]
    answer = abi_encode(["(bool,bytes)[]"], [[(True, data) for _, data in many]])
    started = time.process_time()
    encode(many)
    decode(answer, 500)
    assert time.process_time() - started < 0.05
