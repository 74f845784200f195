"""docs/metrics.md is what the catalogue says, and /metrics says no more of the process than the page tells."""

from __future__ import annotations

import ast
from pathlib import Path

from monitor.catalogue import SHIPPED
from monitor.catalogue.page import PROCESS, SIGNALS, page

ROOT = Path(__file__).parents[2]


def test_the_page_is_what_the_catalogue_gives() -> None:
    remedy = "run: .venv/bin/python -m monitor.catalogue.page > docs/metrics.md"
    assert (ROOT / "docs/metrics.md").read_text("utf-8") == page(), remedy


def test_every_family_is_on_the_page_in_the_order_of_the_catalogue() -> None:
    assert tuple(family for _, _, families in SIGNALS for family in families) == SHIPPED


def test_the_metrics_of_the_process_are_those_that_are_emitted() -> None:
    assert {(name, kind, text) for name, kind, _, text in PROCESS} == set(emitted())


def test_the_labels_of_the_metrics_of_the_process_are_those_that_are_emitted() -> None:
    text = (ROOT / "monitor/service/metrics.py").read_text("utf-8")
    assert all(f'"{label}"' in text for _, _, label, _ in PROCESS if label)


def emitted() -> list[tuple[str, str, str]]:
    """Name, kind and help of each ``Sample("...", ...)`` in the service's own metrics; a help in a variable is looked up."""
    tree = ast.parse((ROOT / "monitor/service/metrics.py").read_text("utf-8"))
    texts = {
        node.targets[0].id: node.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Constant)
    }
    found = []
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Sample":
            values = [a.value if isinstance(a, ast.Constant) else texts.get(getattr(a, "id", ""), "") for a in call.args[:3]]
            if values[0]:
                found.append((values[0], values[1], values[2]))
    return found
