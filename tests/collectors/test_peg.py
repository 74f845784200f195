"""From venues to one price: who counts, the weighted median, and which scope is blind when something is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from monitor.collectors.peg import collectors
from monitor.collectors.venues import Combined, capped, combine, deviation, weighted_median
from monitor.model import Disputed, Failed, Frame, Ok, Unanswered
from monitor.protocols.abi import Contract
from monitor.protocols.lido.peg import LidoPeg
from monitor.protocols.signals import PegReading, VenueReading
from monitor.protocols.venues import ChainlinkFeed, CurveStableswap, Reader, UniswapV3
from tests.protocols import venue_answers as fake
from tests.protocols.venue_answers import ETH, NATIVE, STETH, VECTORS, WETH, WSTETH, Answers

FLOOR = 200 * ETH


def venue(price: float | None, depth: int | None = 1000, *, origin: str = "", refused: str | None = None) -> VenueReading:
    wei = None if price is None else round(price * 10**9) * 10**9
    return VenueReading(origin or f"{price}/{depth}", wei, refused, None if depth is None else depth * ETH, None, None)


def together(*venues: VenueReading, fair: int = ETH) -> Combined:
    return combine(PegReading(fair, FLOOR, {f"v{i}": v for i, v in enumerate(venues)}, {}))


def price_of(combined: Combined) -> float | None:
    return None if combined.price is None else float(combined.price / ETH)


# ---------------------------------------------------------------- combining


def test_the_worked_example_of_a_deviation() -> None:
    example = VECTORS["deviation"]
    market, fair = (round(example[k] * 10**6) * 10**12 for k in ("market", "fair"))
    assert float(deviation(market, fair)) == pytest.approx(example["deviation"], abs=1e-12)


def test_the_median_is_weighted_by_depth() -> None:
    assert price_of(together(venue(0.99, 1000), venue(0.98, 900), venue(1.0, 200))) == 0.99
    assert price_of(together(venue(0.99, 1000), venue(0.98, 1300), venue(1.0, 500))) == 0.99


def test_no_single_pool_decides_alone_however_deep_it_is() -> None:
    deep = [venue(0.7, 10**6), venue(0.995, 300), venue(0.994, None)]
    assert price_of(together(*deep)) == 0.994


@given(st.integers(1, 4 * 10**18))
def test_one_venue_of_three_cannot_move_the_result_out_of_what_the_others_say(price: int) -> None:
    deep = VenueReading("deep", price, None, 10**6 * ETH, None, None)
    found = together(deep, venue(0.995, 300), venue(0.99, None))
    assert found.price is not None and Fraction(99, 100) * ETH <= found.price <= Fraction(995, 1000) * ETH


def test_of_two_sources_each_has_the_same_say() -> None:
    assert price_of(together(venue(0.98, 5000), venue(1.0, None))) == 0.99


def test_one_source_is_not_enough_and_two_feeds_of_one_network_are_one() -> None:
    assert together(venue(0.98)).price is None
    twice = together(venue(0.98, None, origin="chainlink"), venue(0.99, None, origin="chainlink"))
    assert (twice.sources, twice.price, len(twice.live)) == (1, None, 2)
    assert together(venue(0.98, None, origin="chainlink"), venue(0.99, None, origin="redstone")).price is not None


def test_what_reverted_or_was_refused_does_not_count() -> None:
    found = together(venue(0.98), venue(None, refused="reverts"), venue(0.5, refused="too shallow"), venue(0.99))
    assert set(found.live) == {"v0", "v3"}


def test_a_price_far_off_needs_a_second_source_on_its_side() -> None:
    assert set(together(venue(0.22, 900), venue(1.0), venue(0.99)).live) == {"v1", "v2"}
    assert set(together(venue(0.22, 900), venue(0.3), venue(0.99)).live) == {"v0", "v1", "v2"}
    assert set(together(venue(0.22, 900), venue(1.9), venue(0.99)).live) == {"v2"}
    assert set(together(venue(0.22, 900, origin="a"), venue(0.3, 900, origin="a"), venue(0.99)).live) == {"v2"}
    assert set(together(venue(0.5, 900), venue(0.99)).live) == {"v0", "v1"}


def test_the_spread_is_between_highest_and_lowest() -> None:
    assert together(venue(0.98), venue(0.99, 900), venue(1.0)).spread == Fraction(2, 100) / Fraction(99, 100)


WEIGHTS = st.dictionaries(st.text(min_size=1, max_size=3), st.integers(1, 10**24), min_size=1, max_size=8)


@given(WEIGHTS)
def test_no_weight_is_half_of_all_where_there_are_three(weights: dict[str, int]) -> None:
    found = capped(weights)
    assert found.keys() == weights.keys()
    assert all(0 < found[k] <= weights[k] for k in weights)
    total = sum(found.values())
    if len(weights) > 3 or (len(weights) == 3 and sorted(weights.values())[0] > 1):
        assert all(2 * w < total for w in found.values())
    if len(weights) == 2:
        assert len(set(found.values())) == 1


@given(st.lists(st.tuples(st.integers(1, 1000), st.integers(1, 50)), min_size=1, max_size=9))
def test_the_weighted_median_is_the_median_of_the_prices_written_out(prices: list[tuple[int, int]]) -> None:
    written = sorted(price for price, weight in prices for _ in range(weight))
    middle = len(written) // 2
    plain = Fraction(written[middle]) if len(written) % 2 else Fraction(written[middle - 1] + written[middle], 2)
    assert weighted_median(prices) == plain


# ---------------------------------------------------------------- collectors

CURVE = CurveStableswap(Contract("curve", fake.POOL), STETH, frozenset({NATIVE, WETH}))
SECOND_AT = fake.address("0x" + "c1" * 20)
SECOND = CurveStableswap(Contract("second", SECOND_AT), STETH, frozenset({NATIVE, WETH}))
FEED = ChainlinkFeed(Contract("feed", fake.FEED), 86_400)


def source(*readers: Reader, wrapped: tuple[str, ...] = ()) -> LidoPeg:
    return LidoPeg(readers or (CURVE, SECOND, FEED), Contract("wsteth", WSTETH) if wrapped else None, frozenset(wrapped), FLOOR)


def healthy(**changed: Any) -> Answers:
    return Answers(
        fake.curve(price=0.99, deep=10**6) | fake.curve(price=0.98, deep=10**5, at=SECOND_AT) | fake.feed(99 * 10**16), **changed
    )


def judged(answers: Answers, peg: LidoPeg | None = None) -> dict[tuple[str, str], Frame]:
    peg = peg or source()
    made: list[Frame] = []
    for collector in collectors("lido", peg):
        frames, _ = collector.judge(answers.snapshot(collector.plan({})), {})
        assert [f.scope for f in frames] == list(collector.scopes)
        assert {s.family for f in frames for s in f.layout.series} <= {f.name for f in collector.families}
        made += frames
    return {(f.collector, dict(f.scope).get("venue", "")): f for f in made}


def values(frame: Frame) -> Mapping[str, float]:
    return {s.family: float(v) for s, v in zip(frame.layout.series, frame.values, strict=True)}


def test_a_healthy_market_is_told_whole() -> None:
    frames = judged(healthy())
    assert all(isinstance(f.status, Ok) for f in frames.values())
    assert values(frames["peg", ""]) == pytest.approx({"peg_deviation_ratio": -0.01, "peg_spread_ratio": 0.01 / 0.99}, rel=1e-6)
    assert values(frames["peg_sources", ""]) == {"peg_sources": 3, "peg_fair_value_ratio": 1}
    curve = values(frames["peg_venues", "curve"])
    assert curve.keys() == {
        "peg_price_ratio", "peg_venue_deviation_ratio", "peg_source_live", "peg_pool_share_ratio", "peg_pool_depth_ether",
    }  # fmt: skip
    assert curve["peg_pool_share_ratio"] == 0.5 and curve["peg_source_live"] == 1
    assert values(frames["peg_venues", "feed"]) == pytest.approx(
        {"peg_price_ratio": 0.99, "peg_venue_deviation_ratio": -0.01, "peg_source_live": 1, "peg_source_age_seconds": 60}
    )


@pytest.mark.parametrize(
    ("break_it", "price_stays"),
    [
        (lambda a: a.broken.update({fake.POOL: fake.REVERTS}), False),
        (lambda a: a.known.update(fake.curve(price=0.99, fee=0.05)), True),
        (lambda a: a.known.update(fake.curve(price=0.99, deep=1000)), True),
    ],
    ids=["reverts", "spread too wide", "too shallow"],
)
def test_a_venue_that_does_not_count_says_so_and_the_others_go_on(break_it: Callable[[Answers], Any], price_stays: bool) -> None:
    answers = healthy()
    break_it(answers)
    frames = judged(answers)
    mine = values(frames["peg_venues", "curve"])
    assert mine["peg_source_live"] == 0 and ("peg_price_ratio" in mine) == price_stays
    assert values(frames["peg_sources", ""])["peg_sources"] == 2
    assert values(frames["peg", ""])["peg_deviation_ratio"] == pytest.approx(-0.015, rel=1e-6)


@pytest.mark.parametrize("answer", [Failed("timeout"), Disputed((("a", "1"), ("b", "2")))])
def test_a_venue_that_is_unanswered_blinds_itself_alone(answer: Failed | Disputed) -> None:
    frames = judged(healthy(broken={SECOND_AT: answer}))
    assert isinstance(frames["peg_venues", "second"].status, type(answer))
    assert all(isinstance(f.status, Ok) for key, f in frames.items() if key != ("peg_venues", "second"))
    assert values(frames["peg_sources", ""])["peg_sources"] == 2


def test_one_source_left_is_counted_and_the_deviation_is_unknown_with_its_reasons() -> None:
    answers = healthy(broken={SECOND_AT: fake.REVERTS})
    answers.known |= fake.feed(age=200_000)
    frames = judged(answers)
    status = frames["peg", ""].status
    assert isinstance(status, Failed) and "insufficient sources" in status.reason
    assert "feed: the answer is 200000 s old" in status.reason and "second:" in status.reason
    assert values(frames["peg_sources", ""])["peg_sources"] == 1
    stale = values(frames["peg_venues", "feed"])
    assert stale["peg_source_live"] == 0 and stale["peg_source_age_seconds"] == 200_000


def test_whether_there_are_too_few_is_unknown_while_one_is_unanswered() -> None:
    frames = judged(healthy(broken={SECOND_AT: fake.REVERTS, fake.FEED: Failed("timeout")}))
    assert isinstance(frames["peg_sources", ""].status, Failed)
    assert isinstance(frames["peg", ""].status, Failed)
    assert isinstance(frames["peg_venues", "curve"].status, Ok)


def test_a_venue_is_logged_once_when_it_stops_to_count() -> None:
    collector, _, _ = collectors("lido", source())
    snapshot = healthy(broken={SECOND_AT: fake.REVERTS}).snapshot(collector.plan({}))
    with capture_logs() as logs:
        _, known = collector.judge(snapshot, {})
        assert collector.judge(snapshot, known)[1] == known == {"refused": ["second"]}
        assert collector.judge(healthy().snapshot(collector.plan({})), known)[1] == {"refused": []}
    assert [(entry["event"], entry["venue"]) for entry in logs] == [("peg.venue_does_not_count", "second")]
    assert "reverts" in logs[0]["reason"]


# ---------------------------------------------------------------- the wrapped token

V3 = UniswapV3(Contract("v3", fake.POOL), WSTETH, WETH, 100, Contract("quoter", fake.QUOTER))
RATE = 12 * 10**17


def wrapped(rate: int | None = RATE) -> Answers:
    tick = 1823  # 1.0001^1823 = 1.19997...
    known = fake.uniswap(ticks=(0, tick * 1800), sqrt_price=int(1.2**0.5 * 2**96), price=1.2)
    known |= fake.curve((NATIVE, WSTETH), price=1.2, balances=(60 * ETH, 100 * ETH), at=SECOND_AT)
    known[WSTETH, "stEthPerToken()"] = lambda: None if rate is None else (["uint256"], [rate])
    return Answers(known | fake.feed())


PAIR = (V3, CurveStableswap(Contract("second", SECOND_AT), WSTETH, frozenset({NATIVE, WETH})), FEED)


def test_prices_of_the_wrapped_token_count_for_the_token_at_the_same_blocks_rate() -> None:
    frames = judged(wrapped(), source(*PAIR, wrapped=("v3", "second")))
    assert values(frames["peg_venues", "v3"])["peg_price_ratio"] == pytest.approx(1, abs=1e-4)
    second = values(frames["peg_venues", "second"])
    assert second["peg_price_ratio"] == pytest.approx(1, rel=1e-9)
    assert second["peg_pool_share_ratio"] == pytest.approx(120 / 180)
    alone = PAIR[1].quote(wrapped().snapshot(PAIR[1].reads())).depth
    assert alone is not None and second["peg_pool_depth_ether"] == pytest.approx(1.2 * alone / ETH)


@pytest.mark.parametrize("rate", [None, 0])
def test_without_a_rate_the_wrapped_tokens_venues_alone_are_unknown(rate: int | None) -> None:
    frames = judged(wrapped(rate), source(*PAIR, wrapped=("v3", "second")))
    assert all(isinstance(frames["peg_venues", name].status, Failed) for name in ("v3", "second"))
    assert isinstance(frames["peg_venues", "feed"].status, Ok)
    assert isinstance(frames["peg_sources", ""].status, Failed)


@given(
    st.integers(10**17, 2 * 10**18), st.integers(10**17, 2 * 10**18), st.integers(10**17, 2 * 10**18), st.sampled_from([0, 1, 2, 3]),
)  # fmt: skip
def test_the_deviation_lies_between_the_venues_that_count(first: int, second: int, third: int, missing: int) -> None:
    readings = {
        f"v{i}": VenueReading(str(i), p, None, (i + 2) * FLOOR, None, None) for i, p in enumerate((first, second, third)) if i != missing
    }
    unanswered = {f"v{missing}": Unanswered("x", Failed("y"))} if missing < 3 else {}
    found = combine(PegReading(ETH, FLOOR, readings, unanswered))
    if found.price is None:
        assert found.sources < 2
    else:
        assert min(found.live.values()) <= found.price <= max(found.live.values())
        assert found.spread is not None and found.spread >= 0
