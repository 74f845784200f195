"""An owner that is a contract: the bytes that it confirms count as its signature, when it confirms them as this Safe asks."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from eth_abi.abi import encode
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from monitor.guardian.node import Nodes
from monitor.guardian.person import Fees
from monitor.guardian.safe.contracts import claims, question
from monitor.guardian.safe.document import BadFile, Document, SignatureFile, load_signatures
from monitor.guardian.safe.flow import send
from monitor.guardian.safe.presigned import Presigned
from monitor.guardian.safe.signatures import Signature, approved, packed
from monitor.guardian.safe.transaction import SafeTransaction
from monitor.guardian.snapshot import take_snapshot
from monitor.model import Address, Call
from tests.guardian.safe.ground import OWNERS, Ground
from tests.guardian.safe.test_decode import GOOD
from tests.guardian.safe.test_flow import SENDER, a_pause, failing, looked_at, nodes, signed

__all__ = ["nodes"]
CODE = "36600060003736600020600154146016576000" + "6000fd5b60005460005260206000f3"
"""Answers with the word in slot 0 when the hash of what it is asked is in slot 1; else it reverts."""
BEFORE, FINAL = bytes.fromhex("20c13b0b"), bytes.fromhex("1626ba7e")
BYTES = b"three of its own owners agree" * 7
"""Longer than a word, and no multiple of one."""


def told(t: SafeTransaction, raw: bytes, form: bytes = BEFORE) -> bytes:
    """What the contract is asked, encoded here by hand."""
    if form == BEFORE:
        return BEFORE + encode(["bytes", "bytes"], [t.preimage, raw])
    return FINAL + encode(["bytes32", "bytes"], [t.hash, raw])


def an_owner(ground: Ground) -> Address:
    """A contract among the owners, which confirms nothing yet."""
    size = f"{len(CODE) // 2:02x}"
    found = ground.put(f"0x60{size}600c60003960{size}6000f3{CODE}")
    ground.by_safe("safe", "addOwnerWithThreshold", found, 3)
    return found


def confirms(ground: Ground, owner: Address, asked: bytes, answer: bytes = BEFORE) -> None:
    for slot, word in ((0, answer.ljust(32, b"\0")), (1, keccak(asked))):
        ground.anvil.rpc.call("anvil_setStorageAt", owner, hex(slot), "0x" + word.hex())
    ground.anvil.mine()


async def given_files(document: Document, owner: Address, raw: bytes = BYTES) -> list[SignatureFile]:
    return [*await signed(document, OWNERS[:2]), SignatureFile("contract", raw, owner, None)]


async def test_two_owners_and_a_contract_pause(ground: Ground, nodes: Nodes) -> None:
    """The Safe itself asks the contract the very bytes that we asked."""
    owner = an_owner(ground)
    document = await a_pause(ground, nodes)
    confirms(ground, owner, told(document.transaction, BYTES))
    found = await looked_at(ground, nodes, document, await given_files(document, owner))
    assert found.ready and sorted(s.kind for s in found.gathered.signatures) == ["contract", "eip712", "eip712"]
    kept = document.signed({s.owner: s.raw for s in found.gathered.signatures})
    again = await looked_at(ground, nodes, kept)
    assert again.ready, "collected into the file, it is asked again"
    assert await send(nodes, SENDER, again, Fees()) is not None and ground.call("vault", "isPaused")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda ground, owner, t: None, "does not confirm it"),
        (lambda ground, owner, t: confirms(ground, owner, told(t, BYTES + b"\0")), "does not confirm it"),
        (lambda ground, owner, t: confirms(ground, owner, told(t, BYTES), FINAL), "does not confirm it"),
        (lambda ground, owner, t: confirms(ground, owner, told(t, BYTES, FINAL), FINAL), r"asked isValidSignature\(bytes,bytes\)"),
        (lambda ground, owner, t: confirms(ground, owner, told(t, BYTES), BEFORE + b"\1"), "does not confirm it"),
    ],
    ids=["nothing", "other bytes", "the other form's answer", "the final form only", "more than the word"],
)  # fmt: skip
async def test_what_it_does_not_confirm_as_this_safe_asks_does_not_count(
    ground: Ground, nodes: Nodes, change: Callable[[Ground, Address, SafeTransaction], None], said: str
) -> None:
    owner = an_owner(ground)
    document = await a_pause(ground, nodes)
    change(ground, owner, document.transaction)
    found = await looked_at(ground, nodes, document, await given_files(document, owner))
    ((source, why),) = found.gathered.refused
    assert failing(found) == ["signed"] and source == "contract"
    assert re.search(said, why), why


async def test_who_is_no_owner_or_no_contract_is_not_asked(ground: Ground, nodes: Nodes) -> None:
    owner = an_owner(ground)
    document = await a_pause(ground, nodes)
    ground.by_safe("safe", "removeOwner", "0x" + "00" * 19 + "01", owner, 3)
    confirms(ground, owner, told(document.transaction, BYTES))
    files = [*await given_files(document, owner), SignatureFile("key", BYTES, OWNERS[4].address, None)]
    found = await looked_at(ground, nodes, document, files)
    assert [source for source, _ in found.gathered.refused] == ["contract", "key"] and len(found.gathered.signatures) == 2
    assert all("65 bytes" in why for _, why in found.gathered.refused)


async def test_a_pause_signed_in_advance_asks_the_contract_at_each_block(ground: Ground, nodes: Nodes) -> None:
    owner = an_owner(ground)
    document = await a_pause(ground, nodes)
    confirms(ground, owner, told(document.transaction, BYTES))
    found = await looked_at(ground, nodes, document, await given_files(document, owner))
    kept = Presigned("p", document.signed({s.owner: s.raw for s in found.gathered.signatures}))

    async def bad() -> list[str]:
        return [c.name for c in kept.judge(await take_snapshot(nodes, await nodes.newest(), kept.reads())) if not c.ok]

    assert await bad() == []
    confirms(ground, owner, b"another thing")
    assert await bad() == ["signed"]


@pytest.mark.parametrize(
    ("version", "form"), [("1.3.0", BEFORE), ("1.4.1", BEFORE), ("1.4.1+L2", BEFORE), ("1.5.0", FINAL), ("1.10.2", FINAL), ("1.1.1", None), ("2.0.0", None), ("", None)]
)  # fmt: skip
def test_each_version_asks_in_its_own_form(version: str, form: bytes | None) -> None:
    read = question(GOOD, version, OWNERS[0].address, BYTES)
    assert (None if read is None else read.what) == (None if form is None else Call(told(GOOD, BYTES, form)))
    assert read is None or read.caller == GOOD.safe


async def test_a_signature_by_a_key_is_no_claim_of_a_contract(ground: Ground, nodes: Nodes) -> None:
    document = await a_pause(ground, nodes)
    files = await signed(document, OWNERS[:1])
    assert claims(document, files) == [] and claims(document, [dataclasses.replace(files[0], claimed=OWNERS[1].address)]) != []


@given(
    st.lists(st.tuples(st.integers(1, 2**160 - 1), st.none() | st.binary(max_size=100)), min_size=3, max_size=6, unique_by=lambda o: o[0])
)
def test_bytes_of_contracts_stand_behind_all_heads_where_the_heads_say(owners: list[tuple[int, bytes | None]]) -> None:
    def one(number: int, raw: bytes | None) -> Signature:
        owner = Address(f"0x{number:040x}")
        return approved(owner) if raw is None else Signature(owner, "contract", raw)

    data = packed([one(*o) for o in owners], 3)
    end = 3 * 65
    for i, (number, raw) in enumerate(sorted(owners)[:3]):
        r, s, v = data[65 * i : 65 * i + 32], int.from_bytes(data[65 * i + 32 : 65 * i + 64], "big"), data[65 * i + 64]
        assert int.from_bytes(r, "big") == number and v == (1 if raw is None else 0)
        if raw is not None:
            assert s == end and data[s : s + 32] == len(raw).to_bytes(32, "big") and data[s + 32 : s + 32 + len(raw)] == raw
            end += 32 + len(raw)
    assert len(data) == end


def test_a_file_of_address_and_bytes_is_a_contracts_signature(tmp_path: Path) -> None:
    file = tmp_path / "c.sig"
    file.write_text(f"{OWNERS[0].address} 0x{BYTES.hex()}\n")
    assert load_signatures(file) == [SignatureFile(str(file), BYTES, OWNERS[0].address, None)]
    file.write_text("0x1234 0x00")
    with pytest.raises(BadFile, match="not an owner's address"):
        load_signatures(file)
