"""What the market pays for stETH, against what Lido says it is worth.

stETH is one ether by construction. Venues of wstETH count for stETH: their prices are divided by ``stEthPerToken`` of the same block, their
balances and depths are multiplied by it. So both tokens are one series with two sets of venues.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from monitor.model import Read, Snapshot, Unanswered
from monitor.protocols.abi import BadAnswer, Contract
from monitor.protocols.lido.accounting import TOKEN_RATE
from monitor.protocols.lido.deployment import Deployment
from monitor.protocols.signals import PegReading, VenueReading
from monitor.protocols.venues import NATIVE, ONE, ChainlinkFeed, CurveStableswap, Market, Quote, Reader, UniswapV3, Venue

TOKEN = "stETH"  # noqa: S105 - a token of value, not of access


@dataclass(frozen=True)
class LidoPeg:
    """``wrapped`` is wstETH if some venue trades it; ``of_wrapped`` names those venues. ``floor``: wei of depth that a pool must have."""

    readers: tuple[Reader, ...]
    wrapped: Contract | None
    of_wrapped: frozenset[str]
    floor: int

    @property
    def token(self) -> str:
        return TOKEN

    @property
    def venues(self) -> tuple[str, ...]:
        return tuple(reader.name for reader in self.readers)

    def reads(self) -> Sequence[Read]:
        rate = [self.wrapped.read(TOKEN_RATE)] if self.wrapped else []
        return [*rate, *(read for reader in self.readers for read in reader.reads())]

    def reading(self, snapshot: Snapshot) -> PegReading:
        """Never raises: what is unanswered is told venue by venue."""
        found: dict[str, VenueReading] = {}
        unanswered: dict[str, Unanswered] = {}
        for reader in self.readers:
            try:
                found[reader.name] = self._venue(snapshot, reader)
            except Unanswered as missing:
                unanswered[reader.name] = missing
        return PegReading(ONE, self.floor, found, unanswered)

    def _venue(self, snapshot: Snapshot, reader: Reader) -> VenueReading:
        quote, rate = reader.quote(snapshot), self._rate(snapshot, reader)
        price = None if quote.price is None else quote.price * ONE // rate
        depth = None if quote.depth is None else quote.depth * rate // ONE
        return VenueReading(reader.origin, price, quote.refused or self._too_shallow(depth), depth, _share(quote, rate), quote.age)

    def _rate(self, snapshot: Snapshot, reader: Reader) -> int:
        """Wei of stETH a base token."""
        if reader.name not in self.of_wrapped or self.wrapped is None:
            return ONE
        rate = int(self.wrapped.ask(snapshot, TOKEN_RATE))
        if rate == 0:
            raise BadAnswer(self.wrapped.name, TOKEN_RATE.name, bytes(32), "a rate above 0")
        return rate

    def _too_shallow(self, depth: int | None) -> str | None:
        if depth is None or depth >= self.floor:
            return None
        return f"{depth // ONE} ether of depth, less than {self.floor // ONE}"


def peg(deployment: Deployment) -> LidoPeg | None:
    """The source, None when the deployment names no venue whose token it has."""
    market = deployment.market
    if market is None:
        return None
    venues = [v for v in market.venues if deployment.has(v.base)]
    if not venues:
        return None
    wrapped = frozenset(v.name for v in venues if v.base == "wsteth")
    readers = tuple(_reader(v, market, deployment) for v in venues)
    return LidoPeg(readers, deployment["wsteth"] if wrapped else None, wrapped, market.floor_ether * ONE)


def _reader(venue: Venue, market: Market, deployment: Deployment) -> Reader:
    contract, base = Contract(venue.name, venue.address), deployment[venue.base].address
    if venue.kind == "chainlink":
        return ChainlinkFeed(contract, venue.parameter)
    if venue.kind == "uniswap_v3":
        assert market.weth is not None and market.quoter is not None  # the file was refused without
        return UniswapV3(contract, base, market.weth, venue.parameter, Contract("quoter", market.quoter))
    return CurveStableswap(contract, base, frozenset(a for a in (NATIVE, market.weth) if a is not None))


def _share(quote: Quote, rate: int) -> Fraction | None:
    """The token's part of the pool's value, at fair value."""
    if quote.balances is None:
        return None
    tokens, ether = quote.balances
    value = tokens * rate + ether * ONE
    return Fraction(tokens * rate, value) if value else None


def unlisted(deployment: Deployment) -> Mapping[str, str]:
    """Venues whose token the deployment lacks, each with the contract that is missing."""
    venues = deployment.market.venues if deployment.market else ()
    return {v.name: v.base for v in venues if not deployment.has(v.base)}
