"""Grafana's dashboards: built from what the catalogue declares and the rules limit, checked against both, kept as files, pushed by API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from monitor.dashboards.boards import boards
from monitor.dashboards.check import problems
from monitor.dashboards.panels import as_json
from monitor.rules import RuleSet

__all__ = ["built", "problems", "written"]


def built(rules: RuleSet) -> dict[str, dict[str, Any]]:
    """Every dashboard as Grafana's classic JSON, by the name of its file."""
    found = boards(rules)
    return {f"{board.uid.removeprefix('stakewarden-')}.json": as_json(board, found) for board in found}


def written(board: Mapping[str, Any]) -> str:
    """The text of a dashboard's file: stable, so that a change shows as what it is."""
    return json.dumps(board, indent=1, ensure_ascii=False) + "\n"
