"""Pools and feeds: worked examples, orders of coins, and everything for which a venue must not count."""

from __future__ import annotations

from decimal import Decimal, getcontext
from fractions import Fraction

import pytest
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from monitor.model import Disputed, Failed, Unanswered, Value
from monitor.protocols.abi import BadAnswer, Contract, Function
from monitor.protocols.entries import BadEntry, parse
from monitor.protocols.lido import protocol
from monitor.protocols.lido.deployment import mainnet
from monitor.protocols.venues import ChainlinkFeed, CurveStableswap, UniswapV3, chainlink, curve, read_market, uniswap
from monitor.protocols.venues.quote import depth
from tests.protocols import venue_answers as fake
from tests.protocols.venue_answers import ETH, NATIVE, STETH, VECTORS, WETH, WSTETH, Answers

STABLE = CurveStableswap(Contract("pool", fake.POOL), STETH, frozenset({NATIVE, WETH}))
FEED = ChainlinkFeed(Contract("feed", fake.FEED), 86_400)
V3 = UniswapV3(Contract("pool", fake.POOL), WSTETH, WETH, 100, Contract("quoter", fake.QUOTER))


@pytest.mark.parametrize("function", [f for m in (chainlink, curve, uniswap) for f in vars(m).values() if isinstance(f, Function)])
def test_every_function_that_we_read_has_the_public_selector(function: Function) -> None:
    assert fake.SELECTORS[function.signature] == function.selector


def test_our_own_two_selectors_are_hashes() -> None:
    assert all(fake.SELECTORS[s] == keccak(s.encode())[:4] for s in ("token0()", "token1()"))


# ---------------------------------------------------------------- Curve


