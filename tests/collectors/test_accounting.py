"""Share rate, identities to the wei, drift, rebases and APR against plain re-statements."""

from __future__ import annotations

from decimal import Decimal, getcontext
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from monitor.collectors.accounting import WEEK, Accounting, RebaseEvents
from monitor.collectors.emit import event
from monitor.model import Failed, Ok, Unanswered, labels
from tests.collectors.lido_state import ETH, Lido, log, sources, stamp, values, word

getcontext().prec = 200
SOURCE = sources().accounting
ACCOUNTING = Accounting("lido", SOURCE)
REBASED = "TokenRebased(uint256,uint256,uint256,uint256,uint256,uint256,uint256)"
AMOUNT = st.integers(1, 10**26)


def run(state: Lido, known: Any = None, logs: Any = ()) -> tuple[Any, Any]:
    (frame,), after = ACCOUNTING.judge(state.snapshot(ACCOUNTING.plan(known or {}), logs), known or {})
    return frame, after


def rebased(state: Lido, pre: tuple[int, int], post: tuple[int, int], *, at: int, elapsed: int = 86_400, fees: int = 0) -> Any:
    """``pre`` and ``post`` are (ether, shares)."""
    data = b"".join(map(word, (elapsed, pre[1], pre[0], post[1], post[0], fees)))
    return log("lido", REBASED, [word(at)], data, stamp(1, state.now))


def healthy(**more: Any) -> Lido:
    fields: dict[str, Any] = {"buffered": 10 * ETH, "validators": 96 * ETH, "pending": 3 * ETH, "deposited": ETH, "shares": 100 * ETH}
    return Lido(**{**fields, **more})


def test_totals_and_identities_of_a_healthy_protocol() -> None:
    found = values(run(healthy(external_shares=10 * ETH))[0])
    assert found["accounting_pooled_ether",] == pytest.approx(110 * 100 / 90, rel=1e-15)
    assert found["accounting_external_shares_ratio",] == 0.1
    assert [v for k, v in found.items() if k[0] == "accounting_identity_gap_wei"] == [0, 0, 0]
    assert found["accounting_share_rate_drift_ratio",] == 0
    assert not any(k[0].startswith(("accounting_apr", "accounting_rebase")) for k in found)


def test_a_gap_is_told_to_the_wei() -> None:
    state = healthy(supply_gap=7)
    assert values(run(state)[0])["accounting_identity_gap_wei", "supply"] == 7


def test_minting_shares_without_ether_shows_as_drift_not_as_a_rebase() -> None:
    state = healthy()
    _, known = run(state)
    state.shares += ETH
    frame, after = run(state, known)
    assert values(frame)["accounting_share_rate_drift_ratio",] == float(Decimal(100) / Decimal(101) - 1)
    assert after["rate"] == known["rate"]


