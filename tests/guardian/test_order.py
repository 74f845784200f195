"""Orders are what EIP-712 says, and only signatures that the contract would take are taken."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import _hash_eip191_message, encode_typed_data
from eth_hash.auto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.guardian import envelope
from monitor.guardian.keys import Signer
from monitor.guardian.order import (
    CURVE,
    BadOrder,
    BadSignature,
    Order,
    digest,
    live,
    normal,
    pack,
    preimage,
    read_order,
    recover,
    sign,
    signers,
    unpack,
)
from monitor.model import Address, Hash, address

ACCOUNTS = [Account.from_key(bytes([i]) * 32) for i in range(1, 6)]
ADDRESSES = [address(a.address) for a in ACCOUNTS]
words = st.binary(min_size=32, max_size=32)
places = st.binary(min_size=20, max_size=20).map(lambda b: address("0x" + b.hex()))
small = st.integers(0, 2**64 - 1)
orders = st.builds(Order, places, small, words, small, words.map(lambda b: Hash("0x" + b.hex())))
ORDER = Order(ADDRESSES[0], 7, b"\x05" * 32, 123, Hash("0x" + "0a" * 32))
CHAIN, PLACE = 31337, ADDRESSES[4]
DIGEST = digest(ORDER, CHAIN, PLACE)


def typed(order: Order, chain: int, guardian: Address) -> dict[str, Any]:
    """The order as wallets are given it."""
    fields = {"target": "address", "epoch": "uint64", "decision": "bytes32", "observedBlock": "uint64", "observedBlockHash": "bytes32"}
    domain = {"name": "string", "version": "string", "chainId": "uint256", "verifyingContract": "address"}
    return {
        "types": {
            "EIP712Domain": [{"name": n, "type": t} for n, t in domain.items()],
            "Order": [{"name": n, "type": t} for n, t in fields.items()],
        },
        "primaryType": "Order",
        "domain": {"name": "Stakewarden Guardian", "version": "1", "chainId": chain, "verifyingContract": guardian},
        "message": dict(zip(fields, order.struct, strict=True)),
    }


def signature(i: int, of: bytes = DIGEST) -> bytes:
    return bytes(ACCOUNTS[i].unsafe_sign_hash(of).signature)


@settings(max_examples=60, deadline=None)
@given(orders, st.integers(1, 2**64), places)
def test_the_digest_is_what_wallets_compute(order: Order, chain: int, guardian: Address) -> None:
    message = encode_typed_data(full_message=typed(order, chain, guardian))
    assert digest(order, chain, guardian) == _hash_eip191_message(message)
    assert preimage(order, chain, guardian) == b"\x19" + message.version + message.header + message.body


@settings(max_examples=60, deadline=None)
@given(orders)
def test_orders_survive_json(order: Order) -> None:
    assert read_order(order.json()) == order


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70) | st.just("0x" + "11" * 32) | st.just("0x" + "22" * 20),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from([*ORDER.json(), "more"]), inner, max_size=6),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(json_values)
def test_a_strangers_json_is_an_order_or_refused(value: Any) -> None:
    try:
        found = read_order(value)
    except BadOrder:
        return
    assert read_order(found.json()) == found


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": -1}, {"epoch": 2**64}, {"epoch": True}, {"epoch": "7"}, {"observed_block": 1.0}, {"decision": "0x12"},
        {"decision": "12" * 32}, {"observed_hash": "0x" + "zz" * 32}, {"target": "0x12"}, {"target": None}, {"more": 1},
    ],
)  # fmt: skip
def test_what_is_no_order_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadOrder):
        read_order({**ORDER.json(), **change})


@pytest.mark.parametrize("change", [{"epoch": 8}, {"observed_block": 124}, {"target": ADDRESSES[1]}, {"decision": b"\x06" * 32}])
def test_every_field_chain_and_contract_is_bound(change: dict[str, Any]) -> None:
    other = Order(**{**{n: getattr(ORDER, n) for n in Order.__slots__}, **change})
    assert digest(other, CHAIN, PLACE) != DIGEST
    assert digest(ORDER, CHAIN + 1, PLACE) != DIGEST and digest(ORDER, CHAIN, ADDRESSES[3]) != DIGEST


# ---------------------------------------------------------------- signatures


async def test_a_key_signs_what_recovers_to_it() -> None:
    for account in ACCOUNTS:
        found = await sign(ORDER, CHAIN, PLACE, Signer(account))
        assert recover(DIGEST, found) == account.address


async def test_a_key_that_signs_something_else_is_found_out() -> None:
    class Wrong:
        address = ADDRESSES[0]

        async def sign_bytes(self, preimage: bytes) -> bytes:
            return signature(1, keccak(preimage))

    with pytest.raises(BadSignature, match="gave a signature of"):
        await sign(ORDER, CHAIN, PLACE, Wrong())


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (signature(0)[:64], "65 bytes"),
        (signature(0) + b"\x00", "65 bytes"),
        (signature(0)[:64] + b"\x00", "27 or 28"),
        (signature(0)[:64] + b"\x1d", "27 or 28"),
        (signature(0)[:32] + (CURVE - 1).to_bytes(32, "big") + b"\x1b", "upper half"),
        (b"\x00" * 64 + b"\x1b", "nobody"),
        (b"\xff" * 32 + signature(0)[32:], "nobody"),
    ],
)
def test_what_the_contract_refuses_is_no_signature(broken: bytes, said: str) -> None:
    with pytest.raises(BadSignature, match=said):
        recover(DIGEST, broken)


def test_a_flipped_signature_is_high_and_refused_and_normal_makes_it_low() -> None:
    r, s, v = signature(0)[:32], int.from_bytes(signature(0)[32:64], "big"), signature(0)[64]
    flipped = r + (CURVE - s).to_bytes(32, "big") + bytes([55 - v])
    with pytest.raises(BadSignature, match="upper half"):
        recover(DIGEST, flipped)
    assert normal(DIGEST, flipped, ADDRESSES[0]) == signature(0)


def test_every_way_of_writing_v_is_made_normal() -> None:
    own = signature(0)
    for written in (own, own[:64], own[:64] + bytes([own[64] - 27]), own[:64] + b"\x25"):
        assert normal(DIGEST, written, ADDRESSES[0]) == own
    for foreign in (signature(1), b"\x00" * 65, own[:63], own + own):
        with pytest.raises(BadSignature):
            normal(DIGEST, foreign, ADDRESSES[0])


@given(st.sets(st.integers(0, 4), min_size=1))
@settings(max_examples=20, deadline=None)
def test_packed_signatures_are_ascending_and_come_back(which: set[int]) -> None:
    packed = pack({ADDRESSES[i]: signature(i) for i in which})
    found = signers(DIGEST, packed)
    assert set(found) == {ADDRESSES[i] for i in which}
    assert all(int(a, 16) < int(b, 16) for a, b in itertools.pairwise(found))
    assert b"".join(unpack(packed)) == packed


def test_signatures_out_of_order_twice_or_cut_are_refused() -> None:
    good = unpack(pack({ADDRESSES[i]: signature(i) for i in range(3)}))
    for bad in (b"".join(reversed(good)), good[0] * 2, b"".join(good)[:-1]):
        with pytest.raises(BadSignature):
            signers(DIGEST, bad)
    other = digest(ORDER, CHAIN + 1, PLACE)
    assert recover(other, good[0]) not in ADDRESSES


def test_expired_and_foreign_signers_do_not_count() -> None:
    signed = [(ADDRESSES[i], signature(i)) for i in range(4)]
    sentinels = {ADDRESSES[0]: 101, ADDRESSES[1]: 100, ADDRESSES[2]: 99}
    assert set(live(signed, sentinels, 100)) == {ADDRESSES[0]}


# ---------------------------------------------------------------- transactions


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 2**40), st.integers(0, 2**32), places, st.binary(max_size=400), st.integers(21_000, 2**24),
    st.integers(0, 2**50), st.integers(0, 2**50), st.integers(0, 4),
)  # fmt: skip
async def test_transactions_are_what_wallets_sign(
    chain: int, nonce: int, to: Address, data: bytes, gas: int, fee: int, tip: int, who: int
) -> None:
    made = envelope.Transaction(chain, nonce, to, data, gas, fee, tip)
    hash, raw = await envelope.sign_transaction(made, Signer(ACCOUNTS[who]))
    wallet = ACCOUNTS[who].sign_transaction(
        {"type": 2, "chainId": chain, "nonce": nonce, "to": to, "value": 0, "data": data, "gas": gas, "maxFeePerGas": fee,
         "maxPriorityFeePerGas": tip}
    )  # fmt: skip
    assert raw == "0x" + wallet.raw_transaction.hex() and hash == "0x" + wallet.hash.hex()
