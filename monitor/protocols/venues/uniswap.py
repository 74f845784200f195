"""Uniswap V3 pools of a token against WETH: the mean price over half an hour, which one block's trade cannot move.

Mean tick = floor((c1 - c0) / w), rounded toward minus infinity; price of token 0 in token 1 = 1.0001^tick. Which token is which is read.
Depth comes from the quoter, one call a size on its own, since a quote walks the pool's ticks and costs gas as a trade would; and it is
never more than the harmonic mean of the liquidity over the window could give, so that liquidity that came for one block counts for nothing.
The price of the block itself is not used, but a mean that it has left by more than 2 % does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import lru_cache

from monitor.model import Address, Call, Failed, Read, Reverted, Snapshot, Unanswered, address
from monitor.protocols.abi import BadAnswer, Contract, Function
from monitor.protocols.venues.quote import ONE, WORST_SPREAD, Quote, depth, unless_reverted

TOKEN0 = Function.parse("function token0() view returns (address)")
TOKEN1 = Function.parse("function token1() view returns (address)")
SLOT0 = Function.parse(
    "function slot0() view returns (uint160 sqrtPriceX96, int24 tick, uint16 observationIndex, uint16 observationCardinality, "
    "uint16 observationCardinalityNext, uint8 feeProtocol, bool unlocked)"
)
OBSERVE = Function.parse(
    "function observe(uint32[] secondsAgos) view returns (int56[] tickCumulatives, uint160[] secondsPerLiquidityCumulativeX128s)"
)
QUOTE = Function.parse(
    "function quoteExactInputSingle(tuple(address tokenIn, address tokenOut, uint256 amountIn, uint24 fee, uint160 sqrtPriceLimitX96) params) "
    "returns (uint256 amountOut, uint160 sqrtPriceX96After, uint32 initializedTicksCrossed, uint256 gasEstimate)"
)
WINDOW = 1800
"""Seconds over which the price is averaged."""
SIZES = tuple(n * ONE for n in (1, 100, 1_000, 5_000))
NOBODY = address("0x" + "00" * 20)
_Q96 = 2**96
_LOST_PARTS = 99
"""A price one per cent lower is 99 parts of 100: selling L sqrt(P) / 99 (or L / sqrt(P) / 99) with constant liquidity L gets there."""
_EXACT = Context(prec=60)
_STEP = Decimal("1.0001")


@dataclass(frozen=True)
class UniswapV3:
    """``fee`` in parts of a million, as the quoter takes it."""

    pool: Contract
    base: Address
    weth: Address
    fee: int
    quoter: Contract

    @property
    def name(self) -> str:
        return self.pool.name

    @property
    def origin(self) -> str:
        return str(self.pool.address)

    def reads(self) -> Sequence[Read]:
        pool = [self.pool.read(f) for f in (TOKEN0, TOKEN1, SLOT0)]
        return [*pool, self.pool.read(OBSERVE, (WINDOW, 0)), *(self._sale(size) for size in SIZES)]

    def quote(self, snapshot: Snapshot) -> Quote:
        """Raises Unanswered; also when the pool's tokens are others than those it was listed with."""
        first = self._first(snapshot)
        observed = unless_reverted(self.pool, snapshot, OBSERVE, (WINDOW, 0))
        slot = unless_reverted(self.pool, snapshot, SLOT0)
        if observed is None or slot is None:
            return Quote(None, f"the pool's history is shorter than {WINDOW} s")
        ticks, seconds = observed
        if len(ticks) != 2 or len(seconds) != 2:
            raise BadAnswer(self.name, OBSERVE.name, b"", "two observations")
        tick = mean_tick(ticks[0], ticks[1], WINDOW)
        found = depth(self._sales(snapshot))
        steady = steady_depth(seconds[1] - seconds[0], slot[0], first)
        price = at_tick(tick if first else -tick)
        return Quote(price, _lagging(price, spot(slot[0], first)), min(found, steady))

    def _first(self, snapshot: Snapshot) -> bool:
        """Whether the base token is token 0."""
        tokens = self.pool.ask(snapshot, TOKEN0), self.pool.ask(snapshot, TOKEN1)
        if sorted(tokens) != sorted((self.base, self.weth)):
            expected = f"expected {self.base} and {self.weth}: is it the right pool?"
            raise Unanswered(f"{self.name}.token0", Failed(f"found {tokens[0]} and {tokens[1]}, {expected}"))
        return bool(tokens[0] == self.base)

    def _sale(self, size: int) -> Read:
        return Read(self.quoter.address, _sale_call(self.base, self.weth, size, self.fee), NOBODY)

    def _sales(self, snapshot: Snapshot) -> list[tuple[int, int]]:
        found = []
        for size in SIZES:
            read = self._sale(size)
            if isinstance(snapshot.answers.get(read), Reverted):
                break
            data = snapshot.value(read)
            try:
                found.append((size, int(QUOTE.decode(data)[0])))
            except ValueError as error:
                raise BadAnswer(self.quoter.name, QUOTE.name, data, str(error)) from None
        return found


@lru_cache(maxsize=256)
def _sale_call(base: Address, weth: Address, size: int, fee: int) -> Call:
    return QUOTE.call((base, weth, size, fee, 0))


def mean_tick(earlier: int, later: int, seconds: int) -> int:
    """The mean over the window, toward minus infinity."""
    return (later - earlier) // seconds


@lru_cache(maxsize=1024)
def at_tick(tick: int) -> int:
    """1.0001^tick times 1e18: exact to the last digit but one for all ticks that a pool can have."""
    return int(_EXACT.multiply(_EXACT.power(_STEP, tick), Decimal(ONE)))


def spot(sqrt_price: int, first: bool) -> int:
    """Ether for one base token at this very block, times 1e18: (sqrtPriceX96 / 2^96)^2 when it is token 0, else the inverse; rounded down."""
    square = sqrt_price * sqrt_price
    if first:
        return square * ONE // (_Q96 * _Q96)
    return ONE * _Q96 * _Q96 // square if square else 0


def _lagging(mean: int, now: int) -> str | None:
    """A mean that the market has left behind would hold the result back: it does not count until it has caught up."""
    part, whole = WORST_SPREAD
    if abs(now - mean) * whole <= part * mean:
        return None
    return f"the price is more than {part}/{whole} from its mean over {WINDOW} s"


def steady_depth(seconds_per_liquidity: int, sqrt_price: int, first: bool) -> int:
    """Wei of the base token that would move the price by 1 % if the liquidity were its harmonic mean over the window everywhere."""
    if seconds_per_liquidity <= 0 or sqrt_price <= 0:
        return 0
    liquidity = (WINDOW << 128) // seconds_per_liquidity
    return liquidity * _Q96 // sqrt_price // _LOST_PARTS if first else liquidity * sqrt_price // _Q96 // _LOST_PARTS
