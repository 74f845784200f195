"""The files of the Safe flow: a transaction with what is known of it, and one owner's signature.

A file is a letter from somebody: its hash is computed again from its fields, its signatures are recovered again, and
nothing that it says of the chain is believed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from monitor.guardian.safe.transaction import SafeTransaction
from monitor.guardian.settings import AddressText
from monitor.model import Address, address

M = TypeVar("M", bound=BaseModel)
_MAX_FILE = 256 * 1024
_MAX_UINT = 2**256 - 1


class BadFile(Exception):
    """A file that cannot be used: which, what is wrong with it, and what to do."""


def _hex(text: str) -> str:
    try:
        if not text.startswith("0x"):
            raise ValueError
        return "0x" + bytes.fromhex(text[2:]).hex()
    except ValueError:
        raise ValueError("is not 0x hex") from None


def _plain(text: str) -> str:
    if not all(c.isprintable() for c in text):
        raise ValueError("holds characters that do not print: they could make a terminal show something else")
    return text


Plain = Annotated[str, Field(max_length=2000), AfterValidator(_plain)]
Hex = Annotated[str, Field(max_length=128 * 1024), AfterValidator(_hex)]
Uint = Annotated[int, Field(ge=0, le=_MAX_UINT)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Fields(_Strict):
    """The transaction under the names that Safes give to its fields, so that other tools take it too."""

    to: AddressText
    value: Uint
    data: Hex
    operation: Annotated[int, Field(ge=0, le=255)]
    safe_tx_gas: Uint = Field(alias="safeTxGas")
    base_gas: Uint = Field(alias="baseGas")
    gas_price: Uint = Field(alias="gasPrice")
    gas_token: AddressText = Field(alias="gasToken")
    refund_receiver: AddressText = Field(alias="refundReceiver")
    nonce: Uint


class _Prepared(_Strict):
    """What the chain was when the transaction was made: what has changed since makes it stale."""

    block: Uint
    timestamp: Uint
    owners: tuple[AddressText, ...] = Field(min_length=1, strict=False)
    threshold: Annotated[int, Field(ge=1)]
    version: Plain


class _Transaction(_Strict):
    kind: Literal["stakewarden-safe-transaction"]
    version: Literal[1]
    chain_id: Annotated[int, Field(gt=0)]
    safe: AddressText
    transaction: _Fields
    safe_tx_hash: Hex
    words: Plain
    reason: Plain
    prepared: _Prepared
    expires: Uint | None
    signatures: dict[AddressText, Hex]


class _Signature(_Strict):
    kind: Literal["stakewarden-safe-signature"]
    version: Literal[1]
    chain_id: Annotated[int, Field(gt=0)]
    safe: AddressText
    safe_tx_hash: Hex
    owner: AddressText
    signature: Hex


@dataclass(frozen=True, slots=True)
class Prepared:
    """Who owned the Safe at that block, and how many had to sign. ``timestamp``: of the block."""

    block: int
    timestamp: int
    owners: tuple[Address, ...]
    threshold: int
    version: str


@dataclass(frozen=True, slots=True)
class Document:
    """A transaction on its way. ``signatures``: by owner, not yet checked.

    ``words``, ``reason`` and ``expires`` are under no signature: what it does is decoded, and whoever holds the file can send it
    later than that by other means.
    """

    transaction: SafeTransaction
    prepared: Prepared
    words: str
    reason: str
    expires: int | None
    signatures: Mapping[Address, bytes]

    def signed(self, more: Mapping[Address, bytes]) -> Document:
        return replace(self, signatures={**self.signatures, **more})

    def as_json(self) -> str:
        """The file's text, the same for the same document."""
        t, p = self.transaction, self.prepared
        fields = {
            "to": t.to, "value": t.value, "data": "0x" + t.data.hex(), "operation": t.operation, "safeTxGas": t.safe_tx_gas,
            "baseGas": t.base_gas, "gasPrice": t.gas_price, "gasToken": t.gas_token, "refundReceiver": t.refund_receiver, "nonce": t.nonce,
        }  # fmt: skip
        prepared = {"block": p.block, "timestamp": p.timestamp, "owners": list(p.owners), "threshold": p.threshold, "version": p.version}
        signatures = {owner: "0x" + raw.hex() for owner, raw in sorted(self.signatures.items())}
        found = {
            "kind": "stakewarden-safe-transaction", "version": 1, "chain_id": t.chain_id, "safe": t.safe, "transaction": fields,
            "safe_tx_hash": "0x" + t.hash.hex(), "words": self.words, "reason": self.reason, "prepared": prepared,
            "expires": self.expires, "signatures": signatures,
        }  # fmt: skip
        return json.dumps(found, indent=1) + "\n"


