"""Sending transactions to the devnet's node, which holds the accounts' keys, and waiting for them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor.devnet.rpc import Rpc, RpcError

GAS = 15_000_000
"""Gas limit of each transaction: enough for all, so that nothing needs to be estimated on a state that is not mined yet."""

TIMEOUT = 15.0
"""Seconds of wall time to wait for a transaction to be mined."""


class TransactionFailed(RuntimeError):
    """A transaction was mined and reverted, or was not mined in time."""


@dataclass(frozen=True)
class Transaction:
    """What an unlocked account sends; ``to`` is None for a deployment."""

    sender: str
    to: str | None
    data: str
    value: int = 0
    gas: int = GAS

    def fields(self) -> dict[str, Any]:
        """As ``eth_sendTransaction`` takes it."""
        base = {"from": self.sender, "data": self.data, "value": hex(self.value), "gas": hex(self.gas)}
        return base if self.to is None else {**base, "to": self.to}


@dataclass(frozen=True)
class Receipt:
    """A mined transaction."""

    hash: str
    block: int
    block_hash: str
    logs: tuple[Mapping[str, Any], ...]
    gas_used: int


def ether(amount: float) -> int:
    """Ether as wei, exact to a gwei."""
    return round(amount * 10**9) * 10**9


def send(rpc: Rpc, transactions: Sequence[Transaction]) -> list[Receipt]:
    """Send in order, wait until all are mined. Raises :class:`TransactionFailed` for the first that reverted."""
    # One by one: anvil handles the requests of a batch at the same time, so it would lose their order.
    hashes = [rpc.call("eth_sendTransaction", tx.fields()) for tx in transactions]
    deadline = time.monotonic() + TIMEOUT
    while True:
        receipts = rpc.batch([("eth_getTransactionReceipt", [tx_hash]) for tx_hash in hashes])
        if all(receipts):
            break
        if time.monotonic() > deadline:
            raise TransactionFailed(
                f"{receipts.count(None)} of {len(hashes)} transactions were not mined within {TIMEOUT} s: does the chain mine?"
            )
        time.sleep(0.02)
    for tx, receipt in zip(transactions, receipts, strict=True):
        if receipt["status"] != "0x1":
            raise TransactionFailed(f"transaction {receipt['transactionHash']} to {tx.to or 'deploy'} reverted: {_why(rpc, tx, receipt)}")
    return [
        Receipt(r["transactionHash"], int(r["blockNumber"], 16), r["blockHash"], tuple(r["logs"]), int(r["gasUsed"], 16)) for r in receipts
    ]


def _why(rpc: Rpc, tx: Transaction, receipt: Mapping[str, Any]) -> str:
    """The revert reason, from the same call on the state before the block: right unless an earlier one of the block matters."""
    try:
        rpc.call("eth_call", tx.fields(), hex(int(receipt["blockNumber"], 16) - 1))
    except RpcError as error:
        return f"{error.reason} {error.data[:10]}".strip()
    return f"used {int(receipt['gasUsed'], 16)} gas"
