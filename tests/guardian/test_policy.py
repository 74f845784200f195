"""What may be done about an alert: the file, and the decision as a pure function."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.guardian.policy import Agreement, BadPolicy, Decision, Policy, decide, load_policy, parse_policy
from monitor.model import BlockStamp, EpisodeId, Hash, RuleId, Slot, Tick, Transition, labels

THREE = {"a": "alpha", "b": "beta", "c": "gamma"}
TARGETS: dict[str, Any] = {"vault": "pauseFor", "pool": "pause"}
AT = BlockStamp(100, Hash("0xaa"), Hash("0x99"), 1_700_000_000, Slot(5))
ENTRY = """
  - name: {name}
    matchers: ['alertname="{alert}"']
    target: {target}
    mode: {mode}
    owner: risk
    reason: because
"""


def text(*entries: str) -> str:
    return "responses:" + "".join(entries)


def entry(name: str = "one", alert: str = "Drift", target: str = "vault", mode: str = "automatic", more: str = "") -> str:
    return ENTRY.format(name=name, alert=alert, target=target, mode=mode) + more


def policy(*entries: str) -> Policy:
    return parse_policy(text(*(entries or (entry(),))), TARGETS, THREE)


def transition(**changes: Any) -> Transition:
    found = Transition(
        EpisodeId("e1"),
        1,
        RuleId("g/Drift"),
        labels(alertname="Drift", severity="critical"),
        (),
        "pending",
        "firing",
        AT,
        "judged",
        1.0,
        Hash("0xee"),
    )
    return replace(found, **changes)


def agreement(*agreed: str, operators: dict[str, str] | None = None) -> Agreement:
    return Agreement(operators if operators is not None else THREE, frozenset(agreed))


ALL = agreement("a", "b", "c")


def one(found: list[Decision]) -> Decision:
    assert len(found) == 1
    return found[0]


def test_a_critical_alert_that_begins_to_fire_owes_a_pause() -> None:
    found = one(decide(policy(), [transition()], ALL, AT))
    assert found.kind == "pause" and found.response.target == "vault" and found.agreed == ("a", "b", "c")
    assert found.at == AT and found.rule == "g/Drift" and found.note == ""


@pytest.mark.parametrize(("mode", "kind"), [("automatic", "pause"), ("shadow", "shadow"), ("propose", "propose")])
def test_the_mode_decides_the_kind(mode: str, kind: str) -> None:
    assert one(decide(policy(entry(mode=mode)), [transition()], ALL, AT)).kind == kind


def test_two_of_three_configured_endpoints_suffice_and_one_does_not() -> None:
    assert one(decide(policy(), [transition()], agreement("a", "c"), AT)).kind == "pause"
    found = one(decide(policy(), [transition()], agreement("c"), AT))
    assert found.kind == "refused" and "1 of 3 configured endpoints agreed" in found.note


def test_two_endpoints_of_one_operator_are_one_opinion() -> None:
    operators = {"a": "alpha", "b": "alpha", "c": "gamma", "d": "delta"}
    found = one(decide(policy(), [transition()], Agreement(operators, frozenset("abc")), AT))
    assert found.kind == "pause"
    operators = {"a": "alpha", "b": "alpha", "c": "gamma"}
    found = one(decide(policy(), [transition()], Agreement(operators, frozenset("ab")), AT))
    assert found.kind == "refused" and "run by 1 of 2 operators" in found.note


def test_one_configured_endpoint_never_pauses_and_may_propose() -> None:
    alone = Agreement({"a": "alpha"}, frozenset("a"))
    found = one(decide(policy(), [transition()], alone, AT))
    assert found.kind == "refused" and "at least 2" in found.note
    assert one(decide(policy(entry(mode="propose")), [transition()], alone, AT)).kind == "propose"


def test_endpoints_that_are_not_configured_do_not_count() -> None:
    assert one(decide(policy(), [transition()], agreement("a", "x", "y", "z"), AT)).kind == "refused"


def test_a_response_may_ask_for_more_agreement() -> None:
    strict = policy(entry(more="    agreement: 3\n"))
    assert one(decide(strict, [transition()], agreement("a", "b"), AT)).kind == "refused"
    assert one(decide(strict, [transition()], ALL, AT)).kind == "pause"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cause": "made_up"}, "made up"),
        ({"cause": "reorg"}, "reorg"),
        ({"cause": "reload"}, "reload"),
        ({"labels": labels(alertname="Drift", severity="warning")}, "severity is warning"),
        ({"labels": labels(alertname="Drift")}, "severity is not set"),
        ({"at": replace(AT, number=91)}, "judged block"),
        ({"at": replace(AT, number=101)}, "judged block"),
        ({"at": Tick(AT, 1_700_000_100)}, "judged block"),
    ],
)
def test_anything_less_is_refused_with_its_reason(change: dict[str, Any], said: str) -> None:
    found = one(decide(policy(), [transition(**change)], ALL, AT))
    assert found.kind == "refused" and said in found.note


def test_nothing_follows_from_ends_ticks_and_other_alerts() -> None:
    assert decide(policy(), [transition(old="firing", new="inactive"), transition(new="pending", old="inactive")], ALL, AT) == []
    assert decide(policy(), [transition()], ALL, Tick(AT, 1_700_000_100)) == []
    assert decide(policy(), [transition(labels=labels(alertname="Other", severity="critical"))], ALL, AT) == []


def test_the_first_response_for_a_target_decides_and_others_keep_theirs() -> None:
    both = policy(entry("first", mode="shadow"), entry("second"), entry("third", target="pool", mode="propose"))
    assert [(d.kind, d.response.name) for d in decide(both, [transition()], ALL, AT)] == [("shadow", "first"), ("propose", "third")]


def test_ids_hold_episode_and_target_and_nothing_else() -> None:
    first = one(decide(policy(), [transition()], ALL, AT))
    again = one(decide(policy(entry(mode="shadow")), [transition(value=9.0)], agreement("a"), replace(AT, number=101)))
    assert first.id == again.id
    assert one(decide(policy(), [transition(episode=EpisodeId("e2"))], ALL, AT)).id != first.id


SEVERITIES = st.sampled_from(["critical", "page", "ticket", "info", ""])
CAUSES = st.sampled_from(["judged", "reorg", "expired", "reload", "made_up"])
STATES = st.sampled_from(["inactive", "pending", "firing"])
TRANSITIONS = st.builds(
    lambda episode, severity, cause, old, new, alert: transition(
        episode=EpisodeId(episode), labels=labels(alertname=alert, severity=severity), cause=cause, old=old, new=new
    ),
    st.sampled_from(["e1", "e2", "e3"]), SEVERITIES, CAUSES, STATES, STATES, st.sampled_from(["Drift", "Other"]),
)  # fmt: skip
OPERATORS = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["alpha", "beta", "gamma", "delta"]), min_size=1)


@given(st.lists(TRANSITIONS, max_size=6), OPERATORS, st.frozensets(st.sampled_from("abcdefgh")))
def test_no_pause_without_every_condition(transitions: list[Transition], operators: dict[str, str], agreed: frozenset[str]) -> None:
    found = decide(policy(), transitions, Agreement(operators, agreed), AT)
    assert len({d.id for d in found}) == len(found), "a decision is made once"
    behind = agreed & operators.keys()
    for decision in (d for d in found if d.kind == "pause"):
        assert 2 * len(behind) > len(operators) and len(behind) >= 2
        distinct = {operators[e] for e in behind}
        assert 2 * len(distinct) > len(set(operators.values())) and len(distinct) >= 2
        cause = [t for t in transitions if t.episode == decision.episode and t.new == "firing" and t.cause == "judged"]
        assert any(dict(t.labels)["severity"] in ("critical", "page") for t in cause if "severity" in dict(t.labels))


@given(st.lists(TRANSITIONS, max_size=6), st.frozensets(st.sampled_from("abc")), st.frozensets(st.sampled_from("abc")))
def test_more_agreement_never_takes_a_pause_away(transitions: list[Transition], fewer: frozenset[str], more: frozenset[str]) -> None:
    some = {d.id for d in decide(policy(), transitions, agreement(*fewer), AT) if d.kind == "pause"}
    all_of_them = {d.id for d in decide(policy(), transitions, agreement(*(fewer | more)), AT) if d.kind == "pause"}
    assert some <= all_of_them


# ---------------------------------------------------------------- the file


def test_the_shipped_file_is_good() -> None:
    shipped = load_policy(Path(__file__).parents[2] / "rules" / "policy" / "responses.yaml", {"vault": "pauseFor"}, THREE)
    assert {r.mode for r in shipped.responses} == {"automatic"} and len(shipped.responses) == 2
    for alert in ("LidoShareRateDrift", "LidoUpgradeUnapproved"):
        found = decide(shipped, [transition(labels=labels(alertname=alert, severity="critical"))], ALL, AT)
        assert one(found).kind == "pause"


def test_an_empty_list_is_a_policy() -> None:
    assert parse_policy("responses: []", TARGETS, THREE) == Policy(())


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("", r"f\.yaml:1:1: error: the file is empty"),
        ("respones: []", r'f\.yaml:1:1: .*no key "respones".*did you mean "responses"'),
        (text(entry().replace("mode:", "mod:")), r'f\.yaml:5:5: .*no key "mod".*did you mean "mode"'),
        (text(entry(mode="automatc")), r'f\.yaml:5:11: .*mode is "automatc".*did you mean "automatic"'),
        (text(entry(target="valt")), r'f\.yaml:4:13: .*no target is named "valt".*did you mean "vault"'),
        (text(entry(target="pool")), r'f\.yaml:4:13: .*"pool" does not lapse'),
        (text(entry().replace("    owner: risk\n", "")), r'f\.yaml:2:5: .*no key "owner"'),
        (text(entry().replace("owner: risk", "owner: ''")), r"f\.yaml:6:12: .*owner is empty"),
        (text(entry().replace('alertname="Drift"', 'alertname=~"("')), r"f\.yaml:3:16: .*bad regular expression"),
        (text(entry().replace('alertname="Drift"', 'severity="critical"')), r"f\.yaml:3:15: .*do not name an alert"),
        (text(entry(), entry()), r'f\.yaml:\d+:5: .*two responses are named "one"'),
        (text(entry(more="    agreement: 1\n")), r"f\.yaml:8:16: .*agreement is 1; expected 2 to 3"),
        (text(entry(more="    agreement: 4\n")), r"f\.yaml:8:16: .*agreement is 4; expected 2 to 3"),
        (text(entry(more="    agreement: two\n")), r"f\.yaml:8:16: .*whole number"),
        ("responses: [1]", r"f\.yaml:1:13: .*expected a mapping"),
        ("responses: {", r"f\.yaml:\d+:\d+: error"),
    ],
)
def test_mistakes_are_named_with_their_place(bad: str, said: str) -> None:
    with pytest.raises(BadPolicy, match=said):
        parse_policy(bad, TARGETS, THREE, "f.yaml")


def test_automatic_with_one_operator_is_refused_at_load() -> None:
    for operators in ({"a": "alpha"}, {"a": "alpha", "b": "alpha"}):
        with pytest.raises(BadPolicy, match=r"f\.yaml:5:11: .*endpoints of 1 operator; expected endpoints of at least 2"):
            parse_policy(text(entry()), TARGETS, operators, "f.yaml")
        assert parse_policy(text(entry(mode="propose")), TARGETS, operators).responses[0].mode == "propose"


@given(st.text(max_size=200))
def test_no_text_crashes_the_reader(junk: str) -> None:
    try:
        parse_policy(junk, TARGETS, THREE)
        parse_policy("responses:\n  - " + junk, TARGETS, THREE)
    except BadPolicy as bad:
        assert bad.problems
