"""The runner of unit tests: promtool's notation and outcomes, and what only we can say (blindness, verdicts)."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.catalogue import SHIPPED, Catalogue
from monitor.rules.series import NotationError, series, values
from monitor.rules.unit_tests import Report, render_report, run

CATALOGUE = Catalogue(SHIPPED)
RULES = """
groups:
- name: alerts
  rules:
  - alert: Coverage
    expr: queue_coverage_ratio < 0.5
    for: 2m
    keep_firing_for: 2m
    labels: {severity: '{{ if lt $value 0.1 }}page{{ else }}ticket{{ end }}'}
    annotations: {summary: 'at {{ $value | humanizePercentage }} on {{ $externalLabels.site }}'}
  - alert: Recorded
    expr: queue:ether:double > 10
- name: records
  rules:
  - record: queue:ether:double
    expr: 2 * queue_unfinalized_ether
    labels: {kind: double}
"""
COVERAGE = 'queue_coverage_ratio{protocol="lido"}'


def write(folder: Path, tests: str, rules: str = RULES) -> Path:
    (folder / "rules.yaml").write_text(rules)
    path = folder / "t.test.yaml"
    path.write_text(f"rule_files: [rules.yaml]\nevaluation_interval: 1m\ngroup_eval_order: [records, alerts]\ntests:\n{tests}")
    return path


def promtool(path: Path) -> bool:
    return (
        subprocess.run(["promtool", "test", "rules", path.name], cwd=path.parent, capture_output=True, timeout=60, check=False).returncode
        == 0
    )


def alert(at: str, name: str, **alerts: Mapping[str, str]) -> str:
    return yaml.safe_dump({"eval_time": at, "alertname": name, **alerts}, default_flow_style=True, width=10_000).strip()


AGREED = [
    (COVERAGE, "0.4x5", "alert 1m Coverage", True),
    (COVERAGE, "0.4x5", "alert 2m Coverage ticket 40%", True),
    (COVERAGE, "0.4x5", "alert 2m Coverage", False),
    (COVERAGE, "0.4 0.4 0.05x3", "alert 3m Coverage", True),
    (COVERAGE, "0.4 0.4 0.05x3", "alert 4m Coverage page 5%", True),
    (COVERAGE, "0.4 0.4 0.4 0.9 0.9 0.9 0.9", "alert 4m Coverage ticket 40%", True),
    (COVERAGE, "0.4 0.4 0.4 0.9 0.9 0.9 0.9", "alert 5m Coverage", True),
    (COVERAGE, "0.4 0.4 stale 0.4 0.4", "alert 4m Coverage", True),
    (COVERAGE, "0.4x3", "alert 2m30s Coverage ticket 40%", True),
    (COVERAGE, "0.9-0.1x8", "alert 7m Coverage ticket 20%", True),
    ('queue_unfinalized_ether{protocol="lido"}', "4+1x4", "expr 3m queue:ether:double 14 double", True),
    ('queue_unfinalized_ether{protocol="lido"}', "4+1x4", "expr 3m queue:ether:double 13 double", False),
    (COVERAGE, "1 NaN Inf -Inf 1e-3", "expr 4m queue_coverage_ratio+0 0.001 plain", True),
    (COVERAGE, "1 NaN Inf -Inf 1e-3", "expr 3m queue_coverage_ratio+0 -Inf plain", True),
    (COVERAGE, "1x4", "expr 3m time() 180 none", True),
    (COVERAGE, "1x4", "expr 3m count(queue_coverage_ratio<0) 0 absent", True),
    (COVERAGE, "1 2 3 4 5", "expr 4m sum_over_time(queue_coverage_ratio[150s]) 12 plain", True),
]


def _case(inputs: str, given: str, asked: str) -> str:
    kind, at, *rest = asked.split()
    body: dict[str, object] = {"interval": "1m", "external_labels": {"site": "here"}, "input_series": [{"series": inputs, "values": given}]}
    if kind == "alert":
        name, *firing = rest
        expected = {"eval_time": at, "alertname": name}
        if firing:
            labels = {"protocol": "lido", "severity": firing[0]}
            expected["exp_alerts"] = [{"exp_labels": labels, "exp_annotations": {"summary": f"at {firing[1]} on here"}}]  # type: ignore[assignment]
        body["alert_rule_test"] = [expected]
    else:
        expr, value, shape = rest
        name = {"double": 'queue:ether:double{kind="double",protocol="lido"}', "plain": '{protocol="lido"}', "none": "{}"}.get(shape)
        samples = (
            []
            if name is None
            else [{"labels": name, "value": float(value.replace("Inf", "inf")) if "Inf" not in value else yaml_inf(value)}]
        )
        body["promql_expr_test"] = [{"expr": expr, "eval_time": at, "exp_samples": samples}]
    return yaml.safe_dump([body], sort_keys=False)


def yaml_inf(text: str) -> float:
    return float("-inf") if text.startswith("-") else float("inf")


@pytest.mark.parametrize(("inputs", "given", "asked", "passes"), AGREED, ids=[f"{c[1]}: {c[2]}" for c in AGREED])
def test_a_test_passes_or_fails_as_it_does_in_promtool(tmp_path: Path, inputs: str, given: str, asked: str, passes: bool) -> None:
    path = write(tmp_path, _case(inputs, given, asked))
    report = run([path], CATALOGUE)
    assert (report.passed, report.tests) == (passes, 1), render_report(report)
    assert promtool(path) == passes


def report_of(tmp_path: Path, tests: str) -> Report:
    return run([write(tmp_path, tests)], CATALOGUE)


BLIND = f"""
- name: blindness
  interval: 1m
  # stakewarden: blind queue_coverage_ratio from 3m to 7m
  # stakewarden: expect Coverage true at 2m
  # stakewarden: expect Coverage unknown at 6m
  # stakewarden: expect Coverage false at 7m
  # stakewarden: expect Recorded false at 7m
  input_series:
  - {{series: '{COVERAGE}', values: '0.4x5 0.9x4'}}
  alert_rule_test:
  - eval_time: 2m
    alertname: Coverage
    exp_alerts: [{{exp_labels: {{protocol: lido, severity: ticket}}, exp_annotations: {{summary: 'at 40% on '}}}}]
  - eval_time: 6m
    alertname: Coverage
    exp_alerts: [{{exp_labels: {{protocol: lido, severity: ticket}}, exp_annotations: {{summary: 'at 40% on '}}}}]