@dataclass(frozen=True, slots=True)
class SignatureFile:
    """One owner's signature as it came. ``claimed``: whose it says it is; None for bare bytes."""

    source: str
    raw: bytes
    claimed: Address | None
    safe_tx_hash: bytes | None


def load(path: Path) -> Document:
    """A transaction's file. Raises BadFile, also when the hash in it is not that of its fields."""
    found = _parsed(path, _Transaction)
    f, p = found.transaction, found.prepared
    transaction = SafeTransaction(
        found.chain_id, Address(found.safe), f.nonce, Address(f.to), bytes.fromhex(f.data[2:]), f.value, f.operation, f.safe_tx_gas, f.base_gas,
        f.gas_price, Address(f.gas_token), Address(f.refund_receiver),
    )  # fmt: skip
    if "0x" + transaction.hash.hex() != found.safe_tx_hash:
        raise BadFile(
            f"{path}: its hash {found.safe_tx_hash} is not that of its fields (0x{transaction.hash.hex()}): the file was changed or damaged; "
            "do not sign it"
        )
    prepared = Prepared(p.block, p.timestamp, tuple(Address(o) for o in p.owners), p.threshold, p.version)
    signatures = {Address(o): bytes.fromhex(s[2:]) for o, s in found.signatures.items()}
    return Document(transaction, prepared, found.words, found.reason, found.expires, signatures)


def load_signatures(path: Path) -> list[SignatureFile]:
    """The signatures of a file: one of ours, a transaction's file with signatures in it, or bare 0x hex; that of an owner which is a contract with the
    owner's address before it. Raises BadFile."""
    text = _text(path).strip()
    if text.startswith("0x") and len(words := text.split()) == 2:
        try:
            return [SignatureFile(str(path), bytes.fromhex(words[1].removeprefix("0x")), address(words[0]), None)]
        except ValueError:
            raise BadFile(f"{path}: is not an owner's address and 0x hex") from None
    if text.startswith("0x"):
        try:
            return [SignatureFile(str(path), bytes.fromhex(text[2:]), None, None)]
        except ValueError:
            raise BadFile(f"{path}: is not 0x hex") from None
    if _kind(path, text) == "stakewarden-safe-transaction":
        document = load(path)
        return [SignatureFile(str(path), raw, owner, document.transaction.hash) for owner, raw in document.signatures.items()]
    found = _parsed(path, _Signature)
    raw, digest = bytes.fromhex(found.signature[2:]), bytes.fromhex(found.safe_tx_hash[2:])
    return [SignatureFile(str(path), raw, Address(found.owner), digest)]


def signature_json(transaction: SafeTransaction, owner: Address, raw: bytes) -> str:
    """The text of one owner's signature file."""
    found = {
        "kind": "stakewarden-safe-signature", "version": 1, "chain_id": transaction.chain_id, "safe": transaction.safe,
        "safe_tx_hash": "0x" + transaction.hash.hex(), "owner": owner, "signature": "0x" + raw.hex(),
    }  # fmt: skip
    return json.dumps(found, indent=1) + "\n"


def write(path: Path, text: str) -> None:
    """All of it or nothing. Raises BadFile."""
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.write_text(text, "utf-8")
        beside.replace(path)
    except OSError as error:
        raise BadFile(f"{path} cannot be written: {error.strerror or type(error).__name__}") from None


def read_json(path: Path) -> Any:
    """What a file of ours holds. Raises BadFile."""
    try:
        return json.loads(_text(path))
    except (ValueError, RecursionError):
        raise BadFile(f"{path}: is not JSON") from None


def _kind(path: Path, text: str) -> object:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise BadFile(f"{path}: is neither JSON nor 0x hex") from None
    return found.get("kind") if isinstance(found, dict) else None


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_FILE:
            raise BadFile(f"{path}: is larger than {_MAX_FILE} bytes")
        return path.read_text("utf-8")
    except OSError as error:
        raise BadFile(f"{path} cannot be read: {error.strerror or type(error).__name__}") from None
    except UnicodeError:
        raise BadFile(f"{path}: is not text") from None


def _parsed(path: Path, model: type[M]) -> M:
    try:
        return model.model_validate_json(_text(path))
    except ValidationError as wrong:
        problems = "; ".join(f"{'.'.join(str(p) for p in e['loc'])}: {e['msg'].removeprefix('Value error, ')}" for e in wrong.errors()[:5])
        raise BadFile(f"{path}: {problems}") from None
