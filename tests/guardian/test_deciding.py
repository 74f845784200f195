"""What follows from a judged block: real collectors, the shipped rules and responses, and everything that must stop a pause."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.guardian.deciding import candidates
from monitor.guardian.decision import Decision
from monitor.guardian.policy import Agreement, Health
from monitor.guardian.responses import Responses
from monitor.model import Answer, Failed
from tests.collectors.lido_state import ETH, account, word
from tests.guardian import judged
from tests.guardian.judged import RESPONSES, THREE, WHO, World, calm, ground, policy, upgraded


def only(found: list[Decision]) -> Decision:
    assert len(found) == 1
    return found[0]


def minted(**seen: Any) -> Decision:
    world = calm()
    world.mint()
    return only(world.decided(world.step(**seen)))


def test_two_readings_that_agree_pause_in_the_first_block() -> None:
    found = minted()
    assert found.kind == "pause" and found.target == "vault" and found.agreed == ("a", "b", "c")
    assert len(found.digest) == 32 and found.note == ""


def test_a_calm_block_leads_to_nothing() -> None:
    world = calm()
    assert world.decided(world.step()) == []


@pytest.mark.parametrize(
    ("seen", "kind", "said"),
    [
        ({"agreement": Agreement(THREE, frozenset("c"))}, "refused", "1 of 3 configured endpoints agreed"),
        ({"agreement": Agreement(THREE, frozenset("cxyz"))}, "refused", "1 of 3 configured"),
        ({"agreement": Agreement({"a": "alpha"}, frozenset("a"))}, "refused", "at least 2 operators"),
        ({"health": Health(None, False)}, "propose", "how far finality lags is not known"),
        ({"health": Health(5.0, False)}, "propose", "finality lags 5 epochs"),
        ({"health": Health(2.0, True)}, "propose", "disagree on the head"),
        ({"health": Health(2.0, None)}, "propose", "agree on the head is not known"),
    ],
)
def test_what_is_missing_is_said(seen: dict[str, Any], kind: str, said: str) -> None:
    found = minted(**seen)
    assert (found.kind, found.document) == (kind, b"") and said in found.note
    with pytest.raises(ValueError, match="nothing to sign"):
        _ = found.digest


def test_a_block_far_behind_the_head_decides_nothing() -> None:
    world = calm()
    world.mint()
    assert world.decided(world.step(behind=9)) == []
    assert only(world.decided(world.step(behind=8))).kind == "pause"


def test_an_alert_that_is_unknown_now_leads_to_nothing() -> None:
    """It goes on firing, since unknown resolves nothing; and pauses nothing."""
    world = calm()
    world.mint()
    world.step()
    world.state.broken = {"lido": Failed("down")}
    for _ in range(8):
        seen = world.step(30)
    assert [i.labels for i in seen.live.firing if dict(i.labels)["alertname"] == "LidoShareRateDrift"] and candidates(
        policy(), seen.live
    ) == []


def test_a_second_reading_that_differs_is_for_people() -> None:
    """Only the token says that shares were minted: perhaps its answer is misread."""
    world = calm()
    state = world.state
    rate = ETH * state.buffered // state.shares
    world.mint()
    state.broken = {"wsteth": word(rate)}
    assert only(world.decided(world.step())).kind == "propose"


def test_severity_and_mode() -> None:
    shadow = calm()
    shadow.policy = policy(RESPONSES.replace("mode: automatic", "mode: shadow"))
    shadow.mint()
    found = only(shadow.decided(shadow.step()))
    assert found.kind == "shadow" and found.document, "what would have been paused is shown as well"
    shadow = calm()
    shadow.policy = policy(RESPONSES.replace("mode: automatic", "mode: shadow"))
    shadow.mint()
    assert shadow.decided(shadow.step(health=Health())) == [], "shadow mode records what automatic mode would have paused, and nothing else"
    proposing = calm()
    proposing.policy = policy(RESPONSES.replace("mode: automatic", "mode: propose"))
    proposing.mint()
    assert only(proposing.decided(proposing.step(health=Health()))).kind == "propose"


def test_a_longer_hold_waits_and_survives_a_window_that_is_read_back() -> None:
    world = calm()
    world.policy = policy(RESPONSES.replace("    mode: automatic\n", "    mode: automatic\n    hold: 3 blocks\n"))
    world.mint()
    assert world.decided(world.step()) == [] and world.decided(world.step()) == []
    seen = world.step()
    found = only(world.decided(seen))
    assert only(world.decided(replace(seen, window=world.restarted()))) == found
    assert found.kind == "pause" and [p[0] for p in json.loads(found.document)["points"]] == [world.at.timestamp - n for n in (24, 12, 0)]


def test_the_window_keeps_what_the_longest_hold_looks_at() -> None:
    """Of both conditions: one that is forgotten while the other is kept would wait for ever, and nobody would know."""
    held = policy(RESPONSES.replace("    mode: automatic\n", "    mode: automatic\n    hold: 2h\n"))
    kept = Responses(held, THREE, True, ground()).keep_seconds(judged.shipped())
    assert kept["accounting_share_rate_drift_ratio"] >= 7200 + 60 and kept["accounting_wrapped_rate_drift_ratio"] >= 7200 + 60
    assert all(seconds > 0 for seconds in Responses(policy(), THREE, True, ground()).keep_seconds(judged.shipped()).values())


def test_a_hold_of_an_orphaned_branch_does_not_count() -> None:
    world = calm()
    world.policy = policy(RESPONSES.replace("    mode: automatic\n", "    mode: automatic\n    hold: 3 blocks\n"))
    fork, live, memory, number, now = world.at, world.live, world.memory, world.number, world.state.now
    world.mint()
    assert world.decided(world.step()) == [] and world.decided(world.step()) == []
    world.window.rewind(fork)
    world.live, world.memory, world.number, world.state.now = live, memory, number, now
    assert world.decided(world.step(24)) == [] and world.decided(world.step()) == [], "what the orphaned blocks showed is gone"
    assert only(world.decided(world.step())).kind == "pause"


def test_a_hold_begins_anew_after_a_block_without_it_and_after_a_gap() -> None:
    world = calm()
    world.policy = policy(RESPONSES.replace("    mode: automatic\n", "    mode: automatic\n    hold: 30s\n"))
    world.mint()
    assert [world.decided(world.step()) for _ in range(2)] == [[], []]
    world.state.broken = {"wsteth": word(10**18)}
    assert only(world.decided(world.step())).kind == "propose"
    world.state.broken = {}
    assert [world.decided(world.step()) for _ in range(3)] == [[], [], []]
    assert only(world.decided(world.step())).kind == "pause", "36 s since the reading came back"
    world = calm()
    world.policy = policy(RESPONSES.replace("    mode: automatic\n", "    mode: automatic\n    hold: 30s\n"))
    world.mint()
    assert world.decided(world.step()) == [] and world.decided(world.step(90)) == [], "what was between is not known"


class Broken:
    """A collector that nothing can be asked of."""

    @property
    def families(self) -> Any:
        raise ZeroDivisionError("a secret that must not be told")


@pytest.mark.parametrize(("mode", "kind"), [("automatic", "propose"), ("shadow", "refused")])
def test_a_mistake_of_the_program_is_for_people_and_ends_no_judging(mode: str, kind: str) -> None:
    world = calm()
    world.policy = policy(RESPONSES.replace("mode: automatic", f"mode: {mode}"))
    world.mint()
    broken: Any = replace(ground(), collectors=(Broken(),))
    found = only(world.decided(world.step(), broken))
    assert found.kind == kind and "ZeroDivisionError" in found.note and "secret" not in found.note and not found.document


# ---------------------------------------------------------------- events beside state


def upgraded_world() -> World:
    world = World()
    for _ in range(3):
        world.step()
    world.state.implementation = account(66)
    return world


def test_an_upgrade_is_paused_when_state_and_log_both_tell_of_it() -> None:
    world = upgraded_world()
    found = only(world.decided(world.step(logs=[upgraded(account(66))])))
    assert found.kind == "pause" and found.response.name == "vault-unapproved-upgrade"
    body = json.loads(found.document)
    assert len(body["logs"]) == 1 and body["collectors"] == ["contracts", "roles_events"] and not body["memory"]


def test_an_upgrade_without_a_log_is_for_people_and_with_a_later_log_paused() -> None:
    world = upgraded_world()
    found = only(world.decided(world.step()))
    assert found.kind == "propose" and "contract_upgrade" in found.note
    assert only(world.decided(world.step(logs=[upgraded(account(66))]))).kind == "pause"


def test_a_log_of_another_contract_confirms_nothing() -> None:
    world = upgraded_world()
    other = replace(upgraded(account(66)), address=WHO["lido"])
    assert only(world.decided(world.step(logs=[other]))).kind == "propose"


# ---------------------------------------------------------------- the same bytes for all


def test_whatever_their_endpoints_all_who_saw_the_block_write_the_same_bytes() -> None:
    one, two = minted(), minted(agreement=Agreement({"x": "k", "y": "l", "z": "m"}, frozenset("xy")))
    assert one.document == two.document and one.digest == two.digest
    assert not re.search(rb"alpha|endpoint|decided_at", one.document)


def test_a_longer_past_changes_nothing() -> None:
    world = calm()
    for _ in range(20):
        world.step()
    world.mint()
    later = json.loads(only(world.decided(world.step())).document)
    first = json.loads(minted().document)
    for body in (later, first):
        for key in ("block", "seal", "points", "samples"):
            del body[key]
    assert later == first


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 10**24), st.booleans(), st.booleans(), st.frozensets(st.sampled_from("abc")), st.sampled_from([None, 2.0, 4.0, 5.0]))
def test_no_pause_without_every_condition(shares: int, token: bool, wrapped: bool, agreed: frozenset[str], finality: float | None) -> None:
    world = calm()
    world.state.shares += shares
    broken: dict[str, Answer | bytes] = {}
    broken |= {} if token else {"lido": Failed("down")}
    broken |= {} if wrapped else {"wsteth": Failed("down")}
    world.state.broken = broken
    found = world.decided(world.step(agreement=Agreement(THREE, agreed), health=Health(finality, False)))
    if any(d.kind == "pause" for d in found):
        assert token and wrapped and len(agreed) >= 2 and finality is not None and finality <= 4
        assert shares / 10**24 > 0.9e-9


def test_the_fixture_is_the_shipped_policy() -> None:
    assert judged.policy().responses[0].alert == "LidoShareRateDrift"
