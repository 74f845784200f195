"""The stableswap invariant of the devnet's pools in whole numbers, as the contract computes it: to know a trade before it is made.

For two coins: A n^n S + D = A D n^n + D^3 / (n^n x y), n = 2. Balances are wei.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

COINS = 2
PRECISION = 100
FEE_DENOMINATOR = 10**10
ONE = 10**18
_ROUNDS = 255
_STEPS = 100


class NoConvergence(ArithmeticError):
    """Balances so lopsided that the iteration does not settle: the contract reverts, too."""


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool's state. ``amplification`` is what ``A()`` says, ``fee`` is in parts of 1e10."""

    ether: int
    tokens: int
    amplification: int
    fee: int

    def price(self) -> int:
        """Wei of ether for one token, between bid and ask for one of each: sqrt(bid ask)."""
        return isqrt(self.sell(ONE) * ONE * ONE // self.buy(ONE))

    def sell(self, tokens: int) -> int:
        """Wei of ether for these tokens."""
        return self._out(self.tokens, self.ether, tokens)

    def buy(self, ether: int) -> int:
        """Tokens for this ether."""
        return self._out(self.ether, self.tokens, ether)

    def after(self, *, sold: int = 0, paid: int = 0) -> Pool:
        """The pool after tokens were sold into it, or ether was paid into it; the part of the fee that goes to the admin is left out."""
        tokens, ether = self.tokens + sold, self.ether + paid
        tokens -= self.buy(paid) if paid else 0
        ether -= self.sell(sold) if sold else 0
        return Pool(ether, tokens, self.amplification, self.fee)

    def to_reach(self, price: int) -> tuple[int, int]:
        """``(sold, paid)``: the smallest trade, in wei of tokens or of ether, after which the price is at or past ``price``."""
        down = self.price() > price

        def done(amount: int) -> bool:
            now = (self.after(sold=amount) if down else self.after(paid=amount)).price()
            return now <= price if down else now >= price

        if done(0):
            return 0, 0
        low, high = 0, ONE
        while not done(high):
            low, high = high, high * 2
        for _ in range(_STEPS):
            if high - low <= 10**9:
                break
            middle = (low + high) // 2
            low, high = (low, middle) if done(middle) else (middle, high)
        return (high, 0) if down else (0, high)

    def _out(self, have: int, get: int, dx: int) -> int:
        gross = get - self._other(have + dx, self.invariant()) - 1
        return gross - gross * self.fee // FEE_DENOMINATOR

    def invariant(self) -> int:
        """D, by Newton's method. Raises NoConvergence."""
        total, ann = self.ether + self.tokens, self.amplification * PRECISION * COINS
        d = total
        for _ in range(_ROUNDS):
            product = d * d // (self.ether * COINS + 1) * d // (self.tokens * COINS + 1)
            before = d
            d = (ann * total // PRECISION + product * COINS) * d // ((ann - PRECISION) * d // PRECISION + (COINS + 1) * product)
            if abs(d - before) <= 1:
                return d
        raise NoConvergence(f"no invariant for {self}")

    def _other(self, x: int, d: int) -> int:
        ann = self.amplification * PRECISION * COINS
        c = d * d // (x * COINS) * d * PRECISION // (ann * COINS)
        b = x + d * PRECISION // ann
        y = d
        for _ in range(_ROUNDS):
            before = y
            y = (y * y + c) // (2 * y + b - d)
            if abs(y - before) <= 1:
                return y
        raise NoConvergence(f"no balance for {x} in {self}")
