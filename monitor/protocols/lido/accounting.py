"""Lido's accounting (Lido.sol, version 4): totals, their parts, and the reports that change the share rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from monitor.model import Address, Failed, Log, Read, Snapshot, Unanswered
from monitor.protocols.abi import BadAnswer, Contract, Events, EventType, Function
from monitor.protocols.signals import AccountingReading, Claim, Rebase, WrappedReading

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
INTERNAL = EventType.parse(
    "event InternalShareRateUpdated(uint256 indexed reportTimestamp, uint256 postInternalShares, uint256 postInternalEther, uint256 sharesMintedAsFees)"
)
LIMIT = Function.parse("function getMaxPositiveTokenRebase() view returns (uint256)")
LIMIT_PRECISION = 10**9
"""OracleReportSanityChecker counts the limit in billionths."""
REPORTED_SLOT = Function.parse("function getLastProcessingRefSlot() view returns (uint256)")
_TOTALS = (POOLED, SHARES, EXTERNAL_SHARES, SUPPLY, BUFFERED, BALANCES)


@dataclass(frozen=True)
class LidoAccounting:
    """``wrapped`` is wstETH, ``oracle`` the AccountingOracle, ``checker`` the OracleReportSanityChecker.

    None when the deployment has none: then there is one identity fewer, no reference slot of the balances, no limit of a rebase.
    """

    token: Contract
    wrapped: Contract | None
    oracle: Contract | None = None
    checker: Contract | None = None

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
        seen = Events((self.token, REBASED), (self.token, INTERNAL)).scan(snapshot.logs_of(self.token.address))
        internal = {
            (s.log.block.hash, s.log.tx, s.values["reportTimestamp"]): (s.values["postInternalEther"], s.values["postInternalShares"])
            for s in seen
            if s.event is INTERNAL
        }
        return [
            _rebase(s.values, s.log, internal.get((s.log.block.hash, s.log.tx, s.values["reportTimestamp"])))
            for s in seen
            if s.event is REBASED
        ]

    # ------------------------------------------------------------ what bounds a report, and what it claims

    def limit_reads(self) -> Sequence[Read]:
        return [self.checker.read(LIMIT)] if self.checker else []

    def limit(self, snapshot: Snapshot) -> Fraction:
        """Raises Unanswered."""
        if self.checker is None:
            raise Unanswered("limit of a rebase", Failed("the deployment has no oracle_report_sanity_checker"))
        return Fraction(self.checker.ask(snapshot, LIMIT), LIMIT_PRECISION)

    def claim_reads(self) -> Sequence[Read]:
        return [self.token.read(BALANCES), self.oracle.read(REPORTED_SLOT)] if self.oracle else []

    def claim(self, snapshot: Snapshot) -> Claim:
        """Raises Unanswered. Both change in the transaction of a report alone, so at the end of any block they belong together."""
        if self.oracle is None:
            raise Unanswered("reference slot", Failed("the deployment has no accounting_oracle"))
        validators, _, _, _ = self.token.ask(snapshot, BALANCES)
        return Claim(self.oracle.ask(snapshot, REPORTED_SLOT), validators)

    # ------------------------------------------------------------ the same rate, from contracts of their own

    def wrapped_reads(self) -> Sequence[Read]:
        return [self.wrapped.read(TOKEN_RATE), self.oracle.read(REPORTED_SLOT)] if self.wrapped and self.oracle else []

    def wrapped_rate(self, snapshot: Snapshot) -> WrappedReading:
        """Raises Unanswered. Asks neither the token nor its logs."""
        if self.wrapped is None or self.oracle is None:
            raise Unanswered("wrapped rate", Failed("the deployment has no wsteth or no accounting_oracle"))
        return WrappedReading(self.oracle.ask(snapshot, REPORTED_SLOT), self.wrapped.ask(snapshot, TOKEN_RATE))


def _rebase(values: Mapping[str, int], log: Log, internal: tuple[int, int] | None) -> Rebase:
    return Rebase(
        values["reportTimestamp"],
        values["timeElapsed"],
        values["preTotalShares"],
        values["preTotalEther"],
        values["postTotalShares"],
        values["postTotalEther"],
        values["sharesMintedAsFees"],
        log,
        internal,
    )
