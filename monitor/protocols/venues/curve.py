"""Curve's stableswap pools of two coins whose indices are ``int128``: all generations answer to the same four functions.

With the token at index i and ether at j, and one token as probe: bid = get_dy(i, j, 1), ask = 1 / get_dy(j, i, 1), and the price is
sqrt(bid ask), which removes the fee to first order. The order of the coins is read, never assumed: until it is known both ways
are asked, at one block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

from monitor.model import Address, Failed, Read, Snapshot, Unanswered
from monitor.protocols.abi import Contract, Function
from monitor.protocols.venues.quote import ONE, WORST_SPREAD, Quote, depth, unless_reverted

COINS = Function.parse("function coins(uint256 i) view returns (address)")
BALANCES = Function.parse("function balances(uint256 i) view returns (uint256)")
GET_DY = Function.parse("function get_dy(int128 i, int128 j, uint256 dx) view returns (uint256)")
SIZES = tuple(n * ONE for n in (1, 10, 30, 100, 300, 1_000, 5_000, 20_000))
"""Sizes of sales by which depth is found; the first is the probe of the price."""
_WAYS = ((0, 1), (1, 0))


@dataclass(frozen=True)
class CurveStableswap:
    """``base``: the token; ``ether``: what counts as ether (native, WETH)."""

    pool: Contract
    base: Address
    ether: frozenset[Address]

    @property
    def name(self) -> str:
        return self.pool.name

    @property
    def origin(self) -> str:
        return str(self.pool.address)

    def reads(self) -> Sequence[Read]:
        coins = [self.pool.read(function, i) for function in (COINS, BALANCES) for i in range(2)]
        return [*coins, *(self.pool.read(GET_DY, *way, size) for way in _WAYS for size in SIZES)]

    def quote(self, snapshot: Snapshot) -> Quote:
        """Raises Unanswered; also when the pool's coins are others than those it was listed with."""
        coins = tuple(unless_reverted(self.pool, snapshot, COINS, i) for i in range(2))
        if None in coins:
            return Quote(None, "the pool's coins cannot be read: the call reverts")
        i, j = self._order(coins)
        bid, sold = self._out(snapshot, i, j, ONE), self._out(snapshot, j, i, ONE)
        balances = self._balances(snapshot, i, j)
        if not bid or not sold:
            return Quote(None, "get_dy reverts or gives nothing", balances=balances)
        price = isqrt(bid * ONE * ONE // sold)
        return Quote(price, _too_wide(bid, sold), depth(self._sales(snapshot, i, j)), balances)

    def _order(self, coins: tuple[Address, ...]) -> tuple[int, int]:
        for i, j in _WAYS:
            if coins[i] == self.base and coins[j] in self.ether:
                return i, j
        raise Unanswered(
            f"{self.name}.coins", Failed(f"found {coins[0]} and {coins[1]}, expected {self.base} and ether: is it the right pool?")
        )

    def _out(self, snapshot: Snapshot, i: int, j: int, size: int) -> int | None:
        out: int | None = unless_reverted(self.pool, snapshot, GET_DY, i, j, size)
        return out

    def _sales(self, snapshot: Snapshot, i: int, j: int) -> list[tuple[int, int]]:
        """Up to the first size that the pool does not take."""
        found = []
        for size in SIZES:
            if (out := self._out(snapshot, i, j, size)) is None:
                break
            found.append((size, out))
        return found

    def _balances(self, snapshot: Snapshot, i: int, j: int) -> tuple[int, int] | None:
        token, ether = (unless_reverted(self.pool, snapshot, BALANCES, k) for k in (i, j))
        return None if token is None or ether is None else (token, ether)


def _too_wide(bid: int, sold: int) -> str | None:
    """Ask over bid is ONE^2 / (bid sold): compared crosswise."""
    part, whole = WORST_SPREAD
    if whole * ONE * ONE <= (whole + part) * bid * sold:
        return None
    return f"ask is more than {part}/{whole} above bid"