def test_a_report_resets_the_drift_and_gives_rebase_and_apr() -> None:
    state = healthy()
    _, known = run(state)
    before = (state.pooled, state.shares)
    state.validators += 5 * ETH // 1000
    state.shares += ETH // 10_000
    report = rebased(state, before, (state.pooled, state.shares), at=state.now - 2000, fees=ETH // 10_000)
    frame, known = run(state, known, (report,))
    found = values(frame)
    grown = Decimal(state.pooled) * before[1] / (Decimal(before[0]) * state.shares) - 1
    assert found["accounting_rebase_ratio",] == pytest.approx(float(grown), rel=1e-14)
    assert found["accounting_apr_ratio",] == pytest.approx(float(grown * Decimal("365.25")), rel=1e-14)
    assert found["accounting_apr_7d_ratio",] == found["accounting_apr_ratio",]
    assert found["accounting_rebase_timestamp_seconds",] == state.now - 2000
    assert found["accounting_share_rate_drift_ratio",] == 0


@given(st.lists(st.tuples(st.integers(-(10**15), 10**16), st.integers(0, 5 * 86_400)), min_size=1, max_size=12))
def test_the_week_is_weighted_by_elapsed_time_and_forgets(reports: list[tuple[int, int]]) -> None:
    state, known = healthy(), None
    told: list[tuple[int, int, Decimal]] = []
    found: dict[Any, float] = {}
    for gain, elapsed in reports:
        state.now += max(elapsed, 12)
        before = (state.pooled, state.shares)
        state.validators += gain
        told.append((state.now - 6, elapsed, Decimal(state.pooled) / Decimal(before[0]) - 1))
        frame, known = run(state, known, (rebased(state, before, (state.pooled, state.shares), at=state.now - 6, elapsed=elapsed),))
        found = values(frame)
    recent = [(e, g) for at, e, g in told if at > state.now - WEEK]
    total = sum(e for e, _ in recent)
    if total:
        wanted = sum(g for _, g in recent) * Decimal("365.25") * 86_400 / total
        assert found["accounting_apr_7d_ratio",] == pytest.approx(float(wanted), rel=1e-9, abs=1e-18)
    else:
        assert ("accounting_apr_7d_ratio",) not in found
    assert (("accounting_apr_ratio",) in found) == (told[-1][1] > 0)
    assert len(str(known)) < 20_000


@given(AMOUNT, AMOUNT, AMOUNT, AMOUNT)
def test_drift_is_exact_before_it_becomes_a_float(ether: int, shares: int, now_ether: int, now_shares: int) -> None:
    state = Lido(buffered=ether, shares=shares)
    _, known = run(state)
    state.buffered, state.shares = now_ether, now_shares
    found = values(run(state, known)[0])
    wanted = Decimal(now_ether) * shares / (Decimal(now_shares) * ether) - 1
    assert found["accounting_share_rate_drift_ratio",] == pytest.approx(float(wanted), rel=1e-15, abs=0)


@given(AMOUNT, AMOUNT, AMOUNT, AMOUNT)
def test_the_direction_of_a_rebase_is_judged_by_integers(e0: int, s0: int, e1: int, s1: int) -> None:
    state = Lido(buffered=1, shares=1)
    snapshot = state.snapshot([], (rebased(state, (e0, s0), (e1, s1), at=5),))
    (happening,) = RebaseEvents(SOURCE).happenings(snapshot)
    direction = "up" if e1 * s0 > e0 * s1 else "down" if e1 * s0 < e0 * s1 else "flat"
    assert happening.labels == {"direction": direction}
    told = event(happening, labels(protocol="lido"))
    assert dict(told.series.labels)["direction"] == direction
    assert told.details["post_ether"] == str(e1)


def test_without_agreed_logs_the_rate_is_unknown() -> None:
    state = healthy()
    _, known = run(state)
    with pytest.raises(Unanswered):
        run(state, known, Failed("timeout"))


def test_a_report_is_kept_although_the_reads_of_its_block_failed() -> None:
    state = healthy()
    _, known = run(state)
    before = (state.pooled, state.shares)
    state.validators += ETH
    report = rebased(state, before, (state.pooled, state.shares), at=state.now - 100)
    frame, known = run(Lido(now=state.now, broken={"lido": Failed("timeout")}), known, (report,))
    assert isinstance(frame.status, Failed)
    frame, _ = run(state, known)
    assert isinstance(frame.status, Ok)
    assert values(frame)["accounting_share_rate_drift_ratio",] == 0
    assert values(frame)["accounting_rebase_ratio",] == pytest.approx(1 / 110)


def test_no_shares_means_no_rate() -> None:
    found = values(run(Lido(broken={"wsteth": word(0)}))[0])
    assert ("accounting_share_rate_ratio",) not in found
    assert found["accounting_shares",] == 0


def test_a_very_first_report_without_shares_before_it_has_no_growth() -> None:
    state = healthy()
    frame, known = run(state, None, (rebased(state, (0, 0), (state.pooled, state.shares), at=state.now - 5),))
    assert ("accounting_rebase_ratio",) not in values(frame)
    assert known["rate"] == [str(state.pooled), str(state.shares)]


@given(AMOUNT, AMOUNT, st.integers(0, 10**26))
def test_identities_hold_within_a_few_wei_for_any_totals(ether: int, shares: int, external: int) -> None:
    assume(external < shares)
    found = values(run(Lido(buffered=ether, shares=shares, external_shares=external))[0])
    assert all(v <= 1 for k, v in found.items() if k[0] == "accounting_identity_gap_wei")
