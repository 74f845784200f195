"""The files of the Safe flow: what is written is read back, and what was changed on the way is found."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.guardian.safe.document import BadFile, Document, Prepared, load, load_signatures, signature_json, write
from monitor.model import Address
from tests.guardian.safe.test_transaction import accounts, transactions, uints

OWNER = Address("0x" + "11" * 20)
printable = st.text(max_size=30).filter(str.isprintable)
documents = st.builds(
    Document, transactions, st.builds(Prepared, uints, uints, st.lists(accounts, min_size=1, max_size=3).map(tuple), st.integers(1, 9), st.just("1.4.1")),
    printable, printable, st.none() | uints, st.dictionaries(accounts, st.binary(max_size=65), max_size=2),
)  # fmt: skip


@given(documents)
@settings(max_examples=40, deadline=None)
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, document: Document) -> None:
    path = tmp_path_factory.mktemp("safe") / "tx.json"
    write(path, document.as_json())
    assert load(path) == document


@pytest.fixture
def given_file(tmp_path: Path) -> Path:
    from tests.guardian.safe.test_decode import GOOD

    prepared = Prepared(100, 1_700_000_000, (OWNER,), 1, "1.4.1")
    write(tmp_path / "tx.json", Document(GOOD, prepared, "pauses the queue", "", None, {}).as_json())
    return tmp_path / "tx.json"


def changed(path: Path, *keys: str, value: Any) -> Path:
    found = json.loads(path.read_text())
    inner = found
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    path.write_text(json.dumps(found))
    return path


@pytest.mark.parametrize(("field", "value"), [("value", 1), ("operation", 1), ("nonce", 8), ("data", "0x00"), ("to", "0x" + "99" * 20)])
def test_one_changed_field_does_not_fit_the_hash(given_file: Path, field: str, value: Any) -> None:
    with pytest.raises(BadFile, match="is not that of its fields"):
        load(changed(given_file, "transaction", field, value=value))


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        (("transaction", "value"), 1.0, "transaction.value"),
        (("transaction", "value"), -1, "transaction.value"),
        (("transaction", "value"), True, "transaction.value"),
        (("safe",), "0x12", "safe: is not an address"),
        (("transaction", "data"), "00", "is not 0x hex"),
        (("surprise",), 1, "surprise"),
        (("version",), 2, "version"),
        (("words",), "pauses\x1b[2K\rnothing", "do not print"),
        (("reason",), "line\nSafe tx hash 0x00", "do not print"),
        (("kind",), "other", "kind"),
        (("prepared", "owners"), [], "prepared.owners"),
    ],
)
def test_what_is_no_file_of_ours_is_refused_by_name(given_file: Path, keys: tuple[str, ...], value: Any, said: str) -> None:
    with pytest.raises(BadFile, match=said):
        load(changed(given_file, *keys, value=value))


@given(st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_junk_is_refused_and_nothing_else_happens(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    path = tmp_path_factory.mktemp("junk") / "f"
    path.write_bytes(junk)
    with pytest.raises(BadFile):
        load(path)
    try:
        load_signatures(path)
    except BadFile:
        return
    assert junk.strip().startswith(b"0x")


def test_a_file_that_is_missing_or_huge_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="cannot be read"):
        load(tmp_path / "none.json")
    (tmp_path / "huge").write_bytes(b" " * 300_000)
    with pytest.raises(BadFile, match="larger than"):
        load(tmp_path / "huge")


def test_signatures_come_as_our_file_as_bare_hex_and_inside_the_transaction(given_file: Path, tmp_path: Path) -> None:
    document = load(given_file)
    (tmp_path / "bare").write_text("0x" + "22" * 65 + "\n")
    write(tmp_path / "ours.json", signature_json(document.transaction, OWNER, b"\x33" * 65))
    write(tmp_path / "signed.json", document.signed({OWNER: b"\x44" * 65}).as_json())
    digest = document.transaction.hash
    (bare,), (ours,), (inside,) = (load_signatures(tmp_path / n) for n in ("bare", "ours.json", "signed.json"))
    assert (bare.raw, bare.claimed, bare.safe_tx_hash) == (b"\x22" * 65, None, None)
    assert (ours.raw, ours.claimed, ours.safe_tx_hash) == (b"\x33" * 65, OWNER, digest)
    assert (inside.raw, inside.claimed, inside.safe_tx_hash) == (b"\x44" * 65, OWNER, digest)


def test_more_signatures_change_nothing_else(given_file: Path) -> None:
    document = load(given_file)
    assert dataclasses.replace(document.signed({OWNER: b"\x01"}), signatures={}) == document
