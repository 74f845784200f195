"""Which runbooks are files that the page may show, and where."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.rules import load
from monitor.rules.runbooks import PAGES, file_of, page_of, runbooks

ROOT = Path(__file__).parents[2]
FOLDER = Path("/srv/runbooks")


@pytest.mark.parametrize(
    ("given", "page"),
    [
        ("docs/runbooks/lido.md#lidoqueueflood", "/runbooks/lido.md#lidoqueueflood"),
        (" docs/runbooks/lido.md\n", "/runbooks/lido.md"),
        ("runbooks/team-a/x.y.md", "/runbooks/team-a/x.y.md"),
        ("lido.md#a b&c", "/runbooks/lido.md#a%20b%26c"),
        ("team/lido.md#überlauf", "/runbooks/team/lido.md#%C3%BCberlauf"),
        ("docs/runbooks.md", "/runbooks/docs/runbooks.md"),
    ],
)
def test_a_path_of_a_markdown_file_has_a_page(given: str, page: str) -> None:
    assert page_of(given) == page


@pytest.mark.parametrize(
    "given",
    [
        "", "none", "https://wiki.example/x.md", "//evil.example/x.md", "/etc/x.md", "../x.md", "docs/runbooks/../../x.md", "docs/./x.md", "docs//x.md",
        ".hidden.md", "docs/.git/x.md", "x.txt", "x.md.", "x.md?y", "x.md\x00", "a b.md", "a\\b.md", "%2e%2e/x.md", "C:x.md", "x" * 300 + ".md", "javascript:x.md",
    ],
)  # fmt: skip
def test_anything_else_has_none(given: str) -> None:
    assert page_of(given) is None and file_of(given) is None


@given(st.text(alphabet="./\\%~:#ab\x00 md", max_size=30).map(lambda t: t + ".md") | st.text(max_size=40))
def test_no_file_lies_outside_of_the_folder(text: str) -> None:
    name = file_of(text)
    if name is not None:
        assert (FOLDER / name).resolve().is_relative_to(FOLDER) and (FOLDER / name).name.endswith(".md")
        assert page_of(text) is not None and str(page_of(text)).startswith(PAGES + name)


def test_the_shipped_rules_name_files_that_are_there() -> None:
    found = runbooks(load([ROOT / "rules/packs"]), ROOT / "docs/runbooks")
    assert set(found) == {path.name for path in (ROOT / "docs/runbooks").glob("*.md")}
    assert all(path.is_file() for path in found.values())
