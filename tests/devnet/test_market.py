"""The devnet's pools and feed: the pool's arithmetic against the invariant solved plainly, the public interface, and what drills do."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from decimal import Decimal, localcontext

import pytest
from eth_utils.crypto import keccak
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.devnet import trades
from monitor.devnet.build import Artifacts, signature
from monitor.devnet.market import AGGREGATOR, FEED, HEARTBEAT, MAKER, POOLS
from monitor.devnet.rpc import RpcError
from monitor.devnet.stableswap import Pool
from monitor.devnet.transactions import TransactionFailed
from monitor.devnet.world import World
from tests.protocols.venue_answers import FACTS

ETH = 10**18
POOL = "curve_steth_eth"
SETTINGS = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


# ---------------------------------------------------------------- the invariant, solved plainly


def solved(low: Decimal, high: Decimal, rising: Callable[[Decimal], Decimal]) -> Decimal:
    """The root by halving: slow, and nothing like the contract's way."""
    for _ in range(260):
        middle = (low + high) / 2
        if rising(middle) > 0:
            high = middle
        else:
            low = middle
    return (low + high) / 2


def plain_quote(ether: int, tokens: int, amplification: int, fee: int, sold: int, selling: bool) -> Decimal:
    """What a trade gives: 2A(x + y) + D = 2AD + D^3 / 4xy before and after, less the fee. (Curve's A is twice the paper's for two coins.)"""
    with localcontext() as context:
        context.prec = 80
        x, y = (Decimal(tokens), Decimal(ether)) if selling else (Decimal(ether), Decimal(tokens))
        a = 2 * Decimal(amplification)

        def invariant(d: Decimal) -> Decimal:
            return a * d + d**3 / (4 * x * y) - a * (x + y) - d

        d = solved(Decimal(0), 2 * (x + y), invariant)
        after = x + sold

        def balance(other: Decimal) -> Decimal:
            return a * (after + other) + d - a * d - d**3 / (4 * after * other)

        left = solved(Decimal(1), y + d, balance)
        return (y - left) * (1 - Decimal(fee) / 10**10)


def of(world: World) -> Pool:
    return trades.state(world, POOL)


@pytest.fixture
def maker(world: World) -> Iterator[str]:
    yield world.account(MAKER)


@SETTINGS
@given(st.data())
def test_the_pool_trades_by_the_invariant(chain_world: World, data: st.DataObject) -> None:
    """From wherever some trades have led: quotes of any size agree with the plain solution, and trading gives what was quoted."""
    pool, maker = chain_world[POOL], chain_world.account(MAKER)
    before = chain_world.anvil.snapshot()
    try:
        for selling, size in data.draw(st.lists(st.tuples(st.booleans(), st.integers(10**15, 200 * ETH)), max_size=3)):
            i, j = (1, 0) if selling else (0, 1)
            quoted = pool.read("get_dy", i, j, size)
            (receipt,) = chain_world.send(pool.tx(maker, "exchange", i, j, size, quoted, value=0 if selling else size))
            ((_, told),) = pool.events(receipt)
            assert (told["tokens_sold"], told["tokens_bought"]) == (size, quoted)
        state, selling, size = of(chain_world), data.draw(st.booleans()), data.draw(st.integers(10**12, 2000 * ETH))
        found = pool.read("get_dy", *((1, 0) if selling else (0, 1)), size)
        plain = plain_quote(state.ether, state.tokens, state.amplification, state.fee, size, selling)
        assert abs(plain - found) <= 100 + plain / 10**15
        assert found == (state.sell(size) if selling else state.buy(size))
    finally:
        chain_world.anvil.revert(before)


@settings(max_examples=50)
@given(st.integers(10**22, 10**24), st.integers(10**22, 10**24), st.integers(20, 2000), st.integers(0, 10**8), st.integers(10**9, 10**23))
def test_a_trade_never_lowers_the_invariant(ether: int, tokens: int, amplification: int, fee: int, sold: int) -> None:
    pool = Pool(ether, tokens, amplification, fee)
    after = pool.after(sold=sold)
    assert 0 <= pool.ether - after.ether <= pool.ether
    assert after.invariant() >= pool.invariant() - 2


