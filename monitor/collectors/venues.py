"""From the prices of several venues to one: who counts, with what weight, and the weighted median. Pure, in whole numbers.

1. A venue counts if it answered and nothing speaks against it (reverted, stale, too shallow, too wide a spread: its reader says so). A price
   more than 50 % off fair value counts only if a second source is as far off on the same side.
2. A pool's weight is its depth, a feed's is the floor that pools must have. With three venues or more none weighs as much as half of
   all, so that no single pool decides alone, nor moves the result by itself; of two each weighs the same.
3. The result is the weighted median: the price at which half of the weight is passed; where exactly half is below, the mean of both neighbours.
4. There is one only with two sources or more: venues of different origin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from monitor.protocols.signals import PegReading, VenueReading

QUORUM = 2
"""Sources without which no price is told."""
_FAR = Fraction(1, 2)
"""Relative distance from fair value that one source alone may not claim."""


@dataclass(frozen=True, slots=True)
class Combined:
    """``live``: prices that count, by venue. ``sources``: how many origins they have. ``price``: wei of ether a token, None without a quorum."""

    live: Mapping[str, int]
    sources: int
    price: Fraction | None

    @property
    def spread(self) -> Fraction | None:
        """Highest minus lowest price over the median."""
        if not self.price:
            return None
        return (max(self.live.values()) - min(self.live.values())) / self.price


def combine(reading: PegReading) -> Combined:
    """All venues of one reading as one price."""
    counting = _believed({n: v for n, v in reading.venues.items() if v.price is not None and v.refused is None}, reading.fair)
    live = {name: venue.price for name, venue in counting.items() if venue.price is not None}
    sources = len({venue.origin for venue in counting.values()})
    if sources < QUORUM:
        return Combined(live, sources, None)
    weights = capped({n: reading.floor if v.depth is None else v.depth for n, v in counting.items()})
    return Combined(live, sources, weighted_median([(live[name], weight) for name, weight in weights.items()]))


def deviation(price: int | Fraction, fair: int) -> Fraction:
    """Price over fair value minus 1: negative is a discount."""
    return Fraction(price - fair) / fair


def capped(weights: Mapping[str, int]) -> dict[str, int]:
    """Weights of which none is half of the sum, as far as their number allows: with two, both are equal."""
    if len(weights) < 2:
        return dict(weights)
    heaviest = max(weights, key=lambda name: weights[name])
    others = sum(weights.values()) - weights[heaviest]
    cap = others if len(weights) == 2 else max(others - 1, 1)
    return {**weights, heaviest: min(weights[heaviest], cap)}


def weighted_median(prices: list[tuple[int, int]]) -> Fraction:
    """Of (price, weight), weights above 0 and at least one."""
    ordered = sorted(prices)
    total, below = sum(weight for _, weight in ordered), 0
    for i, (price, weight) in enumerate(ordered):
        below += weight
        if 2 * below > total:
            return Fraction(price)
        if 2 * below == total:
            return Fraction(price + ordered[i + 1][0], 2)
    raise ValueError("no prices, or no weight")


def _believed(venues: Mapping[str, VenueReading], fair: int) -> dict[str, VenueReading]:
    """Without those that are far off alone: a broken pool, not a market."""
    off = {name: deviation(v.price, fair) for name, v in venues.items() if v.price is not None}
    low = {venues[name].origin for name, d in off.items() if d < -_FAR}
    high = {venues[name].origin for name, d in off.items() if d > _FAR}
    return {
        name: venues[name]
        for name, d in off.items()
        if abs(d) <= _FAR or len(low if d < 0 else high) >= QUORUM
    }  # fmt: skip
