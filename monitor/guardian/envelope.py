"""Transactions of type 2 (EIP-1559), signed by any key that signs bytes, also one that is not in this process.

The payload that is hashed and signed is ``0x02 || rlp([...])``; the signed one has the signature's three numbers behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from eth_hash.auto import keccak

from monitor.model import Address, Hash

if TYPE_CHECKING:
    from monitor.guardian.keys import Key

Item: TypeAlias = "bytes | Sequence[Item]"


@dataclass(frozen=True, slots=True)
class Transaction:
    """A call without ether, or the creation of a contract (``to`` is None). Fees are wei a unit of gas."""

    chain_id: int
    nonce: int
    to: Address | None
    data: bytes
    gas: int
    max_fee: int
    priority_fee: int

    @property
    def fields(self) -> list[Item]:
        numbers = (self.chain_id, self.nonce, self.priority_fee, self.max_fee, self.gas)
        return [*map(_number, numbers), bytes.fromhex((self.to or "0x")[2:]), b"", self.data, []]

    @property
    def unsigned(self) -> bytes:
        """What is hashed and signed."""
        return b"\x02" + rlp(self.fields)


async def sign_transaction(transaction: Transaction, key: Key) -> tuple[Hash, str]:
    """Hash and raw bytes (0x hex) of the signed transaction. Raises what the key raises."""
    signature = await key.sign_bytes(transaction.unsigned)
    r, s, parity = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big"), signature[64] - 27
    raw = b"\x02" + rlp([*transaction.fields, _number(parity), _number(r), _number(s)])
    return Hash("0x" + keccak(raw).hex()), "0x" + raw.hex()


def rlp(item: Item) -> bytes:
    """Recursive length prefix (Yellow Paper, appendix B) of bytes and of lists of them."""
    if isinstance(item, bytes):
        return item if len(item) == 1 and item[0] < 0x80 else _prefix(0x80, len(item)) + item
    body = b"".join(rlp(each) for each in item)
    return _prefix(0xC0, len(body)) + body


def _prefix(base: int, length: int) -> bytes:
    if length < 56:
        return bytes([base + length])
    size = _number(length)
    return bytes([base + 55 + len(size)]) + size


def _number(value: int) -> bytes:
    """Big-endian without leading zeros; nothing for zero."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")
