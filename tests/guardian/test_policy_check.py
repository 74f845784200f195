"""What must never stand in a policy is found, and the cases of responses are run for what they say."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from monitor.catalogue import SHIPPED, Catalogue
from monitor.chain.beacon.spec import MAINNET
from monitor.collectors import beacon_collectors, collectors
from monitor.guardian.policy.cases import read_cases, run
from monitor.guardian.policy.check import check
from monitor.guardian.policy.sources import Readers, shared
from monitor.promql import parse
from monitor.protocols.lido import protocol
from monitor.protocols.lido.deployment import mainnet
from monitor.rules import RuleFileErrors, recorded_families
from tests.guardian.judged import RESPONSES, ROOT, policy, shipped

CASES = ROOT / "rules/policy/responses.test.yaml"
ALL = frozenset((name, kind) for name in ("vault-unbacked-mint", "vault-unapproved-upgrade") for kind in ("pause", "other"))
DRIFT = 'abs(accounting_wrapped_rate_drift_ratio{protocol="lido"}) > 1e-9'


@cache
def readers() -> Readers:
    return Readers.of((*collectors(protocol(mainnet()), {}), *beacon_collectors(["lido"], MAINNET)))


@cache
def catalogue() -> Catalogue:
    found = Catalogue(SHIPPED)
    return found.extended(recorded_families(shipped(), found))


def codes(text: str, shown: frozenset[tuple[str, str]] | None = ALL) -> set[str]:
    return {p.code for p in check(policy(text), shipped(), catalogue(), readers(), shown)}


def test_the_shipped_policy_has_no_problem() -> None:
    for name in ("responses.yaml", "responses.shadow.yaml"):
        assert codes((ROOT / "rules/policy" / name).read_text(), read_cases(CASES).shown) == set()


@pytest.mark.parametrize(
    ("second", "code"),
    [
        ("accounting_pooled_ether < 1", "one-source"),
        ('abs(accounting_share_rate_drift_ratio{protocol="lido"}) > 1e-9', "one-source"),
        ("accounting_rebase_limit_ratio < 1 or accounting_pooled_ether < 1", "one-source"),
        ("vector(1) > 0", "one-condition"),
        ("beacon_missed_slots > 5", "not-on-chain"),
        ("beacon_finality_distance_epochs > 2", "not-on-chain"),
        ("stakewarden_rule_errors > 0", "not-on-chain"),
        ("validators_offline > 5", "not-on-chain"),
        ("role_holders_unapproved > 0", "not-on-chain"),
        ("accounting_wraped_rate > 1", "unknown-metric"),
    ],
)
def test_a_pause_that_hangs_on_one_source_or_on_what_others_cannot_read_is_found(second: str, code: str) -> None:
    assert code in codes(RESPONSES.replace(DRIFT, second))


def test_a_policy_without_its_alert_or_its_cases_is_found() -> None:
    assert "unknown-alert" in codes(RESPONSES.replace("LidoShareRateDrift", "LidoShareRateDrift2"))
    assert "never-severe" in codes(RESPONSES.replace("LidoShareRateDrift", "LidoAprOutOfRange"))
    assert codes(RESPONSES, frozenset()) == {"untested"}
    assert codes(RESPONSES, ALL - {("vault-unbacked-mint", "other")}) == {"untested"}
    assert codes(RESPONSES.replace("mode: automatic", "mode: shadow"), frozenset()) == set()


def test_problems_name_the_place_in_the_file() -> None:
    (found,) = check(policy(RESPONSES.replace(DRIFT, "vector(1) > 0")), shipped(), catalogue(), readers(), ALL)
    assert RESPONSES.splitlines()[found.span.line - 1].strip() == f"second: {DRIFT}"


def test_state_and_logs_of_one_contract_are_two_sources() -> None:
    def origin(expr: str) -> object:
        return readers().origin(parse(expr))

    state, logs = readers().origin(parse("contract_implementation_approved == 0")), readers().origin(parse("contract_upgrade"))
    assert shared(state, logs) is None and shared(state, state) is not None
    assert origin("contract_upgrade") == logs


# ---------------------------------------------------------------- cases


def report(tmp_path: Path, text: str) -> str:
    (tmp_path / "responses.yaml").write_text(RESPONSES)
    (tmp_path / "responses.test.yaml").write_text(text.replace("../packs", str(ROOT / "rules/packs")))
    found = run([tmp_path / "responses.test.yaml"], Catalogue(SHIPPED))
    return "\n".join([*(f"{f.what} at {f.at}: {f.expected} | {f.got}" for f in found.failures), *map(str, found.problems)])


def test_the_shipped_cases_hold() -> None:
    found = run([CASES], Catalogue(SHIPPED))
    assert found.passed and found.tests == 5


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("at: 24s, response: vault-unbacked-mint, outcome: pause", "at: 24s, response: vault-unbacked-mint, outcome: propose", "propose | pause"),
        ("agreed: [bravo], outcome: refused", "agreed: [bravo], outcome: pause", "pause: ...1 of 3"),
        ("finality: 5", "finality: 3", "propose: ...finality lags 5 epochs... | pause"),
        ("reason: is not known", "reason: something else", "is not known"),
        ("at: 12s, response: vault-unbacked-mint, outcome: nothing", "at: 12s, response: vault-unbacked-mint, outcome: pause", "pause | nothing"),
        ("outcome: nothing", "outcome: nothin", 'outcome is "nothin"'),
        ("at: 24s", "at: 25s", "no multiple of the interval"),
        ("response: vault-unbacked-mint", "response: vault-unbacked-mnt", 'did you mean "vault-unbacked-mint"'),
        ("accounting_wrapped_rate_drift_ratio{", "accounting_wrapped_rate_drift{", "no metric is called"),
        ("finality: unknown", "finality: two", 'finality is "two"'),
        ("responses: responses.yaml", "responses: other.yaml", "cannot be read"),
        ("    cases:\n", "    case:\n", 'no key "case"'),
    ],
)  # fmt: skip
def test_a_case_that_does_not_hold_is_told(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = CASES.read_text()
    assert report(tmp_path, text) == "" and old in text
    assert said in report(tmp_path, text.replace(old, new, 1))


def test_a_case_looks_as_far_back_as_the_hold_asks(tmp_path: Path) -> None:
    response = RESPONSES.split("  - name: vault-unapproved")[0].replace("    mode:", "    hold: 5m\n    mode:", 1)
    (tmp_path / "responses.yaml").write_text(response)
    series = "".join(
        f"      - {{series: 'accounting_{n}_rate_drift_ratio{{protocol=\"lido\"}}', values: 0 -0.1x40}}\n" for n in ("share", "wrapped")
    )
    cases = "".join(
        f"      - {{at: {at}, response: vault-unbacked-mint, outcome: {came}}}\n" for at, came in (("5m", "wait"), ("312s", "pause"))
    )
    (tmp_path / "responses.test.yaml").write_text(
        f"responses: responses.yaml\nrule_files: [{ROOT}/rules/packs/lido.yaml]\nendpoints: {{a: one, b: two, c: three}}\ntests:\n"
        f"  - name: t\n    interval: 12s\n    input_series:\n{series}    cases:\n{cases}"
    )
    found = run([tmp_path / "responses.test.yaml"], Catalogue(SHIPPED))
    assert found.passed, found


def test_an_empty_file_of_cases_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "responses.test.yaml").write_text("")
    with pytest.raises(RuleFileErrors, match="the file is empty"):
        read_cases(tmp_path / "responses.test.yaml")
