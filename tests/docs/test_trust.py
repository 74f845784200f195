"""docs/trust.md claims nothing without naming what holds it, and what it names is there."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/trust.md").read_text("utf-8")
NAME = re.compile(r"`((?:test|testFuzz|invariant|check)_\w+)`")
CLAIMS = PAGE.split("\n## What stays uncovered\n")[0]
ROWS = [line for line in CLAIMS.splitlines() if line.startswith("| ") and not line.startswith(("| ---", "| claim |", "| who |"))]
PARTIES = ("admin", "guardian", "K sentinels", "fewer than K", "submits", "RPC endpoints", "beacon nodes", "host", "Slack", "Grafana", "database", "page's token", "maintainers")  # fmt: skip


@cache
def there() -> frozenset[str]:
    """Names of all tests and proofs: in Solidity outside of comments, and in Python at any depth."""
    solidity = "\n".join(p.read_text("utf-8") for p in (ROOT / "contracts/test").rglob("*.sol"))
    python = "\n".join(p.read_text("utf-8") for p in (ROOT / "tests").rglob("test_*.py"))
    found = re.findall(r"^\s*function ((?:test|testFuzz|invariant|check)_\w+)\(", solidity, re.MULTILINE)
    return frozenset(found) | frozenset(re.findall(r"^\s*(?:async )?def (test_\w+)\(", python, re.MULTILINE))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:40])
def test_each_claim_names_what_holds_it_and_that_is_there(row: str) -> None:
    held = row.rstrip(" |").rsplit("|", 1)[1]
    names = NAME.findall(held)
    assert names and re.sub(r"`\w+`|[,\s]", "", held) == "", "the last column is a list of tests"
    assert sorted(set(names) - there()) == []


def test_nothing_is_named_elsewhere_that_is_not_there() -> None:
    assert sorted(set(NAME.findall(PAGE)) - there() - {"test_Like", "test_like_this"}) == []


def test_each_party_has_a_row() -> None:
    first = " ".join(row.split("|")[1] for row in ROWS)
    assert [party for party in PARTIES if party not in first] == []
    assert len(ROWS) > 25


def test_alerts_that_are_named_ship() -> None:
    from monitor.rules import load

    shipped = {rule.name for rule in load([ROOT / "rules/packs"]).alerts}
    assert set(re.findall(r"`((?:Guardian|Endpoint|Beacon|Stakewarden)[A-Z]\w+)`", PAGE)) <= shipped
