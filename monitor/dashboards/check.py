"""Checks a dashboard before anybody sees it empty: each expression and legend against the catalogue, by the rules' own checker, and the grid."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from monitor import rules
from monitor.catalogue import Catalogue
from monitor.dashboards.panels import COLUMNS
from monitor.rules import RuleFileErrors, RuleSet
from monitor.rules.shapes import output_labels

VARIABLES = {"$__rate_interval": "5m", "$__interval": "1m", "$__range": "6h", "${protocol}": ".*", "$protocol": ".*"}
"""What Grafana puts in for its variables, and a value of ours."""
_IGNORED = ("record-name",)
MAX_UID = 40


def problems(board: Mapping[str, Any], catalogue: Catalogue, block_seconds: int = 12) -> list[str]:
    """All that is wrong with one dashboard in Grafana's classic JSON, a line each: the panel, and what was found."""
    return [*_form(board), *_expressions(board, catalogue, block_seconds)]


def _form(board: Mapping[str, Any]) -> Iterator[str]:
    if not re.fullmatch(rf"[a-zA-Z0-9_-]{{1,{MAX_UID}}}", str(board.get("uid"))):
        yield f"the uid {board.get('uid')!r} is not 1 to {MAX_UID} letters, digits, _ and -"
    if not str(board.get("title", "")).strip():
        yield "there is no title"
    if board.get("id") is not None:
        yield "the id must be null: it is another in every Grafana"
    panels = board.get("panels", [])
    yield from (f"{count} panels have the id {number}" for number, count in Counter(p.get("id") for p in panels).items() if count > 1)
    taken: dict[tuple[int, int], str] = {}
    for panel in panels:
        at, name = panel["gridPos"], str(panel.get("title", ""))
        if at["x"] + at["w"] > COLUMNS or min(at["x"], at["y"]) < 0 or min(at["w"], at["h"]) < 1:
            yield f"{name}: stands outside the {COLUMNS} columns"
        cells = [(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]
        if clash := next((taken[c] for c in cells if c in taken), None):
            yield f"{name}: stands on {clash}"
        taken.update(dict.fromkeys(cells, name))
        letters = Counter(t["refId"] for t in panel.get("targets", ()))
        yield from (f"{name}: {count} queries are called {letter}" for letter, count in letters.items() if count > 1)


def _expressions(board: Mapping[str, Any], catalogue: Catalogue, block_seconds: int) -> Iterator[str]:
    for panel in board.get("panels", ()):
        for target in panel.get("targets", ()):
            where = f"{panel['title']} ({target['refId']})"
            yield from (f"{where}: {problem}" for problem in _expression(target, catalogue, block_seconds))


def _expression(target: Mapping[str, Any], catalogue: Catalogue, block_seconds: int) -> Iterator[str]:
    """As a recording rule, which the rules' checker knows how to judge."""
    text = str(target["expr"])
    for variable, value in VARIABLES.items():
        text = text.replace(variable, value)
    if "$" in text:
        yield f"the variable in {text!r} is not known"
        return
    source = yaml.safe_dump({"groups": [{"name": "panel", "rules": [{"record": "panel:value:now", "expr": text}]}]})
    try:
        found = rules.from_sources({"panel": source})
    except RuleFileErrors as wrong:
        yield from (problem.message for problem in wrong.problems)
        return
    yield from (p.message for p in rules.check(found, catalogue, block_seconds=block_seconds) if p.code not in _IGNORED)
    yield from _legend(target, found, catalogue)


def _legend(target: Mapping[str, Any], found: RuleSet, catalogue: Catalogue) -> Iterator[str]:
    labels = output_labels(found.rules[0].expr, catalogue)
    for name in re.findall(r"\{\{\s*(\w+)\s*\}\}", str(target.get("legendFormat", ""))):
        if labels is not None and name not in labels:
            yield f"the legend names {name}, and the result has {', '.join(sorted(labels)) or 'no labels'}"
