"""Owners' signatures of a Safe transaction: who signed, and the bytes in the form that the Safe checks.

``Safe.sol``, ``checkNSignatures``: 65 bytes each (r, s, v), ascending by owner. v is 27 or 28 for an EIP-712 signature of the hash,
31 or 32 for one made by ``eth_sign`` (of the hash with Ethereum's prefix), 1 for a hash that the owner approved on chain, with the owner in r, and
0 for an owner that is a contract, with the owner in r and in s the place, behind all of these, of the length and the bytes that the contract confirms.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from eth_hash.auto import keccak

from monitor.guardian.order import CURVE, BadSignature
from monitor.guardian.order import recover as signer_of
from monitor.model import Address

__all__ = ["BadSignature", "Kind", "Signature", "approved", "packed", "prefixed", "recover"]

Kind = Literal["eip712", "eth_sign", "approved", "contract"]
_LENGTH = 65
_ETH_SIGN = 4
"""What the Safe adds to v to tell a signature by eth_sign."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One owner's agreement. ``raw``: as the Safe takes it; of a contract the bytes that it confirms."""

    owner: Address
    kind: Kind
    raw: bytes


def recover(digest: bytes, raw: bytes, owners: Collection[Address], *, hash_name: str = "Safe transaction hash") -> Signature:
    """The signature of one of ``owners``, whichever way a wallet made it. Raises BadSignature.

    Wallets differ: some give v as 0 or 1, and what they sign by ``eth_sign`` has an ordinary v. Who signed decides.
    """
    if len(raw) != _LENGTH:
        raise BadSignature(f"a signature has {_LENGTH} bytes, this has {len(raw)}")
    v = raw[64]
    plain = {0: 27, 1: 28, 27: 27, 28: 28, 31: 27, 32: 28}.get(v)
    if plain is None:
        raise BadSignature(f"v is {v}; it must be 27 or 28 (EIP-712), or 31 or 32 (eth_sign)")
    kinds: tuple[Kind, ...] = ("eth_sign",) if v > 30 else ("eip712", "eth_sign")
    signers = []
    if int.from_bytes(raw[32:64], "big") >= CURVE:
        raise BadSignature("s is beyond the curve's order: the bytes are damaged")
    for kind in kinds:
        signer = _signer(digest if kind == "eip712" else prefixed(digest), raw[:64], plain)
        if signer in owners:
            return Signature(signer, kind, raw[:64] + bytes([plain + (_ETH_SIGN if kind == "eth_sign" else 0)]))
        signers.append(signer)
    raise BadSignature(
        f"it is by {' or '.join(signers)}, who is no owner; either somebody else signed, or another transaction was signed: "
        f"compare the {hash_name} 0x{digest.hex()}"
    )


def prefixed(digest: bytes) -> bytes:
    """What ``eth_sign`` really signs (EIP-191, version 0x45)."""
    return keccak(b"\x19Ethereum Signed Message:\n32" + digest)


def approved(owner: Address) -> Signature:
    """The agreement of an owner who called ``approveHash`` on chain."""
    return Signature(owner, "approved", bytes.fromhex(owner[2:]).rjust(32, b"\0") + bytes(32) + b"\x01")


def packed(signatures: Iterable[Signature], threshold: int) -> bytes:
    """The ``signatures`` argument: one an owner, ascending, exactly ``threshold`` of them. Raises BadSignature when there are fewer."""
    by_owner = {int(s.owner, 16): s for s in signatures}
    if len(by_owner) < threshold:
        raise BadSignature(f"{len(by_owner)} of {threshold} signatures: {threshold - len(by_owner)} more are needed")
    # An approved hash costs the chain a storage read, a signature a recovery: either is fine, so the first by address are taken.
    taken = [by_owner[k] for k in sorted(by_owner)[:threshold]]
    heads, behind = b"", b""
    for signature in taken:
        if signature.kind == "contract":
            place = _LENGTH * len(taken) + len(behind)
            heads += bytes.fromhex(signature.owner[2:]).rjust(32, b"\0") + place.to_bytes(32, "big") + b"\0"
            behind += len(signature.raw).to_bytes(32, "big") + signature.raw
        else:
            heads += signature.raw
    return heads + behind


def _signer(digest: bytes, r_s: bytes, v: int) -> Address:
    # The Safe takes s of the upper half too; written in the lower half it is the same owner's signature.
    s = int.from_bytes(r_s[32:], "big")
    low = s <= CURVE // 2
    return signer_of(digest, r_s[:32] + (s if low else CURVE - s).to_bytes(32, "big") + bytes([v if low else 55 - v]))