# ---------------------------------------------------------------- the public interface


def test_pool_and_feed_have_the_public_selectors_and_topics(compiled: Artifacts) -> None:
    functions = {s: h for _, s, h in FACTS["functions"]}
    events = {s: h for _, s, h in FACTS["events"]}
    ours = {"StableSwapPool": set[str](), "PriceFeedProxy": set[str](), "PriceAggregator": set[str]()}
    for name, found in ours.items():
        for item in compiled[name].abi:
            if item["type"] in ("function", "event"):
                found.add(signature(item))
        for text in found & (functions.keys() | events.keys()):
            digest = "0x" + keccak(text=text).hex()
            assert digest.startswith(functions.get(text) or events[text])
    curve = {s for c, s, _ in FACTS["functions"] if c == "CurveStableswap"}
    assert curve <= ours["StableSwapPool"]
    assert {s for c, s, _ in FACTS["functions"] if c == "PriceFeed"} <= ours["PriceFeedProxy"]
    assert {"TokenExchange(address,int128,uint256,int128,uint256)", "RemoveLiquidity(address,uint256[2],uint256[2],uint256)"} <= ours[
        "StableSwapPool"
    ]
    assert "AnswerUpdated(int256,uint256,uint256)" in ours["PriceAggregator"]


def test_a_rebase_belongs_to_the_liquidity(world: World) -> None:
    from monitor.devnet import actions

    before, virtual = of(world), world[POOL].read("get_virtual_price")
    actions.live_through(world, 1)
    after = of(world)
    assert after.tokens > before.tokens and after.ether == before.ether
    assert world[POOL].read("get_virtual_price") > virtual


def test_liquidity_comes_and_goes(world: World, maker: str) -> None:
    pool = world[POOL]
    shares, before = pool.read("balanceOf", maker), of(world)
    virtual = pool.read("get_virtual_price")
    world.send(pool.tx(maker, "add_liquidity", [100 * ETH, 0], 0, value=100 * ETH))
    added = pool.read("balanceOf", maker) - shares
    assert 99 * ETH < added < 100 * ETH  # one-sided: less than its worth, and it pays the fee
    assert pool.read("get_virtual_price") > virtual
    world.send(pool.tx(maker, "remove_liquidity", added, [0, 0]))
    assert of(world).ether - before.ether == pytest.approx(40 * ETH, rel=0.3)
    with pytest.raises(TransactionFailed):
        world.send(pool.tx(maker, "exchange", 1, 0, ETH, 2 * ETH))
    with pytest.raises(TransactionFailed):
        world.send(pool.tx(maker, "exchange", 0, 1, ETH, 0, value=ETH - 1))
    for i, j in ((0, 0), (1, 1), (0, 2), (-1, 0)):
        with pytest.raises(RpcError):
            pool.read("get_dy", i, j, ETH)


# ---------------------------------------------------------------- what drills do


@pytest.mark.parametrize("fraction", [0.006, 0.03, 0.1, -0.02])
def test_a_depeg_brings_every_pool_and_the_feed_to_the_price(fraction: float, world: World) -> None:
    trades.depeg(world, fraction)
    for name in POOLS:
        assert 1 - trades.state(world, name).price() / ETH == pytest.approx(fraction, abs=5e-5)
    assert world[FEED].read("latestRoundData")[1] == round((1 - fraction) * 10**6) * 10**12
    trades.repeg(world)
    for name in POOLS:
        assert trades.state(world, name).price() / ETH == pytest.approx(1, abs=1e-5)
    assert world[FEED].read("latestRoundData")[1] == ETH


