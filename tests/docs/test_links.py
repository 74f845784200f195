"""What the documentation points at is there: files, headings, modules, commands, make targets; and every runbook that a rule names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from monitor.rules import load
from tests.docs.test_commands import COMMANDS

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
A_FILE = re.compile(r"`((?:monitor|rules|docs|tests|contracts|benchmarks|service|alerts|store)/[\w./-]*[\w-]\.(?:py|sol|yaml|md|json)|"
                    r"(?:monitor|rules|docs|tests|contracts|benchmarks)/[\w/-]*)`")  # fmt: skip


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(page.read_text("utf-8")))
    return {heading.replace(" ", "-") for heading in headings}


def resolves(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    return target.exists() and (not anchor or anchor in anchors(target))


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_relative_links_lead_somewhere(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text("utf-8")) if "://" not in link and not link.startswith("mailto:")]
    assert [link for link in links if not resolves(page, link)] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_files_that_are_named_are_there(page: Path) -> None:
    """A file may be named from the top of the repository or from within `monitor/`."""
    files = A_FILE.findall(page.read_text("utf-8"))
    assert [f for f in files if not (ROOT / f).exists() and not (ROOT / "monitor" / f).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_that_are_named_exist(page: Path) -> None:
    """A command, or a group of them; what follows is its arguments."""
    named = [
        w.split()
        for w in re.findall(r"(?:^|`|bin/)stakewarden ([a-z][a-z-]*(?: [a-z][a-z-]*){0,2})", page.read_text("utf-8"), re.MULTILINE)
    ]
    known = [tuple(name.removeprefix("stakewarden ").split()) for name in COMMANDS]
    assert [w for w in named if not any(tuple(w[: len(k)]) == k or k[: len(w)] == tuple(w) for k in known)] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_make_targets_that_are_named_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text("utf-8"), re.MULTILINE)) <= targets


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page not in seen and page.suffix == ".md" and page.exists():
            seen.add(page)
            ahead += [(page.parent / link.split("#")[0]).resolve() for link in LINK.findall(page.read_text("utf-8")) if "://" not in link]
    assert set(PAGES) <= seen


def test_every_runbook_that_a_rule_names_is_there() -> None:
    rules = load([ROOT / "rules/packs"]).alerts
    links = {rule.name: dict(rule.annotations)["runbook_url"].text for rule in rules}
    assert [name for name, link in links.items() if "#" not in link or not resolves(ROOT / "README.md", link)] == []
    assert len(links) > 20


def test_alerts_that_are_named_ship() -> None:
    shipped = {rule.name for rule in load([ROOT / "rules/packs"]).alerts}
    for page in ("alerts", "guardian", "drills", "commands"):
        words = re.findall(r"`((?:Lido|Guardian)[A-Z]\w+)`|alertname=\"(\w+)\"", (ROOT / f"docs/{page}.md").read_text("utf-8"))
        assert {name for pair in words for name in pair if name} <= shipped, page


def test_no_path_of_a_machine_is_in_the_documentation() -> None:
    assert [named(page) for page in PAGES if re.search(r"/(?:work|home|tmp)/", page.read_text("utf-8"))] == []
