"""docs/rules.md says all that the code takes and finds."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from monitor.promql import SIGNATURES
from monitor.rules.check import REQUIRED_ANNOTATIONS, REQUIRED_LABELS
from monitor.rules.files import GROUP_KEYS, OWN_ANNOTATIONS, RULE_KEYS
from monitor.rules.templates import FUNCTIONS

ROOT = Path(__file__).parents[2]
DOC = (ROOT / "docs/rules.md").read_text()


def section(title: str) -> str:
    return DOC.split(f"\n## {title}\n")[1].split("\n## ")[0]


def named(text: str) -> set[str]:
    return set(re.findall(r"`([a-zA-Z_0-9-]+)`", text))


def first_column(text: str) -> set[str]:
    return named("\n".join(line.split("|")[1] for line in text.splitlines() if line.startswith("| `")))


def test_every_key_is_documented_and_no_other() -> None:
    assert first_column(section("Files")) == {*GROUP_KEYS, *RULE_KEYS, *OWN_ANNOTATIONS}
    assert named(section("Files")) >= {*REQUIRED_LABELS, *REQUIRED_ANNOTATIONS}


def test_every_function_is_documented_and_no_other() -> None:
    assert first_column(section("Templates")) == set(FUNCTIONS)
    assert named(section("PromQL")) >= set(SIGNATURES)


def test_every_code_of_a_problem_is_documented_and_no_other() -> None:
    documented = first_column(section("What the check finds")) | {"unknown-alert", "bad-series", "bad-comment"}
    assert {code for path in (ROOT / "monitor/rules").glob("*.py") for code in codes(path)} == documented
    assert all(f"`{code}`" in DOC for code in documented)


def codes(path: Path) -> set[str]:
    """Codes of the problems that a module makes: the literal after the place."""
    calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
    found = set()
    for call in calls:
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        at = 2 if name == "_problem" and isinstance(call.func, ast.Name) else 1
        if name in ("report", "Problem", "_problem") and len(call.args) > at and isinstance(call.args[at], ast.Constant):
            found.add(call.args[at].value)
    return found
