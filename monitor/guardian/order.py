"""What sentinels sign: one order to pause one target, as EIP-712 typed data, and its signatures.

An order names the block that its decision was made on. The contract compares that block's hash with the chain, so an
order dies with a reorganisation and with age; the target's ``epoch`` makes it die with every pause, arming and change of
limits; chain and contract are in the domain. Signatures are 65 bytes (r, s, v), with low s, ascending by signer.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eth_abi.abi import encode
from eth_hash.auto import keccak

from monitor.model import Address, Hash, address

if TYPE_CHECKING:
    from monitor.guardian.keys import Key

NAME, VERSION = "Stakewarden Guardian", "1"
ORDER_TYPE = "Order(address target,uint64 epoch,bytes32 decision,uint64 observedBlock,bytes32 observedBlockHash)"
DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
ABI_TYPE = "(address,uint64,bytes32,uint64,bytes32)"
"""The struct as functions of the contract take it."""
SIGNATURE_BYTES = 65
CURVE = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""Order of secp256k1's group."""
_ORDER_HASH, _DOMAIN_HASH = keccak(ORDER_TYPE.encode()), keccak(DOMAIN_TYPE.encode())
_UINT64 = 1 << 64


class BadOrder(ValueError):
    """An order's field is not what its type allows."""


class BadSignature(ValueError):
    """Bytes that are no signature which the contract would take: why."""


@dataclass(frozen=True, slots=True)
class Order:
    """Pause ``target``, for what was seen at one block. ``decision``: keccak of the canonical decision file, 32 bytes. Raises BadOrder."""

    target: Address
    epoch: int
    decision: bytes
    observed_block: int
    observed_hash: Hash

    def __post_init__(self) -> None:
        if len(self.decision) != 32:
            raise BadOrder(f"a decision's digest has 32 bytes, not {len(self.decision)}")
        for name, value in (("epoch", self.epoch), ("observed block", self.observed_block)):
            if not 0 <= value < _UINT64:
                raise BadOrder(f"the {name} {value} does not fit into 64 bits")
        _hash(self.observed_hash)

    @property
    def struct(self) -> tuple[str, int, bytes, int, bytes]:
        """The values in the order of the contract's struct."""
        return self.target, self.epoch, self.decision, self.observed_block, _hash(self.observed_hash)

    def json(self) -> dict[str, Any]:
        """Plain JSON; numbers as numbers, bytes as 0x hex."""
        return {
            "target": self.target,
            "epoch": self.epoch,
            "decision": "0x" + self.decision.hex(),
            "observed_block": self.observed_block,
            "observed_hash": self.observed_hash,
        }


def read_order(value: Any) -> Order:
    """The order of plain JSON, as :meth:`Order.json` wrote it; a stranger may have written it. Raises BadOrder."""
    if not isinstance(value, Mapping) or value.keys() != {"target", "epoch", "decision", "observed_block", "observed_hash"}:
        raise BadOrder("an order has the keys target, epoch, decision, observed_block and observed_hash")
    if any(type(value[k]) is not int for k in ("epoch", "observed_block")):
        raise BadOrder("epoch and observed_block are whole numbers")
    try:
        target = address(value["target"])
    except (ValueError, TypeError):
        raise BadOrder("the target is not an address") from None
    observed = Hash("0x" + _hash(value["observed_hash"]).hex())
    return Order(target, value["epoch"], _hash(value["decision"]), value["observed_block"], observed)


# ---------------------------------------------------------------- EIP-712


def domain_separator(chain: int, guardian: Address) -> bytes:
    """What binds an order to one contract of one chain."""
    types = ["bytes32", "bytes32", "bytes32", "uint256", "address"]
    return keccak(encode(types, [_DOMAIN_HASH, keccak(NAME.encode()), keccak(VERSION.encode()), chain, guardian]))


def preimage(order: Order, chain: int, guardian: Address) -> bytes:
    """The 66 bytes whose keccak is signed: a signer that hashes by itself (web3signer) is given these and not the digest."""
    struct = keccak(encode(["bytes32", "address", "uint64", "bytes32", "uint64", "bytes32"], [_ORDER_HASH, *order.struct]))
    return b"\x19\x01" + domain_separator(chain, guardian) + struct


