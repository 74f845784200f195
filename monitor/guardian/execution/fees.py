"""What a unit of gas is offered, and how that rises; pure. All in wei.

Nodes keep the older of two transactions of one nonce unless the newer one offers at least 10 % more, in the fee and in the tip both. We
raise both by an eighth each block: the most that the base fee can rise from one block to the next.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fee:
    """``max_fee``: the most for a unit of gas; ``tip``: what of it goes to who builds the block."""

    max_fee: int
    tip: int


@dataclass(frozen=True, slots=True)
class Market:
    """The newest block's base fee, the tip to begin with, and the most that a unit of gas may cost."""

    base_fee: int
    tip: int
    cap: int


def first(market: Market) -> Fee | None:
    """An offer that six full blocks do not outbid: twice the base fee. None when the cap does not even reach the base fee now."""
    tip = min(market.tip, market.cap)
    if market.base_fee + tip > market.cap:
        return None
    return Fee(min(market.cap, 2 * market.base_fee + tip), tip)


def raised(old: Fee, market: Market) -> Fee | None:
    """An eighth more of both, or what the market asks if that is more. None when the cap does not allow what a replacement needs."""
    least, tip = _eighth_more(old.max_fee), max(_eighth_more(old.tip), market.tip)
    if least > market.cap or tip > market.cap:
        return None
    return Fee(min(market.cap, max(least, tip, 2 * market.base_fee + tip)), tip)


def _eighth_more(value: int) -> int:
    return value + (value + 7) // 8 + (value == 0)
