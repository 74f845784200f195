"""Runbooks: Markdown that the risk team wrote, as a page. Raw HTML stays text, pictures are their words, and no link leads into the repository."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from html import escape
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from monitor.rules.runbooks import PAGES
from monitor.web.document import NOBODY, Viewer, bar, document
from monitor.web.view import StatusView

MAX_BYTES = 256 << 10
"""A longer file is not shown."""
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
_ELSEWHERE = ("https://", "http://", "mailto:")


class NotShown(Exception):
    """A runbook that is not shown: the reason, for the page."""


def page(view: StatusView, name: str, files: Mapping[str, Path], viewer: Viewer = NOBODY) -> tuple[int, str]:
    """Status and text of the page at ``/runbooks/NAME``. ``files`` are those that the loaded rules name: no other is ever opened."""
    try:
        status, body = 200, f"<article class=doc>{rendered(_read(name, files), name, frozenset(files))}</article>"
    except NotShown as why:
        status, body = 404, f"<h2>Runbook</h2><p>{escape(str(why))} <a href=/>Overview</a></p>"
    return status, document(posixpath.basename(name), bar(view, viewer), body)


@lru_cache(maxsize=16)
def rendered(text: str, name: str = "", others: frozenset[str] = frozenset()) -> str:
    """Markdown as HTML, with the anchors of headings that GitHub makes. ``others``: the files that a relative link may lead to.

    A long one takes a tenth of a second: it is made once, however many ask.
    """
    tokens = _MARKDOWN.parse(text)
    taken: dict[str, int] = {}
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type != "inline" or token.children is None:
            continue
        token.children = list(_tame(token.children, posixpath.dirname(name), others))
        if before is not None and before.type == "heading_open":
            before.attrSet("id", _unique(anchor(_words(token.children)), taken))
    return str(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}))


def anchor(heading: str) -> str:
    """A heading's anchor as GitHub makes it: lower case, hyphens for spaces, and no other signs."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def _unique(found: str, taken: dict[str, int]) -> str:
    """The second heading of a name gets ``-1``, the third ``-2``."""
    while (number := taken.get(found)) is not None:
        taken[found] = number + 1
        found = f"{found}-{number}"
    taken[found] = 1
    return found


def _words(children: Sequence[Token]) -> str:
    return "".join(" " if t.type in ("softbreak", "hardbreak") else t.content for t in children)


def _tame(children: Sequence[Token], folder: str, others: frozenset[str]) -> Iterator[Token]:
    """Links that lead somewhere stay; of the others, and of pictures, the words."""
    kept: list[bool] = []
    for token in children:
        if token.type == "image":
            yield Token("text", "", 0, content=_words(token.children or ()))
        elif token.type == "link_open":
            place = _place(str(token.attrGet("href") or ""), folder, others)
            kept.append(place is not None)
            if place is not None:
                token.attrSet("href", place)
                yield token
        elif token.type != "link_close" or kept.pop():
            yield token


def _place(href: str, folder: str, others: frozenset[str]) -> str | None:
    """Where a link leads: to another site, within this page, or to another runbook; None where there is nothing to be seen."""
    if href.startswith(("#", *_ELSEWHERE)):
        return href
    path, mark, fragment = href.partition("#")
    name = posixpath.normpath(posixpath.join(folder, path))
    return f"{PAGES}{name}{mark}{fragment}" if path and name in others else None


def _read(name: str, files: Mapping[str, Path]) -> str:
    """The file's text. Raises NotShown."""
    path = files.get(name)
    if path is None:
        raise NotShown("No loaded rule names this runbook, so it is not shown.")
    folder = path.parents[name.count("/")]
    try:
        # A link may lead elsewhere within the folder, as a mounted ConfigMap has it, and not out of it; a pipe would never end.
        if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
            raise NotShown(f"The rules name {name}, but there is no such file in the folder of runbooks (setting rules.runbooks).")
        with path.open("rb") as file:
            found = file.read(MAX_BYTES + 1)
    except (OSError, RuntimeError) as error:
        raise NotShown(f"{name} cannot be read ({type(error).__name__}).") from None
    if len(found) > MAX_BYTES:
        raise NotShown(f"{name} has more than {MAX_BYTES >> 10} KiB, and is not shown.")
    return found.decode("utf-8", "replace")
