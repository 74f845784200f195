"""What may be done about an alert: the file, who must agree, and the health of the chain."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.guardian.policy import Agreement, BadPolicy, Health, Hold, Policy, load_policy, parse_policy
from monitor.guardian.policy.conditions import Point, held, minimum
from monitor.guardian.policy.earned import conditions

THREE = {"a": "alpha", "b": "beta", "c": "gamma"}
TARGETS: dict[str, Any] = {"vault": "pauseFor", "pool": "pause"}
ROOT = Path(__file__).parents[2]
ENTRY = """
  - name: {name}
    matchers: ['alertname="{alert}"']
    target: {target}
    mode: {mode}
    owner: risk
    reason: because
    second: up
"""


def text(*entries: str) -> str:
    return "responses:" + "".join(entries)


def entry(name: str = "one", alert: str = "Drift", target: str = "vault", mode: str = "automatic", more: str = "") -> str:
    return ENTRY.format(name=name, alert=alert, target=target, mode=mode) + more


def policy(*entries: str) -> Policy:
    return parse_policy(text(*(entries or (entry(),))), TARGETS, THREE)


def agreement(*agreed: str, operators: dict[str, str] | None = None) -> Agreement:
    return Agreement(operators if operators is not None else THREE, frozenset(agreed))


# ---------------------------------------------------------------- who stands behind a block


def test_two_of_three_configured_endpoints_suffice_and_one_does_not() -> None:
    assert agreement("a", "c").shortfall(0, automatic=True) is None
    assert "1 of 3 configured endpoints agreed" in (agreement("c").shortfall(0, automatic=True) or "")
    assert "2 of 3" in (agreement("a", "c").shortfall(3, automatic=True) or ""), "a response may ask for more"


def test_two_endpoints_of_one_operator_are_one_opinion() -> None:
    four = {"a": "alpha", "b": "alpha", "c": "gamma", "d": "delta"}
    assert agreement("a", "b", "c", operators=four).shortfall(0, automatic=True) is None
    two = {"a": "alpha", "b": "alpha", "c": "gamma"}
    assert "run by 1 of 2 operators" in (agreement("a", "b", operators=two).shortfall(0, automatic=True) or "")


def test_one_configured_endpoint_never_pauses_and_may_propose() -> None:
    alone = agreement("a", operators={"a": "alpha"})
    assert "at least 2" in (alone.shortfall(0, automatic=True) or "")
    assert alone.shortfall(0, automatic=False) is None


OPERATORS = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["alpha", "beta", "gamma", "delta"]), min_size=1)
SOME = st.frozensets(st.sampled_from("abcdefgh"))


@given(OPERATORS, SOME, st.integers(0, 6))
def test_enough_is_a_majority_of_configured_endpoints_and_operators(operators: dict[str, str], agreed: frozenset[str], wanted: int) -> None:
    if Agreement(operators, agreed).shortfall(wanted, automatic=True) is None:
        behind = agreed & operators.keys()
        distinct = {operators[e] for e in behind}
        assert 2 * len(behind) > len(operators) and len(behind) >= max(2, wanted)
        assert 2 * len(distinct) > len(set(operators.values())) and len(distinct) >= 2


@given(OPERATORS, SOME, SOME)
def test_more_agreement_is_never_less(operators: dict[str, str], fewer: frozenset[str], more: frozenset[str]) -> None:
    if Agreement(operators, fewer).shortfall(0, automatic=True) is None:
        assert Agreement(operators, fewer | more).shortfall(0, automatic=True) is None


# ---------------------------------------------------------------- the chain's health


@pytest.mark.parametrize(
    ("health", "said"),
    [
        (Health(2.0, False), None),
        (Health(4.0, False), None),
        (Health(5.0, False), "finality lags 5 epochs"),
        (Health(float("nan"), False), "finality lags"),
        (Health(None, False), "not known"),
        (Health(2.0, None), "not known"),
        (Health(2.0, True), "disagree on the head"),
        (Health(), "not known"),
    ],
)
def test_only_a_chain_that_is_known_to_be_healthy_is_healthy(health: Health, said: str | None) -> None:
    found = health.objection()
    assert found is None if said is None else said in (found or "")


# ---------------------------------------------------------------- how long


POINTS = st.lists(st.tuples(st.integers(1, 100), st.sampled_from([(1.0, 1.0), (1.0, None), (None, 1.0)])), max_size=12)


@given(POINTS, st.integers(1, 4), st.integers(0, 200))
def test_held_is_an_unbroken_run_up_to_now(steps: list[tuple[int, tuple[float | None, float | None]]], blocks: int, seconds: int) -> None:
    now, points = 0, []
    for step, (first, second) in steps:
        now += step
        points.append(Point(now, first, second))
    if held(points, Hold(blocks, seconds), 60) is not None:
        return
    start = next(
        i
        for i in range(len(points), -1, -1)
        if i == 0 or not points[i - 1].holds or (i < len(points) and points[i].at - points[i - 1].at > 60)
    )
    assert len(points) - start >= blocks and points[-1].at - points[start].at >= seconds


def test_the_strictest_class_of_what_is_read_counts() -> None:
    assert minimum({"x": "accounting"}, Hold()) == Hold(1, 0)
    assert minimum({"x": "accounting", "y": "integration"}, Hold()) == Hold(2, 300), "a price: at least five minutes"
    assert minimum({"x": "accounting"}, Hold(2)) == Hold(2, 0), "a response may ask for longer, never for less"
    assert minimum({"y": "integration"}, Hold(1, 60)).seconds == 300


# ---------------------------------------------------------------- what armed it


def report(folder: Path, found: Policy, **changes: Any) -> str:
    (response,) = found.responses
    body = {"version": 1, "chain": 1, "response": response.name, "conditions": conditions(response), "seconds": 31 * 86_400,
            "judged_seconds": 31 * 86_400, "pauses": [], **changes}  # fmt: skip
    (folder / "r.json").write_text(json.dumps(body))
    return hashlib.sha256((folder / "r.json").read_bytes()).hexdigest()


def armed(folder: Path, sha256: str, chain: int = 1, more: str = "") -> Policy:
    (folder / "responses.yaml").write_text(text(entry(more=more + f"    earned: {{report: r.json, sha256: {sha256}}}\n")))
    return load_policy(folder / "responses.yaml", TARGETS, THREE, chain)


def test_automatic_on_a_real_chain_is_earned(tmp_path: Path) -> None:
    with pytest.raises(BadPolicy, match=r"nothing shows what one would have done on chain 1"):
        parse_policy(text(entry()), TARGETS, THREE, chain=1)
    assert parse_policy(text(entry(mode="shadow")), TARGETS, THREE, chain=1).responses
    assert parse_policy(text(entry()), TARGETS, THREE, chain=31337).responses, "on the embedded chain nothing has to be earned"
    right = {"block": 5, "verdict": "true"}
    assert armed(tmp_path, report(tmp_path, policy(), pauses=[right])).responses[0].earned is not None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seconds": 29 * 86_400}, "covers 29 days"),
        ({"judged_seconds": 20 * 86_400}, "64 % of the report's time was judged"),
        ({"chain": 5}, "of chain 5"),
        ({"version": 2}, "version 2"),
        ({"response": "other"}, "of other conditions"),
        ({"conditions": "0x00"}, "of other conditions"),
        ({"pauses": [{"block": 5, "verdict": "false"}]}, "1 of its pauses were false, first that of block 5"),
        ({"pauses": [{"block": 5, "verdict": "open"}]}, "nobody said of 1 of its pauses"),
        ({"pauses": [{"block": 5, "verdict": "yes"}]}, "were false"),
        ({"pauses": None}, "not one of"),
    ],
)
def test_a_report_that_does_not_cover_it_arms_nothing(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BadPolicy, match=said):
        armed(tmp_path, report(tmp_path, policy(), **changes))


def test_a_report_of_another_second_condition_or_other_bytes_arms_nothing(tmp_path: Path) -> None:
    good = report(tmp_path, policy())
    with pytest.raises(BadPolicy, match="of other conditions"):
        armed(tmp_path, good, more="    hold: 5 blocks\n")
    (tmp_path / "r.json").write_text((tmp_path / "r.json").read_text() + " ")
    with pytest.raises(BadPolicy, match="not the one that was reviewed"):
        armed(tmp_path, good)
    (tmp_path / "r.json").unlink()
    with pytest.raises(BadPolicy, match="cannot be read"):
        armed(tmp_path, good)


# ---------------------------------------------------------------- the file


def test_the_first_response_for_a_target_decides_and_others_keep_theirs() -> None:
    both = policy(entry("first", mode="shadow"), entry("second"), entry("third", target="pool", mode="propose"))
    assert [r.name for r in both.first_per_target((("alertname", "Drift"),))] == ["first", "third"]
    assert both.first_per_target((("alertname", "Other"),)) == ()


def test_the_shipped_files_load() -> None:
    for name, mode in (("responses.yaml", "automatic"), ("responses.shadow.yaml", "shadow")):
        shipped = load_policy(ROOT / "rules/policy" / name, {"vault": "pauseFor"}, THREE, 31337)
        assert {r.mode for r in shipped.responses} == {mode} and len(shipped.responses) == 2


def test_a_pause_that_lapses_may_be_automatic_whoever_gives_it_its_length() -> None:
    assert parse_policy(text(entry(target="gate")), {"gate": "circuitBreaker"}, THREE).responses[0].mode == "automatic"


def test_an_empty_list_is_a_policy() -> None:
    assert parse_policy("responses: []", TARGETS, THREE).responses == ()


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
        (text(entry(more="    agreement: 1\n")), r"f\.yaml:9:16: .*agreement is 1; expected 2 to 3"),
        (text(entry(more="    agreement: 4\n")), r"f\.yaml:9:16: .*agreement is 4; expected 2 to 3"),
        (text(entry(more="    agreement: two\n")), r"f\.yaml:9:16: .*whole number"),
        (text(entry().replace("    second: up\n", "")), r"f\.yaml:5:11: .*automatic and there is no second condition.*mode propose"),
        (text(entry(mode="shadow").replace("    second: up\n", "")), r"shadow and there is no second condition"),
        (text(entry().replace("second: up", "second: up >")), r"f\.yaml:8:\d+: "),
        (text(entry(more="    hold: soon\n")), r'f\.yaml:9:11: .*hold is "soon"; expected a number of blocks'),
        (text(entry(more="    hold: 0 blocks\n")), r'hold is "0 blocks"'),
        (text(entry(more="    earned: {report: x}\n")), r"earned names report; expected one of report and replay, and sha256"),
        (
            text(entry(more="    earned: {report: x, replay: y, sha256: z}\n")),
            r"earned names report and replay and sha256; expected one of",
        ),
        (
            text(entry(more="    earned: {report: x, sha256: z, library: y}\n")),
            r'f\.yaml:9:36: .*over no library; expected "library" beside "replay"',
        ),
        (text(entry(more="    incidents: {cause: x}\n")), r"f\.yaml:9:16: .*incidents lacks a key; expected the keys cause and target"),
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
