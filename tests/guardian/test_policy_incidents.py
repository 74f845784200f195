"""The library of incidents: what the shipped responses would have done in it, and that it finds out those that would have done wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.catalogue import SHIPPED, Catalogue
from monitor.guardian.policy import BadPolicy, Earned, Policy, Proof, load_policy, parse_policy
from monitor.guardian.policy.check import check_proofs
from monitor.guardian.policy.earned import KEPT, LEAST_HELD_BACK, LEAST_IN_TIME, LEAST_NOT, fault, outgrown, text_of
from monitor.guardian.policy.incidents import Incident, read_incident, read_library
from monitor.guardian.policy.library import digest, files_of, hashes
from monitor.guardian.policy.replay import NotReplayable, Outcome, Replay, replay, report, run
from monitor.rules import RuleFileErrors, from_sources
from monitor.rules.document import read_text
from tests.guardian.judged import RESPONSES, ROOT, THREE, shipped

LIBRARY = ROOT / "rules/incidents"
MINT, UPGRADE = "vault-unbacked-mint", "vault-unapproved-upgrade"


def policy(text: str = RESPONSES) -> Policy:
    return parse_policy(text, {"vault": "pauseFor"}, THREE)


@cache
def whole() -> Replay:
    return replay(policy(), shipped(), LIBRARY, Catalogue(SHIPPED))


def over(folder: Path, names: Sequence[str], text: str = RESPONSES, only: str = MINT, **changes: tuple[str, str]) -> dict[str, Outcome]:
    """Some incidents of the shipped library, by name, and words of them that are changed."""
    for name in names:
        said = (LIBRARY / f"{name}.yaml").read_text()
        for old, new in changes.values():
            assert old in said
            said = said.replace(old, new)
        (folder / f"{name}.yaml").write_text(said)
    return {o.incident: o for o in replay(policy(text), shipped(), folder, Catalogue(SHIPPED), only).outcomes[only]}


# ---------------------------------------------------------------- the shipped library


@cache
def incidents() -> tuple[Incident, ...]:
    return read_library(LIBRARY)


@pytest.mark.parametrize("name", [MINT, UPGRADE])
def test_the_shipped_responses_do_what_the_library_asks(name: str) -> None:
    found = whole().outcomes[name]
    assert [(o.incident, o.verdict, o.reason) for o in found if o.wrong] == []
    past = [o for o in found if o.record == "past"]
    assert sum(o.verdict == "in_time" for o in past) >= max(3, LEAST_IN_TIME)
    assert sum(o.verdict in KEPT for o in past) >= max(20, LEAST_NOT)
    assert sum(o.verdict == "held_back" for o in found) >= LEAST_HELD_BACK
    assert [o.incident for o in found if "do not tell" in o.reason] == [], "each incident says what both responses read"


def test_each_condition_of_a_response_holds_it_back_somewhere() -> None:
    held = {o.incident: o.reason for o in whole().outcomes[MINT] if o.verdict == "held_back"}
    for incident, why in {
        "liar-plus-outage": "1 of 3 configured endpoints agreed",
        "client-split-wrong-branch": "the execution clients disagree",
        "drift-while-finality-is-lost": "finality lags 9 epochs",
        "formula-of-an-older-version": "the second condition does not hold",
    }.items():
        assert why in held[incident]
    after = {o.incident: o.blocks for o in whole().outcomes[MINT] if o.verdict == "in_time"}
    assert after["ankr-abnbc-mint-2022-12"] == 1, "the upgrade is the incident's begin, the mint a block later"
    assert whole().unanswered[("integrator", "bridge-drain")] == ("kelp-bridge-drain-2026-04",)


def test_what_the_files_claim_is_told_from_what_they_make_up() -> None:
    for incident in incidents():
        said = incident.document.text
        assert ("basis: measured" in said or "basis: derived" in said) <= (incident.record == "past"), incident.name
        assert "reconstructed: []" not in said, f"{incident.name}: nobody has our families' series of that time"
        assert all(j.until <= 86_400 for j in incident.judgements), "a pause that helps after days is no answer to anything"
        assert not any(rule.name in said for rule in shipped()), f"{incident.name} names a rule: it judges what happened, not what fires"


def test_the_library_is_short_enough_for_everyday() -> None:
    assert sum(i.end // i.interval for i in incidents()) < 4_000


# ---------------------------------------------------------------- it finds out what is wrong


PRICE = (
    RESPONSES.split("  - name: vault-unapproved")[0]
    .replace("LidoShareRateDrift", "LidoPegDiscountHigh")
    .replace('abs(accounting_wrapped_rate_drift_ratio{protocol="lido"}) > 1e-9', 'peg_pool_share_ratio{protocol="lido"} > 0.6')
)


def test_a_pause_by_the_price_is_found_to_be_false(tmp_path: Path) -> None:
    found = over(tmp_path, ["steth-discount-2022-05", "reth-premium-2023-03"], PRICE)
    false = found["steth-discount-2022-05"]
    assert (false.verdict, false.decided, false.wrong) == ("false_pause", "pause", True) and "backing was intact" in false.reason
    assert found["reth-premium-2023-03"].verdict == "not_counted", "the file tells no pool: that nothing fired proves nothing"


def test_a_pause_without_the_logs_word_is_found_to_be_false(tmp_path: Path) -> None:
    text = RESPONSES.replace(
        'contract_upgrade{protocol="lido",change="implementation",approved="no"}', "accounting_shares >= 0 or vector(1)"
    )
    found = over(tmp_path, ["lido-v2-upgrade-2023-05", "old-code-served-again"], text, UPGRADE)
    assert {o.verdict for o in found.values()} == {"false_pause"}


def test_a_pause_that_comes_when_it_helps_no_more_is_late(tmp_path: Path) -> None:
    slow = RESPONSES.replace("    target: vault\n", "    target: vault\n    hold: 100 blocks\n", 1)
    found = over(tmp_path, ["bedrock-unibtc-mint-2024-09"], slow)["bedrock-unibtc-mint-2024-09"]
    assert (found.verdict, found.blocks, found.after_seconds) == ("late", 99, 99 * 12) and "after 960 s" in found.reason


def test_a_pause_before_the_beginning_is_early_and_none_at_all_is_missed(tmp_path: Path) -> None:
    name = "yeth-mint-2025-11"
    found = over(tmp_path, [name], begins=("begins: 36s", "begins: 48s"))[name]
    assert (found.verdict, found.blocks) == ("early", -1)
    found = over(tmp_path, [name], value=("_wrapped_rate_drift_ratio{protocol=\"lido\"}', values: 0x2 -0.9999999x60", "_wrapped_rate_drift_ratio{protocol=\"lido\"}', values: 0x62"))[name]  # fmt: skip
    assert (found.verdict, found.decided) == ("missed", "propose") and "second condition" in found.reason
    found = over(tmp_path, [name], value=("0x2 -0.9999999x60", "0x62"))[name]
    assert (found.verdict, found.reason) == ("missed", "the alert never fired")


def test_a_right_incident_that_does_not_tell_what_is_read_is_wrong(tmp_path: Path) -> None:
    name = "yeth-mint-2025-11"
    found = over(tmp_path, [name], value=('wrapped_rate_drift_ratio{protocol="lido"}', 'pooled_ether{protocol="lido"}'))[name]
    assert (found.verdict, found.wrong) == ("untold", True)
    assert found.reason == 'its series do not tell accounting_wrapped_rate_drift_ratio{protocol="lido"}'


def test_lateness_does_not_depend_on_the_mode_a_response_is_in(tmp_path: Path) -> None:
    shadow = (ROOT / "rules/policy/responses.shadow.yaml").read_text()
    assert over(tmp_path, ["yeth-mint-2025-11"], shadow)["yeth-mint-2025-11"].verdict == "in_time"
    many = RESPONSES.replace("    target: vault\n", "    target: vault\n    agreement: 3\n", 1)
    assert over(tmp_path, ["yeth-mint-2025-11"], many)["yeth-mint-2025-11"].verdict == "in_time"


def test_what_cannot_be_judged_is_refused_by_name(tmp_path: Path) -> None:
    for text, only, said in (
        (RESPONSES, "vault-unbacked", "has no response vault-unbacked; it has"),
        (RESPONSES.replace("cause: unbacked-mint", "cause: unbaked-mint"), MINT, 'no incident has the cause "unbaked-mint"; .*did you mean "unbacked-mint"'),
        (RESPONSES.replace("target: integrator", "target: vault"), MINT, 'no incident has the target "vault"'),
        (RESPONSES.replace("    incidents: {cause: unbacked-mint, target: integrator}\n", ""), MINT, "does not say which incidents"),
        (RESPONSES.replace("LidoShareRateDrift", "LidoShareRateDrifts"), MINT, 'no rule is called "LidoShareRateDrifts"'),
    ):  # fmt: skip
        with pytest.raises(NotReplayable, match=said):
            over(tmp_path, ["yeth-mint-2025-11"], text, only)
    with pytest.raises(RuleFileErrors, match=r"yeth-mint-2025-11\.yaml:\d+:14: .*no metric is called .*did you mean"):
        over(tmp_path, ["yeth-mint-2025-11"], series=("accounting_share_rate_drift_ratio", "accounting_share_rate_drift"))


def test_the_tests_of_rules_tell_what_came_out_wrong(tmp_path: Path) -> None:
    (tmp_path / "library").mkdir()
    shutil.copy(LIBRARY / "steth-discount-2022-05.yaml", tmp_path / "library")
    shutil.copy(LIBRARY / "yeth-mint-2025-11.yaml", tmp_path / "library")
    (tmp_path / "responses.yaml").write_text(PRICE)
    found = run([tmp_path / "responses.yaml"] * 2, [ROOT / "rules/packs"], tmp_path / "library", Catalogue(SHIPPED))
    assert found.tests == 2, "the same conditions are judged once"
    assert [(f.test, f.expected, f.got.split(":")[0]) for f in found.failures] == [
        ("steth-discount-2022-05", "no pause", "false pause"),
        ("yeth-mint-2025-11", "a pause in time", "untold"),
    ]


# ---------------------------------------------------------------- reading


GOOD = (LIBRARY / "liar-plus-outage.yaml").read_text()


def read_it(folder: Path, text: str) -> Incident:
    (folder / "one.yaml").write_text(text)
    return read_incident(folder / "one.yaml")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("record: scenario", "record: past", r"what happened has no measured.*\n.*what happened has no sources"),
        ("record: scenario", "record: pst", r'record is "pst"; expected one of past, scenario; did you mean "past"'),
        ('date: "2026-11-21"', 'date: "21.11.2026"', r'date is "21\.11\.2026"'),
        ("begins: 36s\n", "", 'an incident has no key "begins"'),
        ("interval: 12s", "interval: 0s", "interval is 0"),
        ("basis: assumed", "basis: guessed", 'basis is "guessed"; expected one of measured, derived, assumed'),
        (", basis: assumed", "", 'a series has no key "basis"'),
        ("agreed: [charlie]", "agreed: [delta]", 'no endpoint is called "delta"; expected some of alpha, bravo, charlie'),
        ("  - {from: 36s,", "  - {from: 36s}\n  - {from: 12s,", "a state from 12 s on stands after a later one"),
        ("verdict: wrong", "verdict: right", r'a pause is right and there is no "cause".*\n.*there is no "until"'),
        ("verdict: wrong", "verdict: wrong\n    until: 1h", 'verdict is wrong and there is an "until"'),
        ("target: protocol", "target: integrator", "two judgements are about integrator"),
        ("target: protocol", "target: The protocol", 'target is "The protocol"; expected small letters'),
        ("values: 0x2", "values: 0y2", '"0y2" is no value'),
    ],
)  # fmt: skip
def test_mistakes_are_named_with_their_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert read_it(tmp_path, GOOD).record == "scenario" and old in GOOD
    with pytest.raises(RuleFileErrors, match=said) as told:
        read_it(tmp_path, GOOD.replace(old, new))
    assert all(p.span.line > 0 and p.span.file.endswith("one.yaml") for p in told.value.problems)


def test_an_empty_file_and_an_empty_folder_are_problems(tmp_path: Path) -> None:
    with pytest.raises(RuleFileErrors, match="holds no incidents"):
        read_library(tmp_path)
    with pytest.raises(RuleFileErrors, match="the file is empty"):
        read_it(tmp_path, "")


@given(st.text(max_size=200))
@settings(max_examples=30, deadline=None)
def test_no_text_crashes_the_reader(junk: str) -> None:
    from monitor.guardian.policy.incidents import _Reader

    for text in (junk, f"title: {junk}\n{GOOD.split(chr(10), 2)[2]}", GOOD.replace("[charlie]", junk)):
        document, root = read_text("one.yaml", text)
        if root is not None:
            _Reader(document, Path("one.yaml")).file(root)


# ---------------------------------------------------------------- what a replay arms


def placed(folder: Path, body: dict[str, Any], response: str = MINT) -> Path:
    """A responses file whose response is armed by this report, beside the report and a library."""
    (folder / "policy").mkdir(exist_ok=True)
    (folder / "policy/r.json").write_text(text_of(body))
    proof = f"    earned: {{replay: r.json, sha256: {sha256((folder / 'policy/r.json').read_bytes()).hexdigest()}}}\n"
    text = RESPONSES.replace("mode: automatic", "mode: shadow").replace(f"name: {response}\n", f"name: {response}\n{proof}")
    begin = text.index(f"name: {response}\n")
    path = folder / "policy/responses.yaml"
    path.write_text(text[:begin] + text[begin:].replace("mode: shadow", "mode: automatic", 1))
    return path


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return Path(shutil.copytree(LIBRARY, tmp_path / "incidents"))


def load(path: Path) -> Policy:
    return load_policy(path, {"vault": "pauseFor"}, THREE, 1)


def made(name: str = MINT) -> dict[str, Any]:
    return report(next(r for r in policy().responses if r.name == name), shipped(), whole())


@pytest.mark.parametrize("name", [MINT, UPGRADE])
def test_the_replay_of_the_shipped_library_arms_the_shipped_responses(tmp_path: Path, library: Path, name: str) -> None:
    found = load(placed(tmp_path, made(name), name))
    assert [r.mode for r in found.responses if r.name == name] == ["automatic"]
    assert outgrown(found, tmp_path / "policy", shipped()) == []
    texts = {n: t.replace('abs(accounting_share_rate_drift_ratio{protocol="lido"}) > 1e-9', 'abs(accounting_share_rate_drift_ratio{protocol="lido"}) > 1e-7')
             .replace('contract_implementation_approved{protocol="lido"} == 0', 'contract_implementation_approved{protocol="lido"} < 1') for n, t in shipped().sources.items()}  # fmt: skip
    (why,) = outgrown(found, tmp_path / "policy", from_sources(texts))
    assert "changed since the report that armed it: replay it again" in why


def test_a_report_has_equal_bytes_for_equal_files_wherever_they_lie(library: Path) -> None:
    few = [p for p in files_of(library) if p.stem not in ("yeth-mint-2025-11", "liar-plus-outage")]
    for path in few:
        path.unlink()
    one = replay(policy(), shipped(), library, Catalogue(SHIPPED))
    moved = library.rename(library.parent / "elsewhere")
    again = replay(policy(), shipped(), moved, Catalogue(SHIPPED))
    (response, _) = policy().responses
    assert text_of(report(response, shipped(), one)) == text_of(report(response, shipped(), again))
    assert str(moved.parent) not in text_of(report(response, shipped(), again))


def test_another_library_disarms_what_it_armed(tmp_path: Path, library: Path) -> None:
    path = placed(tmp_path, made())
    assert load(path).responses
    said = (library / "yeth-mint-2025-11.yaml").read_text()
    for change in (said + "# reworded\n", None):
        (library / "yeth-mint-2025-11.yaml").unlink() if change is None else (library / "yeth-mint-2025-11.yaml").write_text(change)
        with pytest.raises(BadPolicy, match=r"not the one that was replayed \(1 of its files changed, first yeth-mint-2025-11\.yaml\)"):
            load(path)
    shutil.rmtree(library)
    with pytest.raises(BadPolicy, match="not the one that was replayed"):
        load(path)


def worse(body: dict[str, Any], verdict: str, keep: int = 0) -> dict[str, Any]:
    """The report, with all but so many outcomes of this verdict not counted."""
    left = [o for o in body["outcomes"] if o["verdict"] == verdict and o["record"] == "past"][keep:]
    return {**body, "outcomes": [{**o, "verdict": "not_counted"} if o in left else o for o in body["outcomes"]]}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (lambda b: worse(b, "in_time", LEAST_IN_TIME - 1), f"in time in {LEAST_IN_TIME - 1} past incidents, {LEAST_IN_TIME} are needed"),
        (lambda b: worse(b, "quiet", LEAST_NOT - 1), f"kept from pausing in {LEAST_NOT - 1} past incidents, {LEAST_NOT} are needed"),
        (lambda b: {**b, "outcomes": [{**o, "verdict": "quiet"} if o["verdict"] == "held_back" else o for o in b["outcomes"]]}, "in 0 incidents its alert fired"),
        (lambda b: {**b, "outcomes": [{**o, "verdict": "missed"} if o["verdict"] == "in_time" else o for o in b["outcomes"]]}, "4 of its incidents came out wrong, first ankr"),
        (lambda b: {**b, "outcomes": [{**o, "verdict": "fine"} if o["verdict"] == "quiet" else o for o in b["outcomes"]]}, "came out wrong"),
        (lambda b: {**b, "outcomes": b["outcomes"][1:]}, "outcomes are not those of the library"),
        (lambda b: {**b, "incidents": {"cause": "depeg", "target": "integrator"}}, "judged for another cause"),
        (lambda b: {**b, "conditions": "0x00"}, "of other conditions"),
        (lambda b: {**b, "version": 2}, "version 2"),
        (lambda b: {k: v for k, v in b.items() if k != "library"}, "not one of `stakewarden guardian replay`: KeyError"),
        (lambda b: {**b, "library": {**b["library"], "sha256": "00"}}, "not the one that was replayed"),
    ],
)  # fmt: skip
def test_a_replay_that_shows_too_little_arms_nothing(tmp_path: Path, library: Path, body: Any, said: str) -> None:
    with pytest.raises(BadPolicy, match=said):
        load(placed(tmp_path, body(made())))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["incident", "verdict", "record", "files", "sha256", "block"]), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
KEYS = ["outcomes", "library", "incidents", "conditions", "version", "response"]


@given(st.sampled_from(KEYS), JSON, st.sampled_from(["replay", "report"]))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_a_report_holds_it_is_refused_and_not_stumbled_over(library: Path, key: str, junk: Any, proof: Proof) -> None:
    for text in (text_of({**made(), key: junk}), json.dumps(junk)):
        (library.parent / "r.json").write_text(text)
        earned = Earned("r.json", sha256(text.encode()).hexdigest(), proof, "incidents")
        if junk != made()[key] or proof == "report":
            assert fault(replace(policy().responses[0], earned=earned), library.parent, 1) is not None


def test_scenarios_arm_nothing_by_themselves(tmp_path: Path, library: Path) -> None:
    made_up = {**made(), "outcomes": [{**o, "record": "scenario"} for o in made()["outcomes"]]}
    with pytest.raises(BadPolicy, match="in time in 0 past incidents"):
        load(placed(tmp_path, made_up))


def test_a_response_that_names_no_incidents_is_not_armed_by_a_replay(tmp_path: Path, library: Path) -> None:
    path = placed(tmp_path, made())
    path.write_text(path.read_text().replace("    incidents: {cause: unbacked-mint, target: integrator}\n", ""))
    with pytest.raises(BadPolicy, match="does not say which incidents it is for"):
        load(path)


def test_the_check_warns_of_a_replay_and_finds_one_that_does_not_come_out_again(tmp_path: Path, library: Path) -> None:
    for path in files_of(library):
        if path.stem not in ("yeth-mint-2025-11", "liar-plus-outage"):
            path.unlink()
    done = replay(policy(), shipped(), library, Catalogue(SHIPPED), MINT)
    body = report(next(r for r in policy().responses if r.name == MINT), shipped(), done)

    def told(body: dict[str, Any]) -> list[tuple[str, str]]:
        placed(tmp_path, body)
        found = load_policy(tmp_path / "policy/responses.yaml", {"vault": "pauseFor"}, THREE)
        return [(p.level, p.code) for p in check_proofs(found, shipped(), Catalogue(SHIPPED), tmp_path / "policy")]

    assert told(body) == [("warning", "earned-by-replay")]
    forged = {**body, "outcomes": [{**o, "verdict": "in_time"} for o in body["outcomes"]]}
    assert sorted(told(forged)) == [("error", "not-reproducible"), ("warning", "earned-by-replay")]
    shutil.rmtree(library)
    assert ("error", "not-replayable") in told(body)


def test_the_librarys_hash_is_that_of_a_list_of_sha256sums(library: Path) -> None:
    lines = "".join(f"{sha256(p.read_bytes()).hexdigest()}  {p.name}\n" for p in sorted(library.iterdir()))
    assert digest(hashes(library)) == sha256(lines.encode()).hexdigest()
    assert json.loads(text_of(made()))["library"]["sha256"] == digest(hashes(LIBRARY))
