"""docs/development.md says what is missing; what can be tried here is tried, so that the list does not outlive the gap."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from monitor.promql import ParseError, parse

ROOT = Path(__file__).parents[2]
MISSING = (ROOT / "docs/development.md").read_text("utf-8").split("\n## What is missing\n")[1]
PROMQL = re.search(r"^- PromQL: (.*?)(?=^- )", MISSING, re.MULTILINE | re.DOTALL)
assert PROMQL is not None
FUNCTIONS = [name for name in re.findall(r"`(\w+)`", PROMQL[1]) if name != "@"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_that_is_said_to_be_missing_is_refused_by_name(name: str) -> None:
    with pytest.raises(ParseError, match=name):
        parse(f"{name}(up[5m])")


@pytest.mark.parametrize(("text", "what"), [('{job="a"}', "without a metric's name"), ("up[500ms]", "whole seconds")])
def test_syntax_that_is_said_to_be_missing_is_refused_by_name(text: str, what: str) -> None:
    with pytest.raises(ParseError, match=what):
        parse(text)


def test_folders_that_are_said_to_be_empty_are_empty() -> None:
    sources = [path for path in (ROOT / "monitor/sources").glob("*.py") if path.name != "__init__.py"]
    assert ("`monitor/sources` is empty" in MISSING) == (not sources)
