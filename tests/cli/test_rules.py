"""``stakewarden rules check`` and ``rules test``, as the risk team uses them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT, Run

PACK = """\
groups:
  - name: queue
    rules:
      - alert: QueueFlood
        expr: queue_unfinalised_ether{protocol="lido"} > 1000
        labels:
          severity: page
          zone: deposit
        annotations:
          summary: Too much waits
          description: It waits
          runbook_url: docs/x.md#queueflood
          stakewarden_owner: us
          stakewarden_reason: because
"""
GOLDEN = """\
pack.yaml:5:15: error: no metric is called "queue_unfinalised_ether"; did you mean "queue_unfinalized_ether"?
            expr: queue_unfinalised_ether{protocol="lido"} > 1000
                  ^
1 error, 0 warnings
"""
TEST = """\
rule_files: [pack.yaml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'queue_unfinalized_ether{protocol="lido"}', values: '1 2000 2000'}
    alert_rule_test:
      - eval_time: 1m
        alertname: QueueFlood
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pack.yaml").write_text(PACK)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_typo_is_shown_with_place_caret_and_nearest_name(stakewarden: Run, here: Path) -> None:
    done = stakewarden("rules", "check", "pack.yaml")
    assert done.code == 1 and done.err == ""
    assert done.out == GOLDEN


def test_the_same_as_json(stakewarden: Run, here: Path) -> None:
    done = stakewarden("rules", "check", "pack.yaml", "--json")
    (problem,) = json.loads(done.out)
    assert done.code == 1
    assert (problem["file"], problem["line"], problem["column"], problem["code"]) == ("pack.yaml", 5, 15, "unknown-metric")


def test_a_good_file_is_fine(stakewarden: Run, here: Path) -> None:
    (here / "pack.yaml").write_text(PACK.replace("unfinalised", "unfinalized"))
    done = stakewarden("rules", "check", "pack.yaml")
    assert done.code == 0, done.out
    assert json.loads(stakewarden("rules", "check", "pack.yaml", "--json").out) == []


def test_the_shipped_packs_routes_and_responses_pass(stakewarden: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    done = stakewarden("rules", "check")
    assert done.code == 0, done.out


def test_what_is_not_there_is_wrong_use(stakewarden: Run, here: Path) -> None:
    for words in (("check", "nowhere.yaml"), ("check",), ("test", "nowhere.test.yaml"), ("test",)):
        done = stakewarden("rules", *words)
        assert done.code == 2, words
        assert "there " in done.err and "Traceback" not in done.err


def test_a_failing_unit_test_says_what_came_instead(stakewarden: Run, here: Path) -> None:
    (here / "pack.yaml").write_text(PACK.replace("unfinalised", "unfinalized"))
    (here / "x.test.yaml").write_text(TEST)
    done = stakewarden("rules", "test", "x.test.yaml")
    assert done.code == 1
    assert "x.test.yaml:8" in done.out and "QueueFlood" in done.out and "Too much waits" in done.out
    told = json.loads(stakewarden("rules", "test", "x.test.yaml", "--json").out)
    assert told["tests"] == 1 and len(told["failures"]) == 1
    (here / "x.test.yaml").write_text(TEST.replace("eval_time: 1m", "eval_time: 0m"))
    assert stakewarden("rules", "test", "x.test.yaml").code == 0
