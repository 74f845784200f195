"""The drift of the share rate as the wrapped token and the oracle tell it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from monitor.collectors import collectors
from monitor.collectors.wrapped import WrappedRate
from monitor.model import Failed, Ok
from tests.collectors.lido_state import ETH, WHO, Lido, sources, values

SOURCE = sources().accounting
WRAPPED = WrappedRate("lido", SOURCE)
STEP = st.tuples(st.booleans(), st.integers(1, 10**7), st.integers(1, 10**7))


def judge(state: Lido, known: Any = None) -> tuple[Any, Any]:
    (frame,), after = WRAPPED.judge(state.snapshot(WRAPPED.plan(known or {})), known or {})
    return frame, json.loads(json.dumps(after))


def drift(frame: Any) -> float:
    (found,) = values(frame).values()
    return float(found)


def test_shares_without_ether_lower_the_rate_that_the_wrapped_token_tells() -> None:
    first, known = judge(Lido(shares=10**6 * ETH, buffered=10**6 * ETH))
    assert drift(first) == 0.0
    second, _ = judge(Lido(shares=2 * 10**6 * ETH, buffered=10**6 * ETH), known)
    assert drift(second) == -0.5


@given(st.lists(STEP, min_size=1, max_size=8))
def test_only_a_report_may_move_the_rate(steps: list[tuple[bool, int, int]]) -> None:
    """After each report the drift begins at 0; in between it is the relative change since then."""
    known: Any = {}
    slot, was = 0, None
    for report, ether, shares in steps:
        slot += report
        state = Lido(shares=shares * ETH, buffered=ether * ETH, last_processed=slot)
        rate = 10**18 * (ether * ETH) // (shares * ETH)
        frame, known = judge(state, known)
        was = rate if report or was is None else was
        if was:
            assert drift(frame) == (rate - was) / was


def test_it_reads_what_accounting_does_not_rest_on() -> None:
    """Neither the token nor its logs: what is not answered there blinds nothing here, and the other way round."""
    frame, _ = judge(Lido(shares=ETH, buffered=ETH, broken={"lido": Failed("down")}))
    assert isinstance(frame.status, Ok)
    assert {r.target for r in WRAPPED.plan({})} == {WHO["wsteth"], WHO["accounting_oracle"]} and not WRAPPED.watches


def test_without_a_wrapped_token_or_an_oracle_there_is_no_such_collector() -> None:
    for lacking in ("wsteth", "accounting_oracle"):
        assert "accounting_wrapped" not in {c.name for c in collectors(sources(without=(lacking,)), {})}
