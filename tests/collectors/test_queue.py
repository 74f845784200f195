"""The queue's depth, coverage and head."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.collectors.queue import Queue, QueueHead
from monitor.model import Disputed, Failed, Ok, Unanswered
from tests.collectors.lido_state import ETH, Lido, sources, values

QUEUE = Queue("lido", sources().queue)
HEAD = QueueHead("lido", sources().queue)


def run(collector: Any, state: Lido, known: Any = None, number: int = 1) -> tuple[Any, Any]:
    known = known or {}
    (frame,), after = collector.judge(state.snapshot(collector.plan(known), number=number), known)
    return frame, after


def test_depth_coverage_and_claims_are_exact() -> None:
    state = Lido(requests=[(5 * ETH, 1), (3 * ETH + 1, 2), (ETH, 3)], finalized=1, reserve=2 * ETH, locked=7 * ETH)
    state.balances = {"withdrawal_queue": 6 * ETH, "withdrawal_vault": ETH // 2, "el_rewards_vault": 3}
    found = values(run(QUEUE, state)[0])
    assert found == {
        ("queue_unfinalized_ether",): (4 * ETH + 1) / ETH,
        ("queue_unfinalized_requests",): 2,
        ("queue_finalized_request_id",): 1,
        ("queue_claimable_ether",): 7,
        ("queue_claims_shortfall_ether",): 1,
        ("queue_bunker_mode",): 0,
        ("queue_available_ether", "buffer"): 2,
        ("queue_available_ether", "withdrawal_vault"): 0.5,
        ("queue_available_ether", "el_rewards_vault"): 3e-18,
        ("queue_coverage_ratio",): (2 * ETH + ETH // 2 + 3) / (4 * ETH + 1),
    }


def test_an_empty_queue_has_no_coverage_and_no_head() -> None:
    state = Lido(requests=[(ETH, 1)], finalized=1, reserve=5 * ETH)
    found = values(run(QUEUE, state)[0])
    assert ("queue_coverage_ratio",) not in found
    assert found["queue_available_ether", "buffer"] == 0
    frame, after = run(HEAD, state)
    assert isinstance(frame.status, Ok) and values(frame) == {}
    assert after == {"next": 2}


def test_the_first_request_of_an_empty_queue_is_seen_in_its_own_block() -> None:
    state = Lido(requests=[(ETH, 1)], finalized=1)
    _, known = run(HEAD, state)
    state.requests.append((ETH, state.now))
    frame, _ = run(HEAD, state, known)
    assert values(frame) == {("queue_oldest_request_timestamp_seconds",): state.now}


def test_the_head_is_blind_for_the_one_block_of_a_finalization() -> None:
    state = Lido(requests=[(ETH, 100), (ETH, 200), (ETH, 300)])
    frame, known = run(HEAD, state)
    assert isinstance(frame.status, Failed)
    frame, known = run(HEAD, state, known)
    assert values(frame) == {("queue_oldest_request_timestamp_seconds",): 100}
    state.finalized = 2
    frame, known = run(HEAD, state, known)
    assert isinstance(frame.status, Failed) and "request 3" in frame.status.reason
    frame, _ = run(HEAD, state, known)
    assert values(frame) == {("queue_oldest_request_timestamp_seconds",): 300}


def test_a_missing_vault_is_left_out_not_zero() -> None:
    queue = Queue("lido", sources(without=["el_rewards_vault", "lido"]).queue)
    found = values(run(queue, Lido(requests=[(ETH, 1)], balances={"withdrawal_vault": ETH}))[0])
    assert {k for k in found if k[0] == "queue_available_ether"} == {("queue_available_ether", "withdrawal_vault")}
    assert found["queue_coverage_ratio",] == 1


def test_disputed_answers_are_unanswered() -> None:
    state = Lido(broken={"withdrawal_queue": Disputed((("a", "1"), ("b", "2")))})
    with pytest.raises(Unanswered) as caught:
        run(QUEUE, state)
    assert isinstance(caught.value.answer, Disputed)
    assert isinstance(run(HEAD, state)[0].status, Disputed)


@given(
    st.lists(st.tuples(st.integers(1, 10**22), st.integers(1, 1_600_000_000)), max_size=6),
    st.integers(0, 6), st.integers(0, 10**24), st.integers(0, 10**24),
)  # fmt: skip
def test_coverage_is_what_plain_arithmetic_says(requests: list[tuple[int, int]], finalized: int, reserve: int, vault: int) -> None:
    state = Lido(requests=requests, finalized=min(finalized, len(requests)), reserve=reserve, balances={"withdrawal_vault": vault})
    found = values(run(QUEUE, state)[0])
    depth = sum(wei for wei, _ in requests[state.finalized :])
    assert found["queue_unfinalized_requests",] == len(requests) - state.finalized
    if depth == 0:
        assert ("queue_coverage_ratio",) not in found
    else:
        assert found["queue_coverage_ratio",] == pytest.approx((min(reserve, depth) + vault) / depth, rel=1e-12)
    known = {"next": state.finalized + 1}
    head = values(run(HEAD, state, known)[0])
    assert head == ({("queue_oldest_request_timestamp_seconds",): requests[state.finalized][1]} if depth else {})