def digest(order: Order, chain: int, guardian: Address) -> bytes:
    """The order's identity on chain, and what its signatures are over."""
    return keccak(preimage(order, chain, guardian))


# ---------------------------------------------------------------- signatures


async def sign(order: Order, chain: int, guardian: Address, key: Key) -> bytes:
    """The key's signature. Raises what the key raises, and BadSignature when what it gave is not its own."""
    signature = await key.sign_bytes(preimage(order, chain, guardian))
    signer = recover(digest(order, chain, guardian), signature)
    if signer != key.address:
        raise BadSignature(f"the key of {key.address} gave a signature of {signer}")
    return signature


def recover(digest: bytes, signature: bytes) -> Address:
    """Who signed. Raises BadSignature for what the contract refuses: another length, v but 27 and 28, high s, no point of the curve."""
    from eth_keys.datatypes import Signature
    from eth_keys.exceptions import BadSignature as NoPoint
    from eth_utils.exceptions import ValidationError

    if len(signature) != SIGNATURE_BYTES:
        raise BadSignature(f"a signature has {SIGNATURE_BYTES} bytes, not {len(signature)}")
    if signature[64] not in (27, 28):
        raise BadSignature(f"v is 27 or 28, not {signature[64]}")
    if int.from_bytes(signature[32:64], "big") > CURVE // 2:
        raise BadSignature("s is in the upper half of the curve's order: the same signature could be written in two ways")
    try:
        key = Signature(signature[:64] + bytes([signature[64] - 27])).recover_public_key_from_msg_hash(digest)
    except (NoPoint, ValidationError, ValueError) as error:
        raise BadSignature(f"nobody signed this ({type(error).__name__})") from None
    return address(key.to_address())


def normal(digest: bytes, signature: bytes, signer: Address) -> bytes:
    """The one form that the contract takes of what a foreign signer gave (v as 0 and 1 or missing, high s). Raises BadSignature if it is not the signer's."""
    if not 64 <= len(signature) <= SIGNATURE_BYTES:
        raise BadSignature(f"a signature has {SIGNATURE_BYTES} bytes, not {len(signature)}")
    s = int.from_bytes(signature[32:64], "big")
    body = signature[:32] + min(s, (CURVE - s) % CURVE).to_bytes(32, "big")
    for v in (27, 28):
        candidate = body + bytes([v])
        try:
            if recover(digest, candidate) == signer:
                return candidate
        except BadSignature:
            continue
    raise BadSignature(f"the signature is not one of {signer}")


def pack(signatures: Mapping[Address, bytes]) -> bytes:
    """All signatures in one, ascending by signer as a number: the form that ``execute`` takes, in which nobody can count twice."""
    return b"".join(signatures[signer] for signer in sorted(signatures, key=lambda a: int(a, 16)))


def unpack(packed: bytes) -> list[bytes]:
    """The signatures of :func:`pack`. Raises BadSignature for another length."""
    if len(packed) % SIGNATURE_BYTES:
        raise BadSignature(f"{len(packed)} bytes are no whole number of signatures of {SIGNATURE_BYTES}")
    return [packed[i : i + SIGNATURE_BYTES] for i in range(0, len(packed), SIGNATURE_BYTES)]


def signers(digest: bytes, packed: bytes) -> list[Address]:
    """Who signed, ascending. Raises BadSignature for what the contract refuses, also for one signer twice and for another order."""
    found = [recover(digest, signature) for signature in unpack(packed)]
    if any(int(a, 16) >= int(b, 16) for a, b in itertools.pairwise(found)):
        raise BadSignature("the signatures are not ascending by signer, each once")
    return found


def live(signed: Iterable[tuple[Address, bytes]], sentinels: Mapping[Address, int], now: int) -> dict[Address, bytes]:
    """The signatures of sentinels that are not expired at block time ``now``. ``sentinels``: expiry of each, as the contract has it."""
    return {signer: signature for signer, signature in signed if sentinels.get(signer, 0) > now}


def _hash(value: object) -> bytes:
    try:
        found = bytes.fromhex(value[2:]) if isinstance(value, str) and value.startswith("0x") else b""
    except ValueError:
        found = b""
    if len(found) != 32:
        raise BadOrder("a hash is 32 bytes as 0x hex")
    return found
