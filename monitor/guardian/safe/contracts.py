"""Owners that are contracts: what each says of a signature that was given for it (EIP-1271), asked as the Safe itself asks.

Safe 1.3.0 and 1.4.1 ask the form from before EIP-1271 was final, ``isValidSignature(bytes,bytes)`` with the 66 bytes whose hash is signed; 1.5.0 asks the final one,
``isValidSignature(bytes32,bytes)`` with the hash (``Safe.sol``, ``checkContractSignature``). A contract that knows only the other form cannot sign for
that Safe, however valid its signature is elsewhere: it can still approve the hash on chain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from monitor.guardian.safe.document import Document, SignatureFile
from monitor.guardian.safe.signatures import BadSignature, Signature, recover
from monitor.guardian.safe.transaction import SafeTransaction
from monitor.model import Address, Call, Failed, Read, Reverted, Snapshot, Unanswered, Value
from monitor.protocols.abi import Function

BEFORE = Function.parse("function isValidSignature(bytes data, bytes signature) view returns (bytes4)")
FINAL = Function.parse("function isValidSignature(bytes32 hash, bytes signature) view returns (bytes4)")
_MOST_BYTES = 16 * 1024
_FIRST_FINAL = (1, 5, 0)

Confirmed = Mapping[tuple[Address, bytes], Signature | str]
"""By owner and bytes: the signature, or why it is none."""


def claims(document: Document, files: Iterable[SignatureFile]) -> list[tuple[Address, bytes]]:
    """Bytes that are said to be by an owner who has not signed with a key: what only a contract could confirm."""
    inside = [SignatureFile("", raw, owner, document.transaction.hash) for owner, raw in document.signatures.items()]
    found = (
        (file.claimed, file.raw)
        for file in (*inside, *files)
        if file.claimed is not None and len(file.raw) <= _MOST_BYTES and not _by_key(document.transaction, file)
    )
    return list(dict.fromkeys(found))


def question(t: SafeTransaction, version: str, owner: Address, raw: bytes) -> Read | None:
    """What the Safe would ask the owner; None for a Safe whose version does not tell how it asks."""
    asked = _asks(version)
    if asked is None:
        return None
    what: Any = t.hash if asked is FINAL else t.preimage
    return Read(owner, Call(asked.call(what, raw).data), caller=t.safe)


def confirmed(t: SafeTransaction, version: str, claimed: Iterable[tuple[Address, bytes]], snapshot: Snapshot) -> Confirmed:
    """What each owner says of what is claimed for it. Raises Unanswered where nobody could ask it."""
    return {(owner, raw): _said(t, version, owner, raw, snapshot) for owner, raw in claimed}


def _said(t: SafeTransaction, version: str, owner: Address, raw: bytes, snapshot: Snapshot) -> Signature | str:
    read = question(t, version, owner, raw)
    if read is None:
        return (
            f"a Safe of version {version or 'unknown'} is not known here, nor how it asks contracts: let {owner} approve the hash on chain"
        )
    answer = snapshot.answers.get(read, Failed("was not asked"))
    if isinstance(answer, Reverted) or (isinstance(answer, Value) and answer.data != _yes(version)):
        asked = _asks(version)
        form = asked.signature if asked else ""
        return f"{owner} does not confirm it when it is asked {form}, as this Safe (version {version}) asks"
    if not isinstance(answer, Value):
        raise Unanswered(f"whether {owner} confirms its signature", answer)
    return Signature(owner, "contract", raw)


def _by_key(t: SafeTransaction, file: SignatureFile) -> bool:
    try:
        return recover(t.hash, file.raw, (file.claimed,) if file.claimed else ()).owner == file.claimed
    except BadSignature:
        return False


def _asks(version: str) -> Function | None:
    try:
        numbers = tuple(int(part) for part in version.partition("+")[0].split("."))
    except ValueError:
        return None
    if len(numbers) != 3 or numbers < (1, 3, 0) or numbers[0] != 1:
        return None
    return FINAL if numbers >= _FIRST_FINAL else BEFORE


def _yes(version: str) -> bytes:
    """The function's own selector, in a word: the Safe takes nothing else."""
    asked = _asks(version)
    return b"" if asked is None else asked.selector.ljust(32, b"\0")
