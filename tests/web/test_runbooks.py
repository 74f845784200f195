"""Runbooks as pages: GitHub's anchors, no file but those that rules name, and nothing of a hostile file that runs or leads astray."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.rules import load
from monitor.rules.runbooks import page_of, runbooks
from monitor.web.runbooks import MAX_BYTES, anchor, page, rendered
from tests.docs.test_links import anchors
from tests.web.test_app import get, made
from tests.web.views import EMPTY

ROOT = Path(__file__).parents[2]
RULES = load([ROOT / "rules/packs"])
SHIPPED = runbooks(RULES, ROOT / "docs/runbooks")
PLAIN = {
    "a", "article", "blockquote", "br", "code", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s", "strong", "table",
    "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
HOSTILE = """
# <script>alert(1)</script> & <b>x</b>
<img src=x onerror=alert(2)> <style>*{display:none}</style>

<div onclick="alert(3)">block</div>

[a](javascript:alert(4)) [b](JaVaScRiPt:alert(5)) [c](data:text/html,x) [d](vbscript:x) ![e](javascript:alert(6)) [f](//evil.example/x.md)
<javascript:alert(7)> [g]: javascript:alert(8)
[h](https://x.example/"onmouseover="alert(9)) [i](https://x.example 'a"b<c>')
[j](../../settings.yaml) [k](/sign-out) [l](?x) [m](ethereum.md/../../secrets) [n](file:///etc/passwd) [o](\\\\evil) &#x3c;script&#62;
"""


class Seen(HTMLParser):
    """Elements with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def all(self, tag: str, attribute: str) -> list[str | None]:
        return [a[attribute] for t, a in self.found if t == tag and attribute in a]


def ids(html: str) -> list[str | None]:
    return [a["id"] for _, a in Seen(html).found if "id" in a]


# ---------------------------------------------------------------- what is shown


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_runbook_has_the_anchors_of_github(name: str) -> None:
    found = ids(rendered(SHIPPED[name].read_text("utf-8"), name))
    assert set(found) == anchors(SHIPPED[name]) and len(found) == len(set(found))


def test_the_link_of_every_shipped_alert_opens_at_its_section() -> None:
    places = {page_of(rule.annotation("runbook_url") or "") for rule in RULES.alerts}
    for name in SHIPPED:
        shown = get(f"/runbooks/{name}", files=SHIPPED)
        assert shown.status_code == 200 and shown.headers["content-type"].startswith("text/html")
        wanted = {place.partition("#")[2] for place in places if place is not None and place.startswith(f"/runbooks/{name}#")}
        assert wanted and wanted <= set(ids(shown.text))
        places = {place for place in places if place is None or not place.startswith(f"/runbooks/{name}#")}
    assert places == set()


@pytest.mark.parametrize(
    ("heading", "found"),
    [
        ("LidoQueueFlood", "lidoqueueflood"),
        ("Two words, a `name_of` and a *dash-ed* one!", "two-words-a-name_of-and-a-dash-ed-one"),
        ("[linked](https://x.example) text", "linked-text"),
        ("Über <b>&</b>", "über-bb"),
    ],
)
def test_anchors_are_made_of_the_words(heading: str, found: str) -> None:
    assert ids(rendered(f"## {heading}\n")) == [found]


def test_headings_of_one_name_are_numbered() -> None:
    assert ids(rendered("# A\n# A\n# A-1\n# a\n")) == ["a", "a-1", "a-1-1", "a-2"]
    assert anchor(" A  b ") == "a--b"


def test_links_lead_to_other_runbooks_and_elsewhere_and_never_into_the_repository() -> None:
    text = "[a](other.md#x) [b](../lido.md) [c](../../rules.md) [d](https://x.example/) [e](#here) [f](mailto:a@x.example) [g](missing.md) ![words](p.png)"
    html = rendered(text, "team/own.md", frozenset({"team/own.md", "team/other.md", "lido.md"}))
    assert Seen(html).all("a", "href") == [
        "/runbooks/team/other.md#x", "/runbooks/lido.md", "https://x.example/", "#here", "mailto:a@x.example",
    ]  # fmt: skip
    assert re.sub("<[^>]*>", "", html).split() == ["a", "b", "c", "d", "e", "f", "g", "words"]


# ---------------------------------------------------------------- what is not


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret.md").write_text("SECRET")
    made = tmp_path / "runbooks"
    (made / "team").mkdir(parents=True)
    (made / "lido.md").write_text("# Lido\n")
    (made / "other.md").write_text("NOT NAMED")
    (made / "team/x.md").write_text("# X\n")
    return made


def asked(path: str, files: Mapping[str, Path]) -> tuple[int, str]:
    """The answer to a path as it comes from the wire: a client of HTTP would tidy it up before."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": [], "root_path": "", "scheme": "http", "http_version": "1.1"}  # fmt: skip
    asyncio.run(made(EMPTY, None, files)(scope, receive, send))
    return sent[0]["status"], b"".join(m.get("body", b"") for m in sent).decode()


@pytest.mark.parametrize(
    "path",
    [
        "other.md", "", "nothing.md", "../secret.md", "../../../etc/passwd", "lido.md/../other.md", "lido.md/../../secret.md", "lido.md\0", "lido.md\0.png", "/lido.md", "//lido.md",
        "./lido.md", "team/../other.md", "LIDO.md", "lido.md/", "%2e%2e/secret.md", "..\\secret.md", "~/x.md", "team\\x.md", "team", "/etc/passwd", "x" * 100_000,
    ],
)  # fmt: skip
def test_only_what_rules_name_is_opened(folder: Path, path: str) -> None:
    files = {"lido.md": folder / "lido.md", "team/x.md": folder / "team/x.md"}
    status, text = asked("/runbooks/" + path, files)
    assert status == 404 and "SECRET" not in text and "NOT NAMED" not in text and "No loaded rule names this runbook" in text
    for name, heading in (("lido.md", '<h1 id="lido">Lido'), ("team/x.md", '<h1 id="x">X')):
        shown = get(f"/runbooks/{name}", files=files)
        assert shown.status_code == 200 and heading in shown.text


def test_a_file_that_cannot_be_shown_says_why(folder: Path) -> None:
    def said(name: str) -> str:
        status, text = page(EMPTY, name, {name: folder / name})
        assert status == 404
        return text

    assert "The rules name gone.md, but there is no such file" in said("gone.md")
    assert "there is no such file" in said("team")
    (folder / "long.md").write_bytes(b"a" * (MAX_BYTES + 1))
    assert "long.md has more than 256 KiB" in said("long.md")
    (folder / "out.md").symlink_to(folder.parent / "secret.md")
    assert "there is no such file" in said("out.md") and "SECRET" not in said("out.md")
    os.mkfifo(folder / "pipe.md")
    assert "there is no such file" in said("pipe.md")
    (folder / "loop.md").symlink_to(folder / "loop.md")
    assert "loop.md" in said("loop.md")
    (folder / "within.md").symlink_to(folder / "lido.md")
    assert page(EMPTY, "within.md", {"within.md": folder / "within.md"})[0] == 200
    (folder / "bytes.md").write_bytes(b"# \xff\xfe\x00 x\n")
    assert page(EMPTY, "bytes.md", {"bytes.md": folder / "bytes.md"})[0] == 200


def tame(html: str) -> None:
    seen = Seen(html)
    assert {tag for tag, _ in seen.found} <= PLAIN
    assert {name for _, attributes in seen.found for name in attributes} <= {"href", "title", "id", "class", "style", "start"}
    # Of a table's column alone; the page's policy takes no style of an element at all.
    assert {a["style"] for _, a in seen.found if "style" in a} <= {"text-align:left", "text-align:right", "text-align:center"}
    assert all(re.match(r"(https?://|mailto:|#|/runbooks/(lido|team/x)\.md(#|$))", str(href)) for href in seen.all("a", "href"))


def test_a_hostile_file_runs_nothing_and_leads_nowhere() -> None:
    html = rendered(HOSTILE, "lido.md", frozenset({"lido.md", "ethereum.md"}))
    tame(html)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html and "<script" not in html


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(["<", ">", "[", "](", ")", "!", "javascript:", "lido.md", "../", "//x", "# ", "\n", "\n\n", "`", "*", "|", "-", "&", '"', "'", "<a href=", "data:", "\\", "\x00"])
        | st.text(max_size=5),
        max_size=40,
    ).map("".join)
)  # fmt: skip
def test_no_text_makes_more_than_plain_elements(text: str) -> None:
    tame(rendered(text, "team/x.md", frozenset({"team/x.md", "lido.md"})))
