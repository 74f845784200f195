"""Events of slashings: who is told, in which words, and what is certain. What rewinding does to them is in test_beacon_machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.catalogue import SHIPPED, Catalogue
from monitor.collectors.slashed import pack, unpack
from monitor.collectors.slashing import SlashingEvents
from monitor.model import Event, Failed, Frame, Known, Labels, Ok, Unanswered, labels
from monitor.model.beacon import BeaconBlock, BeaconView, Offence, Owners, Registry
from monitor.samples import FrameWindow, Matcher, Selector, Source
from tests.collectors.beacon_state import (
    ETH,
    GONE,
    GROUPS,
    PENDING,
    SPEC,
    blocks,
    digest,
    facts,
    head,
    offence,
    registry,
    snapshot,
    stamp,
)

COLLECTOR = SlashingEvents(["lido"], SPEC)
STATE = SPEC.last_slot(6)
NOW = STATE + 3
ALL, NETWORK, LIDO = labels(), labels(protocol="ethereum"), labels(protocol="lido")


def view(offences: Sequence[Offence] = (), state: Registry | None = None, shown: Sequence[BeaconBlock] | None = None) -> BeaconView:
    """A state of slot STATE, and blocks around it; the offences are in the newest one."""
    state = state or registry(STATE)
    found = facts(5, digest("b", state.slot, ""), stamp(int(state.slot)))
    return BeaconView(head(NOW), tuple(shown or blocks(STATE - 2, NOW, {NOW: offences})), replace(found, slot=state.slot), state)


def judged(seen: BeaconView, known: Known | None = None, slot: int = NOW) -> tuple[list[Event], dict[Labels, Frame], Known]:
    frames, after = COLLECTOR.judge(snapshot(stamp(slot), seen), known or {})
    return [e for f in frames for e in f.events], {f.scope: f for f in frames}, json.loads(json.dumps(after))


def told(events: Sequence[Event]) -> list[tuple[str, str, str, str]]:
    found = [dict(e.series.labels) for e in events]
    return sorted((f["protocol"], f.get("operator", ""), f["validator"], f["kind"]) for f in found)


def begun() -> Known:
    return judged(view())[2]


def test_an_offence_is_told_for_the_network_and_for_each_owner() -> None:
    events, frames, _ = judged(view([offence(1, 21, 28), offence(2, kind="proposal")]), begun())
    assert told(events) == [
        ("ethereum", "", "1 and 2 more", "attestation"),
        ("ethereum", "", "2", "proposal"),
        ("lido", GROUPS[0][1], "1", "attestation"),
        ("lido", GROUPS[0][1], "2", "proposal"),
        ("lido", GROUPS[1][1], "21", "attestation"),
    ]
    assert frames.keys() == {ALL, NETWORK, LIDO} and all(isinstance(f.status, Ok) for f in frames.values())
    assert {e.id for e in events} == {f"validator_slashed/{p}" for p in ("ethereum/1", "ethereum/2", "lido/1", "lido/2", "lido/21")}


def test_exact_amounts_are_in_the_details() -> None:
    state = registry(STATE)
    state.effective_balance[1] = 2048 * ETH
    events, _, _ = judged(view([offence(1, 21)], state), begun())
    details = {dict(e.series.labels)["validator"]: e.details for e in events}
    block = {"slot": str(NOW), "block_root": digest("b", NOW, "")}
    assert details["1"] == {
        **block, "validators": "1", "indices": "1", "effective_balance_gwei": str(2048 * ETH), "initial_penalty_gwei": str(ETH // 2),
    }  # fmt: skip
    assert details["1 and 1 more"] == {
        **block, "validators": "2", "indices": "1,21", "effective_balance_gwei": str(2080 * ETH),
        "initial_penalty_gwei": str(ETH // 2 + 7_812_500),
    }  # fmt: skip


def test_of_very_many_the_first_sixteen_are_named() -> None:
    events, _, _ = judged(view([offence(*range(20))]), begun())
    names = [v for protocol, _, v, _ in told(events) if protocol == "lido"]
    assert sorted(names) == sorted([*map(str, range(16)), "and 4 more"])
    (rest,) = (e for e in events if dict(e.series.labels)["validator"] == "and 4 more")
    assert rest.details["indices"] == "16,17,18,19" and rest.details["initial_penalty_gwei"] == str(4 * 7_812_500)


def test_thousands_are_a_count_and_a_digest() -> None:
    size = 40_000
    flags, far = np.zeros(size, bool), np.full(size, 2**64 - 1, np.uint64)
    owned = Owners(GROUPS, np.zeros(size, np.int32))
    big = replace(
        registry(STATE), owners=owned, effective_balance=np.full(size, 32 * ETH, np.uint64), slashed=flags,
        activation_epoch=np.zeros(size, np.uint64), withdrawable_epoch=far,
    )  # fmt: skip
    known = judged(view((), big))[2]
    events, _, known = judged(view([offence(*range(size))], big), known)
    assert len(events) == 1 + 16 + 1
    rest = events[-1].details
    assert rest["indices_sha256"] == hashlib.sha256(",".join(map(str, range(16, size))).encode()).hexdigest()
    assert (rest["validators"], rest["first"], rest["last"]) == (str(size - 16), "16", str(size - 1))
    assert sum(len(json.dumps(dict(e.details))) for e in events) < 10_000 and len(json.dumps(known)) < 5_000


def test_only_who_can_be_slashed_is_told_and_only_once() -> None:
    state = registry(STATE, {3: 2})
    known = judged(view((), state))[2]
    both = [offence(3, 4, GONE, PENDING), offence(4, 5), offence(5, kind="proposal")]
    events, _, known = judged(view(both, state), known)
    assert told(events) == [
        ("ethereum", "", "4", "attestation"),
        ("ethereum", "", "5", "attestation"),
        ("lido", GROUPS[0][1], "4", "attestation"),
        ("lido", GROUPS[0][1], "5", "attestation"),
    ]
    assert judged(view(both, state), known)[0] == []
    later = registry(STATE + 4, {3: 2, 4: 7, 5: 7})
    shown = blocks(STATE - 2, STATE + 5, {NOW: both})
    seen = replace(view((), later, shown), head=head(STATE + 5))
    events, _, known = judged(seen, known, STATE + 5)
    assert events == [] and unpack(known["slashed"]) == {3, 4, 5} and known["told"] == []


def test_a_flag_that_flips_without_a_block_is_unseen() -> None:
    later = registry(STATE + 4, {6: 7, 22: 7})
    seen = replace(view((), later, blocks(STATE - 2, STATE + 5)), head=head(STATE + 5))
    events, _, known = judged(seen, begun(), STATE + 5)
    assert told(events) == [
        ("ethereum", "", "6 and 1 more", "unseen"),
        ("lido", GROUPS[0][1], "6", "unseen"),
        ("lido", GROUPS[1][1], "22", "unseen"),
    ]
    assert events[0].details["slot"] == str(STATE + 4) and "block_root" not in events[0].details
    assert judged(seen, known, STATE + 5)[0] == []


def test_at_the_first_look_old_slashings_are_no_news_but_those_of_the_blocks_at_hand_are() -> None:
    shown = blocks(STATE - 2, NOW, {STATE - 1: [offence(1, 7), offence(8)]})
    state = registry(STATE, {1: 0, 7: SPEC.epoch_of(STATE - 1), 9: 3})
    events, _, known = judged(view((), state, shown))
    assert told(events) == [("ethereum", "", "7", "attestation"), ("lido", GROUPS[0][1], "7", "attestation")]
    assert judged(view((), state, shown), known)[0] == []


def test_a_state_of_another_branch_hides_nobody_and_adds_nobody() -> None:
    """The block is no later than the state, and the state, of an orphaned branch, says otherwise."""
    shown = blocks(STATE - 2, STATE + 5, {STATE + 4: [offence(2)]}, "other")
    other = registry(STATE + 4, {11: 7})
    seen = replace(view((), other, shown), head=head(STATE + 5))
    events, _, known = judged(seen, begun(), STATE + 5)
    assert told(events) == [("ethereum", "", "2", "attestation"), ("lido", GROUPS[0][1], "2", "attestation")]
    assert known["state"][0] == STATE


def test_an_older_state_is_never_taken() -> None:
    later = registry(STATE + 4, {6: 7})
    seen = replace(view((), later, blocks(STATE - 2, STATE + 5)), head=head(STATE + 5))
    _, _, known = judged(seen, begun(), STATE + 5)
    old = replace(view((), registry(STATE), blocks(STATE - 2, STATE + 5)), head=head(STATE + 5))
    events, _, after = judged(old, known, STATE + 5)
    assert events == [] and after == known


def test_what_an_orphaned_block_said_is_forgotten_with_the_next_state() -> None:
    """The beacon chain alone was reorganised, so nothing of ours was rewound: the validator can still be slashed for real."""
    _, _, known = judged(view([offence(2)]), begun())
    shown = blocks(STATE - 2, STATE + 5)
    seen = replace(view((), registry(STATE + 4), shown), head=head(STATE + 5))
    _, _, known = judged(seen, known, STATE + 5)
    again = blocks(STATE - 2, STATE + 6, {STATE + 6: [offence(2)]})
    events, _, _ = judged(replace(seen, blocks=again, head=head(STATE + 6)), known, STATE + 6)
    assert [v for _, _, v, _ in told(events)] == ["2", "2"]


# ---------------------------------------------------------------- what is certain


def test_incomplete_keys_hide_no_slashing_and_claim_no_completeness() -> None:
    window = FrameWindow(Catalogue(SHIPPED), [Source(COLLECTOR.name, ("validator_slashed",), COLLECTOR.scopes)], 0)
    _, frames, _ = judged(view([offence(1, 28)], registry(STATE, complete=False)), begun())
    for frame in frames.values():
        window.append(frame)
    lido = window.instant(Selector("validator_slashed", (Matcher("protocol", "=", "lido"),)), stamp(NOW).timestamp)
    network = window.instant(Selector("validator_slashed", (Matcher("protocol", "=", "ethereum"),)), stamp(NOW).timestamp)
    assert [dict(row)["validator"] for row in lido.labels.rows] == ["1"] and not lido.complete
    assert len(network.labels) == 1 and network.complete
    assert isinstance(frames[LIDO].status, Failed) and "keys of lido" in frames[LIDO].status.reason


def test_a_slashed_validator_gets_its_owner_when_the_keys_are_there() -> None:
    nobody = Owners(GROUPS, np.full(10, -1, np.int32))
    early = registry(STATE, complete=False, owned=nobody)
    known = judged(view((), early))[2]
    events, _, known = judged(view([offence(1, 21, 28)], early), known)
    assert [p for p, *_ in told(events)] == ["ethereum"]
    assert judged(view([offence(1, 21, 28)], early), known)[0] == []
    events, _, known = judged(view([offence(1, 21, 28)]), known)
    assert told(events) == [("lido", GROUPS[0][1], "1", "attestation"), ("lido", GROUPS[1][1], "21", "attestation")]
    assert known["unowned"] == [] and judged(view([offence(1, 21, 28)]), known)[0] == []


def test_blocks_that_were_missed_make_it_uncertain_until_a_state_covers_them() -> None:
    known = begun()
    gap = replace(view((), registry(STATE), blocks(NOW + 3, NOW + 5, {NOW + 5: [offence(2)]})), head=head(NOW + 5))
    events, frames, known = judged(gap, known, NOW + 5)
    assert len(events) == 2 and isinstance(frames[ALL].status, Ok)
    assert all(isinstance(frames[s].status, Failed) for s in (NETWORK, LIDO))
    _, frames, known = judged(gap, known, NOW + 5)
    assert isinstance(frames[NETWORK].status, Failed), "still"
    covered = replace(view((), registry(NOW + 5, {2: 7, 3: 7}), blocks(NOW + 3, NOW + 6, {NOW + 5: [offence(2)]})), head=head(NOW + 6))
    events, frames, _ = judged(covered, known, NOW + 6)
    assert [v for _, _, v, k in told(events) if k == "unseen"] == ["3", "3"]
    assert all(isinstance(f.status, Ok) for f in frames.values())


def test_a_head_whose_block_is_not_agreed_on_yet_leaves_it_uncertain_what_is_in_it() -> None:
    short = replace(view(), blocks=blocks(STATE - 2, NOW - 1))
    _, frames, _ = judged(short, begun())
    assert isinstance(frames[ALL].status, Ok)
    assert all(isinstance(frames[s].status, Failed) for s in (NETWORK, LIDO))
    _, frames, _ = judged(short, begun(), NOW - 1)
    assert all(isinstance(f.status, Ok) for f in frames.values()), "the judged block is seen"


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (BeaconView(), "no majority"),
        (BeaconView(head(NOW), blocks(STATE, NOW)), "no state"),
        (replace(view([offence(1)]), head=head(NOW, optimistic=True)), "optimistic"),
        (replace(view([offence(1)]), head=head(NOW + 9)), "later than"),
        (view((), registry(STATE), blocks(STATE - 2, NOW, {}, "other")), "no state of this branch"),
    ],
)
def test_without_a_verified_head_or_a_state_nothing_is_known(seen: BeaconView, why: str) -> None:
    with pytest.raises(Unanswered, match=why):
        judged(seen)


def test_a_block_later_than_the_judged_one_waits() -> None:
    seen = view([offence(1)])
    events, _, known = judged(seen, begun(), NOW - 1)
    assert events == []
    assert len(judged(seen, known, NOW)[0]) == 2


@given(st.sets(st.integers(0, 2**31)))
def test_packed_indices_come_back(indices: set[int]) -> None:
    text: Any = json.loads(json.dumps(pack(sorted(indices))))
    assert unpack(text) == indices


def test_a_hundred_thousand_slashed_validators_are_remembered_in_little_space() -> None:
    some = np.sort(np.random.default_rng(1).choice(1_000_000, 100_000, replace=False))
    text = pack(some.tolist())
    assert len(text) < 150_000 and len(unpack(text)) == 100_000
