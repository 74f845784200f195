"""Whether a report was cut to the limit, and whether the balance that it claims is there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.collectors import collectors
from monitor.collectors.reports import RebaseLimit, ReportedBalance, gross_growth
from monitor.model import BlockStamp, Disputed, Failed, Ok, Snapshot, Unanswered
from monitor.model.beacon import BeaconView, Gwei
from tests.collectors import beacon_state
from tests.collectors.lido_state import ETH, Lido, log, sources, stamp, values, word

GWEI = 10**9
SOURCE = sources().accounting
LIMIT, BALANCE = RebaseLimit("lido", SOURCE), ReportedBalance("lido", SOURCE)
REBASED = "TokenRebased(uint256,uint256,uint256,uint256,uint256,uint256,uint256)"
INTERNAL = "InternalShareRateUpdated(uint256,uint256,uint256,uint256)"
CLAMPED = ("accounting_rebase_clamped",)


def report(growth: Fraction, *, external: int = 0, fees: int = 0, tells: bool = True, ether: int = 10**6 * ETH) -> tuple[Any, ...]:
    """Logs of a report that lets the rate before fees grow by so much; ``external``: shares that are not the protocol's own."""
    shares = ether
    own_shares, own_ether = shares - external, ether - external  # the rate is 1 before
    after = own_ether + own_ether * growth.numerator // growth.denominator
    paid = own_shares + fees
    pooled = after + external * after // paid
    rebased = b"".join(map(word, (86_400, shares, ether, paid + external, pooled, fees)))
    logs = [log("lido", REBASED, [word(5)], rebased, stamp(1, 100), 0)]
    if tells:
        logs.append(log("lido", INTERNAL, [word(5)], b"".join(map(word, (paid, after, fees))), stamp(1, 100), 1))
    return tuple(logs)


def limit(state: Lido, logs: Any = (), known: Mapping[str, Any] | None = None) -> tuple[Any, Any]:
    (frame,), after = LIMIT.judge(state.snapshot(LIMIT.plan(known or {}), logs), known or {})
    return frame, json.loads(json.dumps(after))


@given(
    st.integers(-10_000_000, 2_000_000), st.integers(1, 1_500_000), st.integers(0, 3 * 10**23), st.integers(0, 10**20), st.integers(0, 10**9)
)  # fmt: skip
def test_a_report_is_cut_when_its_growth_before_fees_is_the_limit(grown: int, bound: int, external: int, fees: int, wei: int) -> None:
    found = values(limit(Lido(rebase_limit=bound), report(Fraction(grown, GWEI), external=external, fees=fees, ether=10**24 + wei))[0])
    assert found["accounting_rebase_limit_ratio",] == bound / GWEI
    if grown != bound - 1:  # where rounding decides
        assert found[CLAMPED] == (grown >= bound)


def test_fees_and_external_shares_do_not_hide_that_a_report_was_cut() -> None:
    """Seen from outside, the rate grew by less than nine tenths of the limit."""
    logs = report(Fraction(750_000, GWEI), external=300_000 * ETH, fees=75 * ETH)
    (rebase,) = SOURCE.rebases(Lido().snapshot([], logs))
    outside = Fraction(rebase.post_ether * rebase.pre_shares, rebase.pre_ether * rebase.post_shares) - 1
    assert outside < Fraction(750_000, GWEI) * Fraction(9, 10)
    assert gross_growth(rebase) == Fraction(750_000, GWEI)
    assert values(limit(Lido(), logs)[0])[CLAMPED] == 1


def test_what_a_report_was_stays_until_the_next_one_whatever_becomes_of_the_limit() -> None:
    frame, known = limit(Lido(), report(Fraction(750_000, GWEI)))
    assert values(frame)[CLAMPED] == 1
    frame, known = limit(Lido(rebase_limit=2_000_000), (), known)
    assert values(frame) == {CLAMPED: 1, ("accounting_rebase_limit_ratio",): 0.002}
    frame, known = limit(Lido(), report(Fraction(80_000, GWEI)), known)
    assert values(frame)[CLAMPED] == 0


def test_before_the_first_report_nothing_is_said_of_one() -> None:
    assert CLAMPED not in values(limit(Lido())[0])


def test_a_report_in_a_block_whose_limit_could_not_be_read_is_compared_later() -> None:
    broken = Lido(broken={"oracle_report_sanity_checker": Failed("timeout")})
    frame, known = limit(broken, report(Fraction(750_000, GWEI)))
    assert isinstance(frame.status, Failed)
    frame, known = limit(Lido(), (), known)
    assert values(frame)[CLAMPED] == 1


def test_a_report_that_does_not_tell_its_own_shares_is_not_judged() -> None:
    _, known = limit(Lido(), report(Fraction(750_000, GWEI)))
    frame, _ = limit(Lido(), report(Fraction(750_000, GWEI), tells=False), known)
    assert isinstance(frame.status, Ok) and CLAMPED not in values(frame)


