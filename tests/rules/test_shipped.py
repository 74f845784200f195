"""The shipped packs: they fit the catalogue, every rule is proven, promtool agrees, and every alert has its runbook."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from monitor.catalogue import SHIPPED, Catalogue
from monitor.rules import RuleSet, check, load, render_problems
from monitor.rules.unit_tests import render_report, run

ROOT = Path(__file__).parents[2]
PACKS = sorted((ROOT / "rules/packs").glob("*.yaml"))
TESTS = sorted((ROOT / "rules/tests").glob("*.test.yaml"))
CATALOGUE = Catalogue(SHIPPED)
NEEDED = {
    "LidoRoleGrantedUnapproved", "LidoRoleHolderUnapproved", "LidoOracleReportLate", "LidoOracleReportMissed", "LidoOracleAgreementNotDelivered",
    "LidoOracleMembersDisagree", "LidoOracleCommitteeChanged", "LidoQueueFlood", "LidoQueueOldestRequest", "LidoQueueClaimsShortfall", "LidoQueueBunkerMode",
    "LidoContractPaused", "LidoShareRateDrift", "LidoNegativeRebase", "LidoAccountingIdentityBroken", "LidoUpgradeUnapproved", "LidoAprOutOfRange",
    "StakewardenBlind", "EndpointDown", "EndpointDissent", "NoAgreedHead", "JudgingBehind", "DeliveriesStuck", "GuardianNotReady", "SenderLowFunds",
    "GuardianTargetPaused", "GuardianPauseFailed", "GuardianPauseProposed", "GuardianPauseShadow", "LidoContractPointerDrift", "StateGap",
    "LidoValidatorSlashed", "LidoMassSlashing", "LidoSlashingLossOverDay", "LidoBunkerModeExpected", "LidoOperatorOffline", "LidoReportBalanceFalse",
    "EthereumParticipationLow", "EthereumFinalityStalled", "EthereumInactivityLeak", "BeaconNodesDown", "BeaconNodeDown", "BeaconNodeDissent", "NoAgreedBeaconHead",
}  # fmt: skip
"""Names that drills and rules/policy refer to."""


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return load(PACKS)


def test_the_packs_fit_the_catalogue_without_a_warning(rules: RuleSet) -> None:
    problems = check(rules, CATALOGUE)
    assert problems == [], render_problems(problems, rules.sources)


def test_the_names_that_others_refer_to_are_there(rules: RuleSet) -> None:
    assert {r.name for r in rules.alerts} >= NEEDED


def test_policies_speak_of_alerts_that_exist(rules: RuleSet) -> None:
    names = {r.name for r in rules.alerts}
    said = [m for path in (ROOT / "rules/policy").glob("*.yaml") for m in re.findall(r'alertname(=~|=)"([^"]+)"', path.read_text())]
    assert said
    for op, text in said:
        assert text in names if op == "=" else any(re.fullmatch(text, name) for name in names), f"no rule is called {text}"


def test_every_rule_is_proven_to_fire_and_to_stay_silent(rules: RuleSet) -> None:
    report = run(TESTS, CATALOGUE)
    assert report.passed, render_report(report)
    assert {r.name for r in rules.alerts} - report.proven == set()


def test_promtool_takes_the_packs_and_agrees_with_every_test() -> None:
    for command in (["check", "rules", *map(str, PACKS)], ["test", "rules", *map(str, TESTS)]):
        result = subprocess.run(["promtool", *command], capture_output=True, text=True, timeout=60, check=False)
        assert result.returncode == 0, result.stdout + result.stderr


def test_every_alert_has_a_runbook_with_all_that_a_reader_needs(rules: RuleSet) -> None:
    for rule in rules.alerts:
        path, _, anchor = (rule.annotation("runbook_url") or "").partition("#")
        sections = _sections((ROOT / path).read_text())
        assert anchor == rule.name.lower()
        assert anchor in sections, f"{path} has no section {rule.name}"
        for word in ("Means", "Check first", "Act", "Who"):
            assert f"**{word}.**" in sections[anchor], f"{path}#{anchor} does not say: {word}"


def test_no_runbook_is_about_a_rule_that_is_gone(rules: RuleSet) -> None:
    anchors = {a for path in (ROOT / "docs/runbooks").glob("*.md") for a in _sections(path.read_text())}
    assert anchors == {r.name.lower() for r in rules.alerts}


def _sections(text: str) -> dict[str, str]:
    """Second-level sections by the anchor that GitHub gives them."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return {title.strip().lower().replace(" ", "-"): body for title, body in zip(parts[1::2], parts[2::2], strict=True)}