def test_the_middle_of_bid_and_ask_is_the_worked_example() -> None:
    known = fake.curve()
    example = VECTORS["curve_middle"]
    known[fake.POOL, "get_dy(int128,int128,uint256)"] = lambda i, j, x: (
        ["uint256"],
        [(example["bid"] if i == 1 else example["sold"]) * x // ETH],
    )
    quote = STABLE.quote(Answers(known).snapshot(STABLE.reads()))
    assert quote.price == pytest.approx(example["price"] * ETH, rel=1e-12)
    assert quote.refused is None


@pytest.mark.parametrize("coins", [(NATIVE, STETH), (STETH, NATIVE), (WETH, STETH), (STETH, WETH)])
def test_the_order_of_the_coins_is_read(coins: tuple[str, str]) -> None:
    balances = (3 * ETH, 7 * ETH) if coins[1] == STETH else (7 * ETH, 3 * ETH)
    quote = STABLE.quote(Answers(fake.curve(coins, price=0.97, balances=balances)).snapshot(STABLE.reads()))  # type: ignore[arg-type]
    assert quote.price == pytest.approx(0.97 * ETH, rel=1e-6)
    assert quote.balances == (7 * ETH, 3 * ETH)


def test_a_pool_of_other_coins_is_no_venue_of_ours() -> None:
    with pytest.raises(Unanswered, match="right pool"):
        STABLE.quote(Answers(fake.curve((NATIVE, WSTETH))).snapshot(STABLE.reads()))


def test_a_pool_that_reverts_answers_that_it_does_not_count() -> None:
    quote = STABLE.quote(Answers(broken={fake.POOL: fake.REVERTS}).snapshot(STABLE.reads()))
    assert quote.price is None and quote.refused is not None
    known = fake.curve(balances=(5, 6))
    known[fake.POOL, "get_dy(int128,int128,uint256)"] = lambda i, j, x: None
    quote = STABLE.quote(Answers(known).snapshot(STABLE.reads()))
    assert quote.price is None and quote.refused is not None
    assert quote.balances == (6, 5)


def test_a_wide_spread_does_not_count_and_still_has_a_price() -> None:
    assert STABLE.quote(Answers(fake.curve(fee=0.009)).snapshot(STABLE.reads())).refused is None
    quote = STABLE.quote(Answers(fake.curve(fee=0.011)).snapshot(STABLE.reads()))
    assert quote.refused == "ask is more than 2/100 above bid"
    assert quote.price == pytest.approx(ETH, rel=1e-9)


@pytest.mark.parametrize("answer", [Failed("timeout"), Disputed((("a", "1"), ("b", "2"))), Value(b"", ("a",)), Value(bytes(31), ("a",))])
@pytest.mark.parametrize("reader", [STABLE, FEED, V3])
def test_what_is_not_known_is_unanswered_never_a_price(answer: object, reader: STABLE.__class__) -> None:  # type: ignore[name-defined]
    broken = dict.fromkeys((fake.POOL, fake.FEED, fake.QUOTER), answer)
    with pytest.raises(Unanswered):
        reader.quote(Answers(broken=broken).snapshot(reader.reads()))  # type: ignore[arg-type]


# ---------------------------------------------------------------- depth


def test_depth_is_interpolated_on_the_logarithm_of_the_size() -> None:
    # no loss up to 100, two per cent at 1000: one per cent is half of the way between them, in logarithms
    sold = [(ETH, ETH), (100 * ETH, 100 * ETH), (1000 * ETH, 980 * ETH)]
    assert depth(sold) == pytest.approx(316.227766 * ETH, rel=1e-8)
    assert depth(sold[:2]) == 100 * ETH
    assert depth([(ETH, 0)]) == depth([]) == 0


@given(st.integers(50, 10**6), st.floats(0.5, 1.5))
def test_depth_is_never_more_than_what_can_be_sold_at_one_per_cent(deep: int, price: float) -> None:
    """The pool loses ``size / deep``: a convex curve would be underestimated, this one is hit within the grid."""
    quote = STABLE.quote(Answers(fake.curve(price=price, deep=deep)).snapshot(STABLE.reads()))
    assert quote.depth is not None
    truth = min(1 + (deep - 1) / 100, 20_000)
    assert quote.depth / ETH == pytest.approx(truth, rel=0.8)
    assert quote.depth >= ETH


def test_a_size_that_reverts_ends_the_depth() -> None:
    known = fake.curve()
    known[fake.POOL, "get_dy(int128,int128,uint256)"] = lambda i, j, x: (["uint256"], [x]) if x <= 100 * ETH else None
    assert STABLE.quote(Answers(known).snapshot(STABLE.reads())).depth == 100 * ETH


# ---------------------------------------------------------------- feeds


@pytest.mark.parametrize(
    ("answer", "age", "decimals", "why"),
    [
        (ETH, 60, 18, None),
        (99_500_000, 108_000, 8, None),
        (ETH, 108_001, 18, "old"),
        (0, 60, 18, "answers 0"),
        (-5, 60, 18, "answers -5"),
        (ETH, fake.NOW, 18, "at 0"),
        (ETH, -30, 18, "30 s newer"),
        (ETH, 60, 77, "77 decimals"),
    ],
)
def test_a_feed_counts_while_its_answer_is_fresh_and_sound(answer: int, age: int, decimals: int, why: str | None) -> None:
    quote = FEED.quote(Answers(fake.feed(answer, age, decimals)).snapshot(FEED.reads()))
    if why is None:
        assert quote.refused is None and quote.price == answer * 10 ** (18 - decimals) and quote.age == age
    else:
        assert quote.refused is not None and why in quote.refused


def test_a_short_heartbeat_has_ten_minutes_of_margin() -> None:
    assert ChainlinkFeed(Contract("f", fake.FEED), 3600).oldest == 4500
    assert ChainlinkFeed(Contract("f", fake.FEED), 60).oldest == 660


def test_a_feed_that_reverts_does_not_count() -> None:
    assert FEED.quote(Answers(broken={fake.FEED: fake.REVERTS}).snapshot(FEED.reads())).refused == "the feed reverts"


# ---------------------------------------------------------------- Uniswap


def test_worked_examples_of_ticks_and_roots() -> None:
    root, tick, mean, inverted = (VECTORS[k] for k in ("sqrt_price", "tick", "mean_tick", "inverted"))
    assert uniswap.spot(root["sqrt_price"], True) == pytest.approx(root["price"] * ETH, rel=1e-12)
    assert uniswap.at_tick(root["tick"]) <= uniswap.spot(root["sqrt_price"], True) < uniswap.at_tick(root["tick"] + 1)
    assert uniswap.at_tick(tick["tick"]) == pytest.approx(tick["price"] * ETH, rel=1e-12)
    assert uniswap.mean_tick(mean["earlier"], mean["later"], mean["seconds"]) == mean["tick"]
    assert uniswap.at_tick(-inverted["tick"]) == pytest.approx(inverted["price"] * ETH, rel=1e-12)


@given(st.integers(-2000, 2000))
def test_a_tick_is_the_exact_power_rounded_down(tick: int) -> None:
    exact = Fraction(10001, 10000) ** tick * ETH
    assert 0 <= exact - uniswap.at_tick(tick) < 1


@given(st.integers(-887_272, 887_272))
def test_every_tick_has_a_price(tick: int) -> None:
    getcontext().prec = 90
    exact = Decimal("1.0001") ** tick * ETH
    assert abs(exact - uniswap.at_tick(tick)) <= 1 + exact / Decimal(10) ** 50


@given(st.integers(2**90, 2**102))
def test_the_inverse_of_a_spot_price_is_its_inverse(root: int) -> None:
    product = uniswap.spot(root, True) * uniswap.spot(root, False)
    assert product == pytest.approx(ETH * ETH, rel=1e-9)


@pytest.mark.parametrize(("tokens", "tick"), [((WSTETH, WETH), 1540), ((WETH, WSTETH), -1540)])
def test_the_mean_price_is_that_of_the_base_token_in_either_order(tokens: tuple[str, str], tick: int) -> None:
    root = int(1.0001 ** (tick / 2) * 2**96)
    answers = Answers(fake.uniswap(tokens, ticks=(5, 5 + tick * 1800), sqrt_price=root))  # type: ignore[arg-type]
    quote = V3.quote(answers.snapshot(V3.reads()))
    assert quote.price == pytest.approx(VECTORS["tick"]["price"] * ETH, rel=1e-12)
    assert quote.refused is None and quote.depth == 5_000 * ETH


def test_a_short_history_does_not_count() -> None:
    known = fake.uniswap()
    known[fake.POOL, "observe(uint32[])"] = lambda ago: None
    quote = V3.quote(Answers(known).snapshot(V3.reads()))
    assert quote.price is None and "shorter than 1800 s" in (quote.refused or "")


def test_a_mean_that_the_market_has_left_does_not_count() -> None:
    root = int(0.97**0.5 * 2**96)
    quote = V3.quote(Answers(fake.uniswap(sqrt_price=root)).snapshot(V3.reads()))
    assert quote.price == ETH and "from its mean" in (quote.refused or "")


def test_liquidity_that_was_not_there_all_the_time_is_no_depth() -> None:
    quote = V3.quote(Answers(fake.uniswap(liquidity=99 * 50 * ETH)).snapshot(V3.reads()))
    assert quote.depth == pytest.approx(50 * ETH, rel=1e-9)
    assert uniswap.steady_depth(0, 2**96, True) == 0


def test_a_pool_of_other_tokens_and_short_observations_are_told() -> None:
    with pytest.raises(Unanswered, match="right pool"):
        V3.quote(Answers(fake.uniswap((STETH, WETH))).snapshot(V3.reads()))
    known = fake.uniswap()
    known[fake.POOL, "observe(uint32[])"] = lambda ago: (["int56[]", "uint160[]"], [[1], [1]])
    with pytest.raises(BadAnswer):
        V3.quote(Answers(known).snapshot(V3.reads()))


# ---------------------------------------------------------------- the list of venues


def test_mainnet_lists_venues_of_both_tokens_and_a_feed() -> None:
    source = protocol(mainnet()).peg
    assert source is not None and source.token == "stETH"
    assert source.venues == (
        "curve_steth_eth", "curve_steth_eth_ng", "univ3_wsteth_weth_100", "univ3_wsteth_weth_500", "chainlink_steth_eth",
    )  # fmt: skip
    assert not any(line.startswith("peg") for line in protocol(mainnet()).uncovered)


VENUE = f"a: {{kind: curve_stableswap, base: lido, address: '{fake.POOL}'}}"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (f"venues: {{{VENUE}}}", "no floor_ether"),
        ("floor_ether: 200", "no venues"),
        (f"floor_ether: 0\nvenues: {{{VENUE}}}", "above 0"),
        (f"floor_ether: 1\nvenues: {{{VENUE.replace('curve_stableswap', 'curve_stabelswap')}}}", 'did you mean "curve_stableswap"'),
        (f"floor_ether: 1\nvenues: {{{VENUE.replace('lido', 'ldo')}}}", 'did you mean "lido"'),
        (f"floor_ether: 1\nvenues: {{{VENUE}, b{VENUE[1:]}}}", '"a" and "b" have the same address'),
        (f"floor_ether: 1\nvenues: {{{VENUE[:-1]}, fee: 100}}}}", "has no fee"),
        (f"floor_ether: 1\nvenues: {{{VENUE.replace('curve_stableswap', 'chainlink')}}}", "needs heartbeat_seconds"),
        (f"floor_ether: 1\nvenues: {{{VENUE.replace('curve_stableswap', 'chainlink')[:-1]}, heartbeat_seconds: 0}}}}", "must be above 0"),
        (f"floor_ether: 1\nvenues: {{{VENUE.replace('curve_stableswap', 'uniswap_v3')[:-1]}, fee: 100}}}}", "needs peg.weth"),
        ("floor_ether: 1\nvenues: {a: {kind: chainlink, base: lido}}", "has no address"),
    ],
)
def test_mistakes_in_the_list_are_told_with_their_place(text: str, what: str) -> None:
    with pytest.raises(BadEntry, match=r"mine\.yaml:\d+:\d+: ") as caught:
        read_market(parse(text, "mine.yaml"), ("lido", "wsteth"))
    assert what in str(caught.value)
