"""Lido's withdrawal queue (WithdrawalQueueERC721), and the ether that a report could use for it.

Ether of a report: min(withdrawals reserve, unfinalized) + withdrawal vault + execution-layer rewards vault (Accounting.sol).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.model import Balance, Read, Snapshot, Unanswered, Wei
from monitor.protocols.abi import BadAnswer, Contract, Function, selector
from monitor.protocols.signals import OldestReading, QueueReading

UNFINALIZED = Function.parse("function unfinalizedStETH() view returns (uint256)")
LAST = Function.parse("function getLastRequestId() view returns (uint256)")
LAST_FINALIZED = Function.parse("function getLastFinalizedRequestId() view returns (uint256)")
LOCKED = Function.parse("function getLockedEtherAmount() view returns (uint256)")
BUNKER = Function.parse("function isBunkerModeActive() view returns (bool)")
RESERVE = Function.parse("function getWithdrawalsReserve() view returns (uint256)")
STATUS = Function.parse(
    "function getWithdrawalStatus(uint256[] _requestIds) view returns (tuple(uint256 amountOfStETH, uint256 amountOfShares, "
    "address owner, uint256 timestamp, bool isFinalized, bool isClaimed)[] statuses)"
)
INVALID_REQUEST = selector("InvalidRequestId(uint256)")
_STATUS_TIMESTAMP = 3


@dataclass(frozen=True)
class LidoQueue:
    """``token`` is stETH itself, for the buffer; ``vaults`` are read by balance. Each may be missing from a deployment."""

    queue: Contract
    token: Contract | None
    vaults: tuple[Contract, ...]

    def reads(self) -> Sequence[Read]:
        reads = [self.queue.read(f) for f in (UNFINALIZED, LAST, LAST_FINALIZED, LOCKED, BUNKER)]
        reads += [self.token.read(RESERVE)] if self.token else []
        return [*reads, *(Read(c.address, Balance()) for c in (self.queue, *self.vaults))]

    def reading(self, snapshot: Snapshot) -> QueueReading:
        """Raises Unanswered."""
        last, finalized = self._ids(snapshot)
        unfinalized = Wei(self.queue.ask(snapshot, UNFINALIZED))
        available = {vault.name: balance(snapshot, vault) for vault in self.vaults}
        if self.token:
            available["buffer"] = Wei(min(self.token.ask(snapshot, RESERVE), unfinalized))
        return QueueReading(
            unfinalized,
            last - finalized,
            finalized,
            available,
            Wei(self.queue.ask(snapshot, LOCKED)),
            balance(snapshot, self.queue),
            self.queue.ask(snapshot, BUNKER),
        )

    def oldest_reads(self, next_id: int | None) -> Sequence[Read]:
        """``next_id``: the lowest open id when last seen. It may not exist yet: the revert is data, and a first request is seen at once."""
        reads = [self.queue.read(LAST), self.queue.read(LAST_FINALIZED)]
        return reads if next_id is None else [*reads, self.queue.read(STATUS, (next_id,))]

    def oldest(self, snapshot: Snapshot, next_id: int | None) -> OldestReading:
        """Raises Unanswered."""
        last, finalized = self._ids(snapshot)
        now_next = finalized + 1
        if now_next > last:
            return OldestReading(now_next, True, None)
        if next_id != now_next:  # the queue moved on in this very block: its new head is read with the next one
            return OldestReading(now_next, False, None)
        statuses = self.queue.ask(snapshot, STATUS, (now_next,))
        requested_at = statuses[0][_STATUS_TIMESTAMP] if len(statuses) == 1 else 0
        if not 0 < requested_at <= snapshot.stamp.timestamp:
            raise BadAnswer(self.queue.name, STATUS.name, b"", f"one status for id {now_next} with a time in the past, found {statuses}")
        return OldestReading(now_next, False, requested_at)

    def _ids(self, snapshot: Snapshot) -> tuple[int, int]:
        last, finalized = self.queue.ask(snapshot, LAST), self.queue.ask(snapshot, LAST_FINALIZED)
        if finalized > last:
            raise BadAnswer(self.queue.name, LAST_FINALIZED.name, finalized.to_bytes(32, "big"), f"at most the last id {last}")
        return last, finalized


def balance(snapshot: Snapshot, contract: Contract) -> Wei:
    """The contract's ether. Raises Unanswered."""
    try:
        data = snapshot.value(Read(contract.address, Balance()))
    except Unanswered as missing:
        raise Unanswered(f"balance of {contract.name}", missing.answer) from None
    if len(data) != 32:
        raise BadAnswer(contract.name, "balance", data, "a balance of 32 bytes")
    return Wei(int.from_bytes(data, "big"))
