"""A signed transaction as it goes over the wire, taken apart: what a node's pool needs to know of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import rlp  # type: ignore[import-untyped]
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_hash.auto import keccak
from hexbytes import HexBytes

from monitor.devnet.upstream import Fails, failure

CREATION, INIT_WORD = 32_000, 2
ZERO_BYTE, OTHER_BYTE, FLOOR_TOKEN = 4, 16, 10
LISTED_ADDRESS, LISTED_KEY, AUTHORIZATION = 2400, 1900, 25_000
BASE = 21_000


@dataclass(frozen=True)
class Signed:
    """A transaction with its sender recovered. Fees and value in wei; ``chain`` is None for a legacy one without replay protection."""

    raw: bytes
    kind: int
    sender: str
    """Lower case, as all addresses here."""
    chain: int | None
    nonce: int
    gas: int
    max_fee: int
    tip: int
    to: str | None
    value: int
    data: bytes
    listed: tuple[int, int]
    """Addresses and storage keys in the access list."""
    authorizations: int
    extra: Mapping[str, Any]
    """What is told of it besides: signature and lists, as JSON-RPC names them."""

    @cached_property
    def hash(self) -> str:
        """Its name: keccak of the raw bytes, 0x hex."""
        return "0x" + keccak(self.raw).hex()

    @property
    def cost(self) -> int:
        """Wei that the sender must have for it to be valid."""
        return self.gas * self.max_fee + self.value

    def effective_tip(self, base_fee: int) -> int:
        """What the block's maker gets per gas, in wei; negative when it does not cover the base fee."""
        return min(self.tip, self.max_fee - base_fee)

    @property
    def intrinsic_gas(self) -> int:
        """Gas that is gone before the first instruction (yellow paper, g0; EIP-2028, 2930, 3860, 7702)."""
        zeros = self.data.count(0)
        creation = CREATION + INIT_WORD * ((len(self.data) + 31) // 32) if self.to is None else 0
        lists = self.listed[0] * LISTED_ADDRESS + self.listed[1] * LISTED_KEY + self.authorizations * AUTHORIZATION
        return BASE + creation + zeros * ZERO_BYTE + (len(self.data) - zeros) * OTHER_BYTE + lists

    @property
    def floor_gas(self) -> int:
        """The least that a transaction with such data pays (EIP-7623)."""
        zeros = self.data.count(0)
        return BASE + FLOOR_TOKEN * (zeros + 4 * (len(self.data) - zeros))

    def told(self) -> dict[str, Any]:
        """As JSON-RPC tells a transaction that is in no block."""
        fees = {"gasPrice": hex(self.max_fee)}
        if self.kind >= 2:
            fees |= {"maxFeePerGas": hex(self.max_fee), "maxPriorityFeePerGas": hex(self.tip)}
        chain = {} if self.chain is None else {"chainId": hex(self.chain)}
        return {
            "hash": self.hash, "type": hex(self.kind), "from": self.sender, "to": self.to, "nonce": hex(self.nonce), "gas": hex(self.gas),
            "value": hex(self.value), "input": "0x" + self.data.hex(), "blockHash": None, "blockNumber": None, "transactionIndex": None,
            **fees, **chain, **self.extra,
        }  # fmt: skip


def read(text: object) -> Signed:
    """A raw transaction from ``eth_sendRawTransaction``. Raises :class:`Fails` in geth's words."""
    try:
        raw = bytes.fromhex(str(text).removeprefix("0x"))
    except ValueError as error:
        raise failure(
            -32602, "invalid argument 0: json: cannot unmarshal invalid hex string into Go value of type hexutil.Bytes"
        ) from error
    if len(raw) < 2:
        raise failure(-32000, "typed transaction too short")
    if raw[0] < 0x80 and raw[0] not in (1, 2, 3, 4):
        raise failure(-32000, "transaction type not supported")
    try:
        return _legacy(raw) if raw[0] >= 0x80 else _typed(raw)
    except Fails:
        raise
    except Exception as error:  # each library on the way has its own errors for bytes that are no transaction
        raise failure(-32000, "rlp: value size exceeds available input length") from error


def _typed(raw: bytes) -> Signed:
    if raw[0] == 3:
        raise failure(-32000, "transaction type not supported: tx type 3 not supported by this pool")
    fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
    access = fields.get("accessList", ())
    listed = (len(access), sum(len(entry["storageKeys"]) for entry in access))
    max_fee = int(fields.get("maxFeePerGas", fields.get("gasPrice", 0)))
    extra = {
        "accessList": [{"address": _hex(e["address"]), "storageKeys": [_hex(key) for key in e["storageKeys"]]} for e in access],
        "yParity": hex(fields["v"]), "v": hex(fields["v"]), "r": hex(fields["r"]), "s": hex(fields["s"]),
    }  # fmt: skip
    return Signed(
        raw, raw[0], Account.recover_transaction(raw).lower(), int(fields["chainId"]), int(fields["nonce"]), int(fields["gas"]), max_fee,
        int(fields.get("maxPriorityFeePerGas", max_fee)), _address(bytes(HexBytes(fields["to"]))), int(fields["value"]),
        bytes(HexBytes(fields["data"])), listed, len(fields.get("authorizationList", ())), extra,
    )  # fmt: skip


def _legacy(raw: bytes) -> Signed:
    nonce, price, gas, to, value, data, v, r, s = rlp.decode(raw)
    number = int.from_bytes(v, "big")
    signature = {"v": hex(number), "r": "0x" + r.hex(), "s": "0x" + s.hex()}
    fee = int.from_bytes(price, "big")
    return Signed(
        raw, 0, Account.recover_transaction(raw).lower(), (number - 35) // 2 if number >= 35 else None, int.from_bytes(nonce, "big"),
        int.from_bytes(gas, "big"), fee, fee, _address(to), int.from_bytes(value, "big"), data, (0, 0), 0, signature,
    )  # fmt: skip


def _address(data: bytes) -> str | None:
    return "0x" + data.hex() if data else None


def _hex(value: Any) -> str:
    return "0x" + bytes(HexBytes(value)).hex()
