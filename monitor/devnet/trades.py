"""What the market does on the devnet, as plain functions over a running :class:`World`: trades, frozen feeds, broken pools."""

from __future__ import annotations

from fractions import Fraction

from monitor.devnet.market import AGGREGATOR, MAKER, PAR, POOLS
from monitor.devnet.rpc import RpcError
from monitor.devnet.stableswap import Pool
from monitor.devnet.transactions import Transaction
from monitor.devnet.world import World

STEP_SECONDS = 100
"""Shorter than any reading speaks: time that passes in such steps leaves no hole in a rule's window."""


def depeg(world: World, fraction: float, *, pools: tuple[str, ...] | None = None, feed: bool = True) -> int:
    """Trade until stETH is worth 1 - ``fraction`` in each pool (negative: a premium) and the feed follows; the block of the last trade.

    Broken pools and a frozen feed are left alone. ``pools``: only these; ``feed=False``: the feed does not follow. Raises
    ``TransactionFailed`` when the market maker has not enough stETH (enough for 10 %).
    """
    price = int(PAR * (1 - Fraction(str(fraction))))
    trades = [tx for name in pools or POOLS if whole(world, name) for tx in _trade(world, name, price)]
    if feed and not world[AGGREGATOR].read("frozen"):
        trades.append(world[AGGREGATOR].tx(world.account(MAKER), "transmit", price))
    receipts = world.send(*trades)
    return receipts[-1].block if receipts else world.anvil.head()[0]


def repeg(world: World) -> int:
    """Undo :func:`depeg`: every whole pool and the feed are back at par."""
    return depeg(world, 0)


def withdraw_liquidity(world: World, part: float) -> int:
    """Liquidity providers leave with a part of every pool: prices stay, depth does not. The block is returned."""
    maker, transactions = world.account(MAKER), []
    for name in POOLS:
        shares = world[name].read("balanceOf", maker)
        transactions.append(world[name].tx(maker, "remove_liquidity", int(shares * Fraction(str(part))), [0, 0]))
    return world.send(*transactions)[-1].block


def freeze_feed(world: World, frozen: bool = True) -> int:
    """The oracle network of the feed stops answering: its last answer grows old. ``frozen=False``: it answers again."""
    return world.send(world[AGGREGATOR].tx(world.account(MAKER), "devFreeze", frozen))[0].block


def break_pool(world: World, name: str = "curve_steth_eth", broken: bool = True) -> int:
    """Every call of the pool reverts. ``broken=False``: it is mended."""
    return world.send(world[name].tx(world.account(MAKER), "devBreak", broken))[0].block


def pass_quietly(world: World, seconds: int) -> int:
    """Let block time go by in steps so short that nothing goes stale between them: for rules that look at a range. The time is returned."""
    until = world.now() + seconds
    while (left := until - world.now()) > 0:
        world.warp(min(left, STEP_SECONDS))
    return world.now()


def whole(world: World, name: str) -> bool:
    """Whether the pool answers."""
    try:
        world[name].read("A")
    except RpcError:
        return False
    return True


def state(world: World, name: str) -> Pool:
    """The pool's state. Raises ``RpcError`` for a broken one."""
    pool = world[name]
    return Pool(pool.read("balances", 0), pool.read("balances", 1), pool.read("A"), pool.read("fee"))


def _trade(world: World, name: str, price: int) -> list[Transaction]:
    pool, maker = world[name], world.account(MAKER)
    sold, paid = state(world, name).to_reach(price)
    if sold:
        return [pool.tx(maker, "exchange", 1, 0, sold, 0)]
    return [pool.tx(maker, "exchange", 0, 1, paid, 0, value=paid)] if paid else []