def test_without_agreed_logs_or_limit_nothing_is_known() -> None:
    with pytest.raises(Unanswered):
        LIMIT.judge(Lido().snapshot(LIMIT.plan({}), Failed("timeout")), {})
    frame, _ = limit(Lido(broken={"oracle_report_sanity_checker": Disputed((("a", "1"), ("b", "2")))}))
    assert isinstance(frame.status, Disputed)


def test_a_deployment_without_the_contracts_has_no_such_collectors() -> None:
    names = {c.name for c in collectors(sources(), {})}
    assert {"accounting_limit", "accounting_balance"} <= names
    names = {c.name for c in collectors(sources(without=("oracle_report_sanity_checker", "accounting_oracle")), {})}
    assert not {"accounting_limit", "accounting_balance"} & names and "accounting" in names
    assert any("limit of a rebase" in line for line in sources(without=("oracle_report_sanity_checker",)).uncovered)


# ---------------------------------------------------------------- the balance


def view(epoch: int, gwei: int | None, *, complete: bool = True, root: str = "r") -> BeaconView:
    """An evaluated epoch, with the sum of Lido's balances at its slot."""
    slot = beacon_state.SPEC.last_slot(epoch + 1)
    sums = {} if gwei is None else {"lido": Gwei(gwei)}
    facts = beacon_state.facts(epoch, beacon_state.digest(root), beacon_state.stamp(slot), balances_at=sums)
    return BeaconView(beacon_state.head(slot), (), facts, beacon_state.registry(slot, complete=complete))


def slot_of(epoch: int) -> int:
    return beacon_state.SPEC.last_slot(epoch + 1)


def balance(state: Lido, seen: BeaconView | None, known: Any = None, at: BlockStamp | None = None) -> tuple[Any, Any]:
    snapshot = Snapshot(at or beacon_state.stamp(10_000), {r: state.answer(r) for r in BALANCE.plan({})}, (), (), seen)
    (frame,), after = BALANCE.judge(snapshot, known or {})
    return frame, json.loads(json.dumps(after))


@given(st.integers(0, 10**17), st.integers(-(10**15), 10**15))
def test_the_gap_is_the_claim_minus_our_count_to_the_gwei(gwei: int, lie: int) -> None:
    _, known = balance(Lido(last_processed=3), view(5, gwei))
    _, known = balance(Lido(last_processed=3), view(6, 1), known)
    claimed = max(0, gwei + lie)
    frame, _ = balance(Lido(last_processed=slot_of(5), validators=claimed * GWEI), view(6, 1), known)
    found = values(frame)
    assert found["accounting_report_balance_gap_ether",] == (claimed - gwei) / GWEI
    assert found.get(("accounting_report_balance_gap_ratio",)) == ((claimed - gwei) / gwei if gwei else None)


def test_a_state_that_is_not_evaluated_yet_makes_it_unknown_and_one_that_was_passed_over_absent() -> None:
    state = Lido(last_processed=slot_of(5), validators=ETH)
    for seen in (BeaconView(), view(4, 1)):
        frame, _ = balance(state, seen)
        assert isinstance(frame.status, Failed) and "not evaluated yet" in frame.status.reason
    frame, _ = balance(state, view(6, 1))
    assert isinstance(frame.status, Ok) and values(frame) == {}
    frame, _ = balance(state, None)
    assert isinstance(frame.status, Ok) and values(frame) == {}, "without beacon nodes there is nothing to compare with"


def test_incomplete_keys_never_make_a_gap() -> None:
    state = Lido(last_processed=slot_of(5), validators=ETH)
    for seen in (view(5, 7, complete=False), view(5, None, complete=False)):
        frame, known = balance(state, seen)
        assert isinstance(frame.status, Failed) and "keys" in frame.status.reason and known["sums"] == []
    frame, _ = balance(state, view(5, GWEI), known)
    assert values(frame)["accounting_report_balance_gap_ether",] == 0


def test_another_branch_replaces_a_sum_and_the_future_waits() -> None:
    state = Lido(last_processed=slot_of(5), validators=3 * ETH)
    _, known = balance(state, view(5, GWEI))
    frame, _ = balance(state, view(5, 2 * GWEI, root="other"), known)
    assert values(frame)["accounting_report_balance_gap_ether",] == 1
    frame, known = balance(state, view(5, GWEI), None, beacon_state.stamp(slot_of(5) - 1))
    assert isinstance(frame.status, Failed) and known["sums"] == []


def test_what_is_remembered_is_bounded_and_keeps_what_is_needed() -> None:
    state, known = Lido(last_processed=slot_of(3), validators=5 * ETH), None
    for epoch in range(2, 400):
        frame, known = balance(state, view(epoch, epoch * GWEI), known)
    assert len(known["sums"]) == 301 and len(json.dumps(known)) < 10_000
    assert values(frame)["accounting_report_balance_gap_ether",] == 2


def test_a_claim_that_cannot_be_read_keeps_the_sum() -> None:
    frame, known = balance(Lido(broken={"lido": Failed("timeout")}), view(5, GWEI))
    assert isinstance(frame.status, Failed)
    frame, _ = balance(Lido(last_processed=slot_of(5), validators=ETH), view(7, 1), known)
    assert values(frame)["accounting_report_balance_gap_ether",] == 0