def test_one_pool_alone_can_fall(world: World) -> None:
    trades.depeg(world, 0.2, pools=(POOL,), feed=False)
    assert of(world).price() / ETH == pytest.approx(0.8, abs=1e-4)
    assert trades.state(world, "curve_steth_eth_ng").price() / ETH == pytest.approx(1, abs=1e-4)
    assert world[FEED].read("latestRoundData")[1] == ETH


def test_a_broken_pool_answers_nothing_until_it_is_mended(world: World) -> None:
    trades.break_pool(world)
    assert not trades.whole(world, POOL)
    for function, arguments in (("coins", [0]), ("balances", [0]), ("get_dy", [0, 1, ETH]), ("A", [])):
        with pytest.raises(RpcError):
            world[POOL].read(function, *arguments)
    trades.depeg(world, 0.01)  # the other pool and the feed
    assert trades.state(world, "curve_steth_eth_ng").price() / ETH == pytest.approx(0.99, abs=1e-5)
    trades.break_pool(world, broken=False)
    assert of(world).price() / ETH == pytest.approx(1, abs=1e-4)


def test_the_feed_keeps_its_heartbeat_by_itself_also_over_a_warp(world: World) -> None:
    first, answer, _, at, _ = world[FEED].read("latestRoundData")
    assert first >> 64 == world[FEED].read("phaseId") == 1
    world.warp(5 * HEARTBEAT + 100)
    later, still, started, now_at, answered = world[FEED].read("latestRoundData")
    assert (still, later - first, now_at - at) == (answer, 5, 5 * HEARTBEAT)
    assert started == now_at and answered == later
    assert 0 <= world.now() - now_at < HEARTBEAT


def test_a_frozen_feed_grows_old_and_comes_back_with_a_new_round(world: World, maker: str) -> None:
    trades.freeze_feed(world)
    frozen = world[FEED].read("latestRoundData")
    world.warp(3 * HEARTBEAT)
    assert world[FEED].read("latestRoundData") == frozen
    trades.depeg(world, 0.01)  # the feed does not follow
    with pytest.raises(TransactionFailed):
        world.send(world[AGGREGATOR].tx(maker, "transmit", ETH))
    assert world[FEED].read("latestRoundData") == frozen
    trades.freeze_feed(world, False)
    after = world[FEED].read("latestRoundData")
    assert after[0] == frozen[0] + 1 and world.now() - after[3] < 5


def test_the_aggregator_behind_the_feed_can_be_replaced(world: World) -> None:
    governance, feed = world.account("governance"), world[FEED]
    old = feed.read("latestRoundData")[0]
    new = world[AGGREGATOR].address
    with pytest.raises(TransactionFailed):
        world.send(feed.tx(governance, "confirmAggregator", new))
    with pytest.raises(TransactionFailed):
        world.send(feed.tx(world.account("attacker"), "proposeAggregator", new))
    world.send(feed.tx(governance, "proposeAggregator", new), feed.tx(governance, "confirmAggregator", new))
    assert feed.read("phaseId") == 2 and feed.read("latestRoundData")[0] - old >= 1 << 64


def test_only_the_market_maker_moves_the_feed(world: World) -> None:
    with pytest.raises(TransactionFailed):
        world.send(world[AGGREGATOR].tx(world.account("attacker"), "transmit", 1))


def test_providers_can_leave_without_moving_the_price(world: World) -> None:
    before = of(world)
    trades.withdraw_liquidity(world, 0.75)
    after = of(world)
    assert after.price() / ETH == pytest.approx(before.price() / ETH, abs=1e-5)
    assert after.ether / before.ether == pytest.approx(0.25, rel=1e-3)


def test_time_passes_in_steps_that_leave_no_hole(live_world: World) -> None:
    first = live_world.anvil.head()[0]
    start = live_world.now()
    assert trades.pass_quietly(live_world, 250) >= start + 250
    last = live_world.anvil.head()[0]
    times = [int(live_world.rpc.call("eth_getBlockByNumber", hex(n), False)["timestamp"], 16) for n in range(first, last + 1)]
    assert max(b - a for a, b in itertools.pairwise(times)) <= trades.STEP_SECONDS + 2
