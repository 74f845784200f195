"""A Safe's transaction and the hash that its owners sign, computed from the fields alone.

Nothing of what an interface shows goes in here: at Bybit the interface showed one transaction and the owners' devices signed
another. The hash is EIP-712 (eip712.md, "Specification") over the type below, as in Safe 1.3.0 and later (``Safe.sol``,
``encodeTransactionData``): domain of chain and Safe, no name and no version.
"""

from __future__ import annotations

from dataclasses import dataclass

from eth_hash.auto import keccak

from monitor.model import Address
from monitor.protocols.abi import Function

CALL, DELEGATECALL = 0, 1
NO_ADDRESS = Address("0x0000000000000000000000000000000000000000")

DOMAIN_TYPE = "EIP712Domain(uint256 chainId,address verifyingContract)"
TRANSACTION_TYPE = (
    "SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,uint256 gasPrice,"
    "address gasToken,address refundReceiver,uint256 nonce)"
)
DOMAIN_TYPE_HASH = keccak(DOMAIN_TYPE.encode())
TRANSACTION_TYPE_HASH = keccak(TRANSACTION_TYPE.encode())

EXECUTE = Function.parse(
    "function execTransaction(address to, uint256 value, bytes data, uint8 operation, uint256 safeTxGas, uint256 baseGas, "
    "uint256 gasPrice, address gasToken, address refundReceiver, bytes signatures) payable returns (bool success)"
)
HASH_ON_CHAIN = Function.parse(
    "function getTransactionHash(address to, uint256 value, bytes data, uint8 operation, uint256 safeTxGas, uint256 baseGas, "
    "uint256 gasPrice, address gasToken, address refundReceiver, uint256 nonce) view returns (bytes32)"
)
APPROVE_HASH = Function.parse("function approveHash(bytes32 hashToApprove)")


@dataclass(frozen=True, slots=True)
class SafeTransaction:
    """All that the owners' signatures cover. ``operation``: 0 call, 1 delegatecall. Amounts in wei."""

    chain_id: int
    safe: Address
    nonce: int
    to: Address
    data: bytes
    value: int = 0
    operation: int = CALL
    safe_tx_gas: int = 0
    """0: a call that fails makes the whole transaction revert, so the nonce and the signatures stay good."""
    base_gas: int = 0
    gas_price: int = 0
    gas_token: Address = NO_ADDRESS
    refund_receiver: Address = NO_ADDRESS

    @property
    def domain_hash(self) -> bytes:
        """The domain separator, which hardware wallets show as "domain hash"."""
        return keccak(DOMAIN_TYPE_HASH + _uint(self.chain_id) + _account(self.safe))

    @property
    def message_hash(self) -> bytes:
        """The struct hash, which hardware wallets show as "message hash"."""
        return keccak(
            TRANSACTION_TYPE_HASH + _account(self.to) + _uint(self.value) + keccak(self.data) + _uint(self.operation)
            + _uint(self.safe_tx_gas) + _uint(self.base_gas) + _uint(self.gas_price) + _account(self.gas_token)
            + _account(self.refund_receiver) + _uint(self.nonce)
        )  # fmt: skip

    @property
    def hash(self) -> bytes:
        """The Safe transaction hash: 32 bytes that owners sign or approve."""
        return keccak(self.preimage)

    @property
    def preimage(self) -> bytes:
        """The 66 bytes whose keccak is signed, for a key that hashes by itself."""
        return b"\x19\x01" + self.domain_hash + self.message_hash

    def execution(self, signatures: bytes) -> bytes:
        """Call data of ``execTransaction`` with the packed signatures."""
        return EXECUTE.call(*self._fields, signatures).data

    def hash_call(self) -> bytes:
        """Call data that asks the Safe itself for the hash, to compare."""
        return HASH_ON_CHAIN.call(*self._fields, self.nonce).data

    @property
    def _fields(self) -> tuple[object, ...]:
        return (
            self.to, self.value, self.data, self.operation, self.safe_tx_gas, self.base_gas, self.gas_price, self.gas_token,
            self.refund_receiver,
        )  # fmt: skip


def _uint(value: int) -> bytes:
    return value.to_bytes(32, "big")


def _account(account: Address) -> bytes:
    return bytes.fromhex(account[2:]).rjust(32, b"\0")
