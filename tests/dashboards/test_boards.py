"""The dashboards that ship: they are what their files say, ask only for what exists, and every mistake in one is found."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from monitor import rules
from monitor.catalogue import SHIPPED, Catalogue
from monitor.dashboards import built, problems, written
from monitor.dashboards.limits import NoLimit, Step, limits
from monitor.rules import RuleSet

ROOT = Path(__file__).parents[2]
CATALOGUE = Catalogue(SHIPPED)
RULES = rules.load([ROOT / "rules/packs"])
BOARDS = built(RULES)


def test_the_files_are_what_is_built() -> None:
    assert {p.name: p.read_text("utf-8") for p in (ROOT / "dashboards").glob("*.json")} == {n: written(b) for n, b in BOARDS.items()}, (
        "write them anew: python -m monitor.dashboards"
    )


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_asks_only_for_what_exists(name: str) -> None:
    assert problems(BOARDS[name], CATALOGUE) == []


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_fits_every_grafana(name: str) -> None:
    board = BOARDS[name]
    assert (board["id"], board["schemaVersion"], board["version"]) == (None, 42, 0)
    assert len({b["uid"] for b in BOARDS.values()}) == len({b["title"] for b in BOARDS.values()}) == len(BOARDS)
    for panel in board["panels"]:
        assert panel["type"] in {"row", "stat", "timeseries", "table", "state-timeline", "alertlist", "annolist"}
        for target in panel.get("targets", ()):
            assert target["datasource"] == panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        if panel["type"] not in ("row", "alertlist", "annolist"):
            steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
            assert steps[0]["value"] is None and [s["value"] for s in steps[1:]] == sorted(s["value"] for s in steps[1:])
            assert panel["description"] and panel["targets"]
    assert {tuple(a["target"]["tags"]) for a in board["annotations"]["list"][1:]} == {
        ("stakewarden", kind) for kind in ("incident", "pause", "reload", "note")
    }
    assert {link["url"] for link in board["links"]} == {f"/d/{b['uid']}" for b in BOARDS.values() if b is not board}


def test_each_signal_is_on_a_dashboard() -> None:
    text = json.dumps(list(BOARDS.values()))
    gauges = {f.name for f in SHIPPED if f.kind != "event"}
    shown = {name for name in gauges if name in text}
    assert len(shown) > 0.6 * len(gauges)
    for prefix in ("role_", "oracle_", "queue_", "accounting_", "validators_", "slashing_", "beacon_", "peg_", "guardian_", "stakewarden_"):
        assert any(name.startswith(prefix) for name in shown)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"expr": "queue_unfinalised_ether"}, 'no metric is called "queue_unfinalised_ether"'),
        ({"expr": 'queue_available_ether{source="bufer"}'}, 'the label "source" is never "bufer"'),
        ({"expr": 'queue_bunker_mode{contract="x"}'}, 'queue_bunker_mode has no label "contract"'),
        ({"expr": "rate(queue_unfinalized_ether[5m])"}, "which is a gauge"),
        ({"expr": "sum by (target) (queue_unfinalized_ether)"}, 'nothing inside has a label "target"'),
        ({"expr": "queue_unfinalized_ether["}, ""),
        ({"expr": "queue_unfinalized_ether[5m]"}, "a range of samples"),
        ({"expr": 'queue_bunker_mode{protocol="$proto"}'}, "the variable in"),
        ({"expr": "queue_bunker_mode", "legendFormat": "{{ venue }}"}, "the legend names venue, and the result has protocol"),
        ({"expr": "max(queue_bunker_mode)", "legendFormat": "{{protocol}}"}, "the result has no labels"),
    ],
)
def test_a_wrong_expression_or_legend_is_found(change: dict[str, str], says: str) -> None:
    board = copy.deepcopy(BOARDS["overview.json"])
    target = next(p for p in board["panels"] if p["type"] == "timeseries")["targets"][0]
    target.update({"legendFormat": "", **change})
    found = problems(board, CATALOGUE)
    assert len(found) == 1 and found[0].startswith("Peg (A): ") and says in found[0], found


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (["uid"], "a b", "the uid 'a b'"),
        (["uid"], "x" * 41, "is not 1 to 40"),
        (["title"], " ", "there is no title"),
        (["id"], 7, "the id must be null"),
        (["panels", 2, "id"], 2, "2 panels have the id 2"),
        (["panels", 1, "gridPos", "x"], 22, "Blind: stands outside the 24 columns"),
        (["panels", 2, "gridPos", "x"], 1, "Head: stands on Blind"),
        (["panels", 1, "gridPos", "w"], 0, "Blind: stands outside"),
    ],
)
def test_a_wrong_form_is_found(path: list[Any], value: Any, says: str) -> None:
    board: Any = copy.deepcopy(BOARDS["overview.json"])
    inner = board
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    assert any(says in line for line in problems(board, CATALOGUE))


def rule_set(*lines: str) -> RuleSet:
    text = "".join(
        f"      - alert: A{i}\n        expr: {e}\n        labels: {{severity: {s}}}\n"
        for i, (s, e) in enumerate(x.split(" ", 1) for x in lines)
    )
    return rules.from_sources({"a": "groups:\n  - name: g\n    rules:\n" + text})


@pytest.mark.parametrize(
    ("lines", "steps"),
    [
        (["page x > 5"], [(None, "green"), (5, "red")]),
        (["ticket x > 2", "page x >= 5"], [(None, "green"), (2, "orange"), (5, "red")]),
        (["ticket x < 2", "page x < 1"], [(None, "red"), (1, "orange"), (2, "green")]),
        (["ticket x < -1", "info x > 1"], [(None, "orange"), (-1, "green"), (1, "blue")]),
        (["page abs(x) > 3"], [(None, "red"), (-3, "green"), (3, "red")]),
        (["page x > 5 and y > 7"], [(None, "green"), (5, "red")]),
        (["ticket time() - x > 60"], [(None, "green"), (60, "orange")]),
    ],
)  # fmt: skip
def test_colours_are_those_of_the_rules(lines: list[str], steps: list[tuple[float | None, str]]) -> None:
    found = limits(rule_set(*lines), "x", *(f"A{i}" for i in range(len(lines))))
    assert found == tuple(Step(v, c) for v, c in steps)


def test_a_limit_that_is_gone_is_said() -> None:
    with pytest.raises(NoLimit, match="there is no alert B"):
        limits(rule_set("page x > 5"), "x", "B")
    with pytest.raises(NoLimit, match="compares y with no plain number"):
        limits(rule_set("page x > 5"), "y", "A0")