"""


def test_blindness_can_be_tried_and_promtool_still_reads_the_file(tmp_path: Path) -> None:
    report = report_of(tmp_path, BLIND)
    assert report.passed, render_report(report)
    assert promtool(tmp_path / "t.test.yaml")


def test_a_failure_says_what_was_expected_and_what_came(tmp_path: Path) -> None:
    report = report_of(tmp_path, BLIND.replace("expect Coverage unknown", "expect Coverage false").replace("at 40%", "at 41%", 1))
    text = render_report(report)
    assert "t.test.yaml:10:3: failed: blindness: Coverage at 360s\n    expected: false\n    got:      unknown" in text
    assert "expected: {protocol=\"lido\", severity=\"ticket\"} with {'summary': 'at 41% on '}" in text
    assert text.endswith("1 tests, 2 failures")


WRONG = {
    "- interval: 0s": ("interval is 0", "at least 1s"),
    "- input_series: [{series: 'queue_coverage_ratoi', values: '1'}]": (
        'no metric is called "queue_coverage_ratoi"',
        "queue_coverage_ratio",
    ),
    "- input_series: [{series: 'queue_coverage_ratio{protocl=\"lido\"}', values: '1'}]": ('has no label "protocl"', "protocol"),
    "- input_series: [{series: 'queue_coverage_ratio{protocol=\"ldo\"}', values: '1'}]": ('never "ldo"', "lido"),
    "- input_series: [{series: 'queue_coverage_ratio{protocol=~\"lido\"}', values: '1'}]": ("is no label of a series", 'name{a="b"}'),
    "- input_series: [{series: 'queue_coverage_ratio', values: '1 two'}]": ('"two" is no value', "0+10x5"),
    "- input_series: [{series: 'queue_coverage_ratio', values: '1+2'}]": ("does not say how often", "0+10x5"),
    "- input_series: [{series: 'queue_coverage_ratio', values: '1x999999'}]": ("more than 100000 samples", "0+10x5"),
    "- alert_rule_test: [{eval_time: 1m, alertname: Coverag}]": ('no rule is called "Coverag"', "Coverage"),
    "- alert_rule_tests: []": ('a test has no key "alert_rule_tests"', "alert_rule_test"),
    "- promql_expr_test: [{eval_time: 1m, expr: 'sum('}]": ("expr:", ""),
    "- name: x\n  # stakewarden: blinded y": ("says nothing to us", "blind FAMILY from"),
    "- name: x\n  # stakewarden: blind y from 1m to 2m": ('no metric is called "y"', ""),
    "- alert_rule_test: [{eval_time: 100y, alertname: Coverage}]": ("the test needs", "at most 50000"),
}


@pytest.mark.parametrize(("tests", "words"), WRONG.items(), ids=[w[0] for w in WRONG.values()])
def test_a_test_that_proves_nothing_is_a_problem(tmp_path: Path, tests: str, words: tuple[str, str]) -> None:
    report = report_of(tmp_path, tests + "\n")
    assert not report.passed
    text = render_report(report)
    assert all(word in text for word in words), text


def test_a_file_without_rules_or_with_broken_rules_is_a_problem(tmp_path: Path) -> None:
    path = write(tmp_path, "- name: x\n", "groups: [{name: g, rules: [{alert: A, expr: 'sum('}]}]")
    assert "rules.yaml:1:49: error: expr:" in render_report(run([path], CATALOGUE))
    path.write_text("rule_files: [nothing.yaml]\ntests: []\n")
    assert 'no file matches "nothing.yaml"' in render_report(run([path, tmp_path / "gone.yaml"], CATALOGUE))


@settings(max_examples=80, deadline=None)
@given(st.text(alphabet="_x0123456789+-. staleNInfe", max_size=30))
def test_any_text_is_values_or_a_notation_error(text: str) -> None:
    try:
        found = values(text)
    except NotationError as error:
        assert 0 <= error.offset <= len(text)
    else:
        assert len(found) >= len(text.split())


def test_a_series_is_a_name_and_labels() -> None:
    assert series('up{a="b", c="d"}') == ("up", (("a", "b"), ("c", "d")))
    for wrong in ("up[5m]", "sum(up)", "up offset 5m", 'up{a!="b"}', "{", ""):
        with pytest.raises(NotationError):
            series(wrong)
