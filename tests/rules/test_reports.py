"""What the commands ``rules check`` and ``rules test`` print."""

from __future__ import annotations

import json
from pathlib import Path

from monitor.catalogue import SHIPPED, Catalogue
from monitor.rules import check_files, failure_json, problem_json, render_check, render_report
from monitor.rules.reports import test_files as run_test_files

ROOT = Path(__file__).parents[2]
CATALOGUE = Catalogue(SHIPPED)


def test_a_good_folder_is_counted() -> None:
    report = check_files([ROOT / "rules/packs"], CATALOGUE)
    assert report.passed
    assert render_check(report).endswith("recording rules: 0 errors, 0 warnings")


def test_warnings_are_shown_and_pass(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("groups: [{name: g, rules: [{record: plain, expr: queue_bunker_mode}]}]")
    report = check_files([path], CATALOGUE)
    assert report.passed
    text = render_check(report)
    assert "r.yaml:1:37: warning: the recorded name plain has no colon" in text
    assert text.endswith("1 files, 0 alerts, 1 recording rules: 0 errors, 1 warning")


def test_a_bad_file_is_a_report_not_an_exception(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(b"groups: \xff")
    report = check_files([path, tmp_path / "gone.yaml"], CATALOGUE)
    assert not report.passed
    assert "2 errors, 0 warnings" in render_check(report)
    assert [problem_json(p)["code"] for p in report.problems] == ["unreadable", "not-utf8"]
    json.dumps([problem_json(p) for p in report.problems])


def test_tests_of_a_folder_are_run(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("groups: [{name: g, rules: [{alert: A, expr: queue_bunker_mode == 1}]}]")
    (tmp_path / "a.test.yaml").write_text(
        "rule_files: [r.yaml]\ntests: [{name: t, alert_rule_test: [{eval_time: 1m, alertname: A, exp_alerts: [{}]}]}]"
    )
    report = run_test_files([tmp_path], CATALOGUE)
    assert render_report(report).endswith("1 tests, 1 failures")
    assert failure_json(report.failures[0])["got"] == "no alert"
