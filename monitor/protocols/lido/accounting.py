"""Lido's accounting (Lido.sol, version 4): totals, their parts, and the reports that change the share rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from monitor.model import Address, Log, Read, Snapshot
from monitor.protocols.abi import BadAnswer, Contract, Events, EventType, Function
from monitor.protocols.signals import AccountingReading, Rebase

POOLED = Function.parse("function getTotalPooledEther() view returns (uint256)")
SHARES = Function.parse("function getTotalShares() view returns (uint256)")
EXTERNAL_SHARES = Function.parse("function getExternalShares() view returns (uint256)")
SUPPLY = Function.parse("function totalSupply() view returns (uint256)")
BUFFERED = Function.parse("function getBufferedEther() view returns (uint256)")
BALANCES = Function.parse(
    "function getBalanceStats() view returns (uint256 clValidatorsBalanceAtLastReport, uint256 clPendingBalanceAtLastReport, "
    "uint256 depositedSinceLastReport, uint256 depositedForCurrentReport)"
)
TOKEN_RATE = Function.parse("function stEthPerToken() view returns (uint256)")
REBASED = EventType.parse(
    "event TokenRebased(uint256 indexed reportTimestamp, uint256 timeElapsed, uint256 preTotalShares, uint256 preTotalEther, "
    "uint256 postTotalShares, uint256 postTotalEther, uint256 sharesMintedAsFees)"
)
_TOTALS = (POOLED, SHARES, EXTERNAL_SHARES, SUPPLY, BUFFERED, BALANCES)


@dataclass(frozen=True)
class LidoAccounting:
    """``wrapped`` is wstETH, None when the deployment has none (then one identity fewer)."""

    token: Contract
    wrapped: Contract | None

    @property
    def watches(self) -> frozenset[Address]:
        return frozenset({self.token.address})

    def reads(self) -> Sequence[Read]:
        reads = [self.token.read(f) for f in _TOTALS]
        return [*reads, self.wrapped.read(TOKEN_RATE)] if self.wrapped else reads

    def reading(self, snapshot: Snapshot) -> AccountingReading:
        """Raises Unanswered; BadAnswer when there are more external shares than shares."""
        shares, external = self.token.ask(snapshot, SHARES), self.token.ask(snapshot, EXTERNAL_SHARES)
        if external > shares:
            raise BadAnswer(self.token.name, EXTERNAL_SHARES.name, external.to_bytes(32, "big"), f"at most all {shares} shares")
        validators, pending, deposited, _ = self.token.ask(snapshot, BALANCES)
        buffered = self.token.ask(snapshot, BUFFERED)
        return AccountingReading(
            self.token.ask(snapshot, POOLED),
            shares,
            external,
            self.token.ask(snapshot, SUPPLY),
            {"buffer": buffered, "validators": validators, "pending": pending, "deposited": deposited},
            self.wrapped.ask(snapshot, TOKEN_RATE) if self.wrapped else None,
        )

    def rebases(self, snapshot: Snapshot) -> Sequence[Rebase]:
        """In chain order. Raises Unanswered when the logs are not agreed."""
        return [_rebase(s.values, s.log) for s in Events((self.token, REBASED)).scan(snapshot.logs_of(self.token.address))]


def _rebase(values: Mapping[str, int], log: Log) -> Rebase:
    return Rebase(
        values["reportTimestamp"],
        values["timeElapsed"],
        values["preTotalShares"],
        values["preTotalEther"],
        values["postTotalShares"],
        values["postTotalEther"],
        values["sharesMintedAsFees"],
        log,
    )
