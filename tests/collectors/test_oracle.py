"""Frames, lateness, stages, duties: by the contract's own numbering."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.collectors import ORACLE_EVENTS, LogEvents
from monitor.collectors.oracle import ALLOWANCE, Oracle, OracleWallets, late_seconds, outstanding
from monitor.model import Disputed, Failed, Ok, Unanswered, labels
from monitor.protocols.signals import CurrentFrame, Numbering, OracleReading
from tests.collectors.lido_state import ETH, GENESIS, WHO, Lido, account, log, sources, stamp, values, word

SOURCE = sources().oracles[0]
ORACLE = Oracle("lido", SOURCE)
HASH = b"\x07" * 32
FRAME = 4 * 32 * 12


def committee(size: int = 3, **more: Any) -> Lido:
    state = Lido(members={account(i + 1): 0 for i in range(size)}, **more)
    state.now = GENESIS + 200 * 32 * 12  # the first second of epoch 200, the start of frame 25
    state.last_processed = state.ref_slot - 128
    return state


def run(state: Lido, known: Any = None, logs: Any = ()) -> tuple[Any, Any]:
    (frame,), after = ORACLE.judge(state.snapshot(ORACLE.plan(known or {}), logs), known or {})
    return frame, after


def found(state: Lido, known: Any = None, logs: Any = ()) -> dict[tuple[str, ...], float]:
    return values(run(state, known, logs)[0])


def test_times_come_from_the_contracts_frames() -> None:
    state = committee()
    state.now += 100
    start = GENESIS + (200 * 32 - 1) * 12
    got = found(state)
    assert got["oracle_report_due_seconds",] == start
    assert got["oracle_report_deadline_seconds",] == start + FRAME
    assert got["oracle_report_timestamp_seconds",] == start - FRAME
    assert got["oracle_frame_seconds",] == FRAME
    assert got["oracle_report_late_seconds",] == 0
    assert got["oracle_report_delivered",] == 0
    assert got["oracle_reports_lost",] == 0


def test_lateness_begins_after_the_allowance_and_ends_with_the_report() -> None:
    state = committee(epochs_per_frame=40)
    state.last_processed = state.ref_slot - 40 * 32
    due = GENESIS + state.ref_slot * 12
    state.now = due + ALLOWANCE
    assert found(state)["oracle_report_late_seconds",] == 0
    state.now += 1
    assert found(state)["oracle_report_late_seconds",] == 1
    state.last_processed = state.ref_slot
    assert found(state)["oracle_report_late_seconds",] == 0


def test_lost_reports_are_counted_and_lateness_runs_from_the_first() -> None:
    state = committee()
    state.last_processed = state.ref_slot - 4 * 128
    got = found(state)
    assert got["oracle_reports_lost",] == 3
    assert got["oracle_report_late_seconds",] == state.now - (GENESIS + (state.ref_slot - 3 * 128) * 12) - ALLOWANCE


def test_before_the_initial_epoch_the_revert_is_data() -> None:
    state = Lido(initial_epoch=10**6, members={account(1): 0})
    got = found(state)
    assert got["oracle_members",] == 1
    assert got["oracle_report_due_seconds",] == GENESIS + (10**6 * 32 - 1) * 12
    assert got["oracle_report_late_seconds",] == 0
    assert ("oracle_report_delivered",) not in got
    assert ("oracle_report_deadline_seconds",) not in got


def test_an_initial_epoch_that_was_never_set_has_no_due_time() -> None:
    assert ("oracle_report_due_seconds",) not in found(Lido(initial_epoch=2**64 - 1))


def test_an_oracle_that_never_reported_is_measured_from_its_first_frame() -> None:
    state = committee(initial_epoch=196)
    state.last_processed = 0
    got = found(state)
    assert got["oracle_report_due_seconds",] == GENESIS + (196 * 32 - 1) * 12
    assert got["oracle_reports_lost",] == 1
    assert ("oracle_report_timestamp_seconds",) not in got


def test_a_disabled_consensus_has_an_infinite_quorum() -> None:
    assert found(committee(quorum=2**256 - 1))["oracle_quorum",] == math.inf


def test_undelivered_agreement_counts_from_the_log() -> None:
    state = committee()
    reached = log(
        "hash_consensus_ao", "ConsensusReached(uint256,bytes32,uint256)", [word(state.ref_slot)], HASH + word(2), stamp(1, state.now - 30)
    )
    state.agreed = HASH
    frame, known = run(state, None, (reached,))
    assert values(frame)["oracle_undelivered_agreement_seconds",] == 30
    state.now += 60
    frame, known = run(state, known)
    assert values(frame)["oracle_undelivered_agreement_seconds",] == 90
    assert values(frame)["oracle_consensus_reached",] == 1
    state.agreed = bytes(32)
    _, known = run(state, known)
    state.agreed = HASH
    assert found(state, known)["oracle_undelivered_agreement_seconds",] == 0


def test_undelivered_agreement_without_its_log_counts_from_first_sight_and_restarts_for_another_hash() -> None:
    state = committee()
    state.agreed = HASH
    _, known = run(state, None, Failed("logs"))
    state.now += 24
    frame, known = run(state, known, Failed("logs"))
    assert values(frame)["oracle_undelivered_agreement_seconds",] == 24
    state.agreed = b"\x08" * 32
    assert found(state, known)["oracle_undelivered_agreement_seconds",] == 0


def test_a_time_from_the_logs_is_kept_although_the_reads_failed() -> None:
    state = committee()
    reached = log(
        "hash_consensus_ao", "ConsensusReached(uint256,bytes32,uint256)", [word(state.ref_slot)], HASH + word(2), stamp(1, state.now)
    )
    broken = Lido(now=state.now, broken={"hash_consensus_ao": Failed("timeout")})
    frame, known = run(broken, None, (reached,))
    assert isinstance(frame.status, Failed)
    state.now, state.agreed = state.now + 12, HASH
    assert found(state, known)["oracle_undelivered_agreement_seconds",] == 12


def test_extra_data_has_its_own_wait_until_the_last_item() -> None:
    state = committee()
    state.agreed, state.last_processed, state.extra = HASH, state.ref_slot, (4, 1, False)
    started = log("accounting_oracle", "ProcessingStarted(uint256,bytes32)", [word(state.ref_slot)], HASH, stamp(1, state.now))
    _, known = run(state, None, (started,))
    state.now += 36
    got = found(state, known)
    assert got["oracle_extra_data_pending_seconds",] == 36
    assert got["oracle_extra_data_items", "expected"] == 4
    assert got["oracle_extra_data_items", "submitted"] == 1
    assert got["oracle_report_delivered",] == 1
    assert got["oracle_undelivered_agreement_seconds",] == 0
    state.extra = (4, 4, True)
    assert found(state, known)["oracle_extra_data_pending_seconds",] == 0


def test_extra_data_is_absent_before_the_main_data() -> None:
    assert not any(k[0] == "oracle_extra_data_items" for k in found(committee(extra=(4, 0, False))))


def test_misses_in_a_row_count_only_the_fast_lane_and_end_with_a_report() -> None:
    state = committee(size=3, quorum=2)
    known: Any = None
    silent = account(1)
    wanted = 0
    for _ in range(7):
        for member in state.members:
            if member != silent:
                state.members[member] = state.ref_slot
        wanted += silent in state.fast_lane()
        state.last_processed = state.ref_slot
        _, known = run(state, known)
        state.now += 24
        frame, known = run(state, known)  # judged again in the same frame: still counted once
        assert values(frame)["oracle_member_missed_duties", silent] == wanted
        assert values(frame)["oracle_member_missed_duties", account(2)] == 0
        state.now += FRAME - 24
    assert wanted >= 4
    while silent not in state.fast_lane():
        state.now += FRAME
    state.members[silent] = state.last_processed = state.ref_slot
    assert found(state, known)["oracle_member_missed_duties", silent] == 0


def test_a_frame_without_any_report_is_counted_when_it_is_over() -> None:
    state = committee(size=2, quorum=2)
    _, known = run(state)
    assert found(state, known)["oracle_member_missed_duties", account(1)] == 0
    state.members[account(2)] = state.ref_slot  # reported after the last block that we saw
    state.now += FRAME
    got = found(state, known)
    assert got["oracle_member_missed_duties", account(1)] == 1
    assert got["oracle_member_missed_duties", account(2)] == 0


def test_a_long_silence_proves_a_miss_without_history_but_a_new_member_is_not_accused() -> None:
    state = committee(size=3, quorum=2)
    state.members = {account(1): state.last_processed - 3 * 128, account(2): 0, account(3): state.last_processed}
    got = found(state)
    assert got["oracle_member_missed_duties", account(1)] == 1
    assert got["oracle_member_missed_duties", account(2)] == 0
    assert got["oracle_member_missed_duties", account(3)] == 0
    assert ("oracle_member_report_timestamp_seconds", account(2)) not in got


def test_contracts_that_contradict_each_other_are_bad_answers() -> None:
    state = committee()
    other = Lido(now=state.now, initial_epoch=101)
    reads = ORACLE.plan({})
    answers = {r: (other if r.target == WHO["accounting_oracle"] else state).answer(r) for r in reads}
    snapshot = state.snapshot([])
    (frame,), _ = ORACLE.judge(type(snapshot)(snapshot.stamp, answers), {})
    assert isinstance(frame.status, Failed) and "one frame" in frame.status.reason


def test_a_report_from_the_future_is_no_delivery() -> None:
    state = committee()
    state.last_processed = state.ref_slot + 1
    (frame,), _ = ORACLE.judge(state.snapshot(ORACLE.plan({})), {})
    assert isinstance(frame.status, Failed) and "at most the current frame" in frame.status.reason


@given(
    st.integers(0, 10**7), st.integers(1, 20_000), st.integers(0, 40), st.integers(-3, 40), st.integers(0, 30_000), st.integers(0, 10_000),
)  # fmt: skip
def test_lateness_is_what_plain_counting_says(first: int, slots: int, at: int, behind: int, into: int, allowance: int) -> None:
    """The first reference slot after L that is not later than R, found by walking."""
    numbering = Numbering(GENESIS, 12, first, slots)
    ref = first + at * slots
    last = ref - behind * slots if behind >= 0 else ref + behind
    last = max(0, last)
    frame = CurrentFrame(ref, ref + slots, None, {}, 0, False, False, None)
    reading = OracleReading(numbering, last, {}, 1, frame)
    now = GENESIS + (ref + 1) * 12 + into
    due = [s for s in range(first, ref + 1, slots) if s > last]
    assert outstanding(reading) == len(due)
    wanted = max(0, now - (GENESIS + due[0] * 12 + allowance)) if due else 0
    assert late_seconds(reading, now, allowance) == wanted


def test_wallets_wait_one_block_for_a_new_member() -> None:
    wallets = OracleWallets("lido", SOURCE)
    state = Lido(members={account(1): 0}, balances={account(1): ETH // 4, account(2): 3 * ETH})

    def go(known: Any) -> tuple[Any, Any]:
        (frame,), after = wallets.judge(state.snapshot(wallets.plan(known)), known)
        return frame, after

    frame, known = go({})
    assert isinstance(frame.status, Failed)
    frame, known = go(known)
    assert values(frame) == {("oracle_member_balance_ether", account(1)): 0.25}
    state.members[account(2)] = 0
    frame, known = go(known)
    assert isinstance(frame.status, Failed)
    frame, known = go(known)
    assert values(frame)["oracle_member_balance_ether", account(2)] == 3


def test_events_tell_who_reported_and_what_changed() -> None:
    events = LogEvents("oracle_events", ORACLE_EVENTS, labels(protocol="lido", oracle="accounting_oracle"), SOURCE)
    state = committee()
    at = stamp(1, state.now)
    logs = (
        log("hash_consensus_ao", "ReportReceived(uint256,address,bytes32)", [word(9), word(account(1))], HASH, at, 0),
        log("accounting_oracle", "ProcessingStarted(uint256,bytes32)", [word(9)], HASH, at, 1),
        log("hash_consensus_ao", "QuorumSet(uint256,uint256,uint256)", [], word(2**256 - 1) + word(3) + word(2), at, 2),
        log("accounting_oracle", "WarnProcessingMissed(uint256)", [word(9)], b"", at, 3),
        log("hash_consensus_ao", "ConsensusLost(uint256)", [word(9)], b"\x01", at, 4),  # unreadable: must not hide the others
        log("hash_consensus_ao", "MemberAdded(address,uint256,uint256)", [word(account(5))], word(4) + word(3), at, 5),
    )
    (frame,), _ = events.judge(state.snapshot([], logs), {})
    assert isinstance(frame.status, Ok)
    assert [(e.series.family, dict(e.series.labels).get("change") or dict(e.series.labels).get("member")) for e in frame.events] == [
        ("oracle_member_report", account(1)), ("oracle_report", None), ("oracle_committee_change", "quorum"),
        ("oracle_warning", None), ("oracle_committee_change", "member_added"),
    ]  # fmt: skip
    assert frame.events[0].details == {"refSlot": "9", "member": account(1), "report": "0x" + "07" * 32}
    assert frame.events[2].details["newQuorum"] == str(2**256 - 1)
    assert len({e.id for e in frame.events}) == 5
    with pytest.raises(Unanswered):
        events.judge(state.snapshot([], Disputed(())), {})
