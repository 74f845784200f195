"""Who signed, whatever wallet made the signature, and the order that a Safe wants."""

from __future__ import annotations

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from monitor.guardian.order import CURVE
from monitor.guardian.safe.signatures import BadSignature, Signature, approved, packed, prefixed, recover
from monitor.model import address

KEYS = [Account.from_key(bytes([i]) * 32) for i in range(1, 7)]
OWNERS = tuple(address(k.address) for k in KEYS)
DIGEST = b"\x07" * 32


def sign(key: int, digest: bytes = DIGEST) -> bytes:
    return bytes(KEYS[key].unsafe_sign_hash(digest).signature)


def with_v(raw: bytes, v: int) -> bytes:
    return raw[:64] + bytes([v])


def test_a_typed_signature_is_its_owners() -> None:
    found = recover(DIGEST, sign(2), OWNERS)
    assert (found.owner, found.kind, found.raw) == (OWNERS[2], "eip712", sign(2))


def test_a_wallet_that_gives_v_as_0_or_1_is_understood() -> None:
    raw = sign(1)
    assert recover(DIGEST, with_v(raw, raw[64] - 27), OWNERS).raw == raw


@pytest.mark.parametrize("adjusted", [True, False])
def test_what_eth_sign_made_gets_four_added(adjusted: bool) -> None:
    raw = sign(3, prefixed(DIGEST))
    found = recover(DIGEST, with_v(raw, raw[64] + 4 * adjusted), OWNERS)
    assert (found.owner, found.kind, found.raw) == (OWNERS[3], "eth_sign", with_v(raw, raw[64] + 4))


def test_the_same_signature_in_the_upper_half_is_the_same_owners() -> None:
    raw = sign(4)
    high = raw[:32] + (CURVE - int.from_bytes(raw[32:64], "big")).to_bytes(32, "big") + bytes([55 - raw[64]])
    assert recover(DIGEST, high, OWNERS).owner == OWNERS[4]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "has 65 bytes"),
        (sign(0) + b"\0", "has 65 bytes"),
        (with_v(sign(0), 26), "v is 26"),
        (sign(0, b"\x08" * 32), "who is no owner"),
        (sign(0)[:32] + b"\xff" * 32 + b"\x1b", "damaged"),
        (bytes(64) + b"\x1b", "nobody signed this"),
    ],
)
def test_what_is_no_owners_signature_is_refused_with_the_reason(raw: bytes, said: str) -> None:
    with pytest.raises(BadSignature, match=said):
        recover(DIGEST, raw, OWNERS)


def test_fewer_than_the_threshold_are_not_packed() -> None:
    twice = [recover(DIGEST, sign(0), OWNERS)] * 2
    with pytest.raises(BadSignature, match="1 of 2 signatures: 1 more"):
        packed(twice, 2)


@pytest.fixture(scope="module")
def recovered() -> list[Signature]:
    """Each owner's signature, recovered once: curves are slow."""
    return [recover(DIGEST, sign(i), OWNERS) for i in range(6)]


@given(signers=st.lists(st.integers(0, 5), min_size=3, max_size=12).filter(lambda s: len(set(s)) > 2), by_hash=st.sets(st.integers(0, 5)))
def test_packed_signatures_ascend_each_owner_once_and_are_no_more_than_needed(
    recovered: list[Signature], signers: list[int], by_hash: set[int]
) -> None:
    raw = packed([approved(OWNERS[i]) if i in by_hash else recovered[i] for i in signers], 3)
    of = {approved(o).raw: o for o in OWNERS} | {s.raw: s.owner for s in recovered}
    owners = [of[raw[i : i + 65]] for i in range(0, len(raw), 65)]
    assert len(owners) == 3 and owners == sorted(set(owners), key=lambda a: int(a, 16)) and set(owners) <= {OWNERS[i] for i in signers}
