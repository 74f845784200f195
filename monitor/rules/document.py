"""YAML with positions: bounded reading, and the few accessors that turn nodes into values or into problems.

PyYAML's nodes know where they stand, its constructed values do not; so files are read from nodes. All that can go
wrong with a file as a file (encoding, size, tabs, nesting, aliases that multiply) becomes a Problem here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import yaml
from yaml.error import Mark, MarkedYAMLError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import ReaderError

from monitor.catalogue.catalogue import nearest
from monitor.rules.problems import Level, Problem, RuleFileErrors, Span, in_order

T = TypeVar("T")

MAX_BYTES = 512 * 1024
MAX_NODES = 20_000
"""Nodes that one file may expand to: an alias counts as often as it is used, so a small file cannot grow without bound."""

MAX_BRACKETS = 100
"""Brackets that may be open at once; PyYAML needs time that grows with the square of their number."""

_DURATION = re.compile(r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?", re.ASCII)
_SECONDS = (365 * 86400, 7 * 86400, 86400, 3600, 60, 1)


@dataclass
class Document:
    """One file that is being read: its text, and the problems found so far."""

    file: str
    text: str = ""
    problems: list[Problem] = field(default_factory=list)
    visits: int = 0

    def span(self, node: Node) -> Span:
        return Span(self.file, node.start_mark.line + 1, node.start_mark.column + 1)

    def report(
        self, where: Node | Span, code: str, found: str, expected: str | None = None, near: str | None = None, level: Level = "error"
    ) -> None:
        span = where if isinstance(where, Span) else self.span(where)
        self.problems.append(Problem(span, code, found, expected, near, level))

    # ------------------------------------------------------------ values

    def mapping(self, node: Node, what: str, known: Iterable[str] | None = None) -> dict[str, tuple[ScalarNode, Node]]:
        """Key to (key node, value node). Reports a wrong type, keys that are repeated, not text, or not in ``known``."""
        if not isinstance(node, MappingNode):
            self.report(node, "wrong-type", f"{what} is {_kind(node)}", "a mapping of keys to values")
            return {}
        names = None if known is None else list(known)
        found: dict[str, tuple[ScalarNode, Node]] = {}
        for key, value in node.value:
            if not self._count(key):
                break
            if not isinstance(key, ScalarNode):
                self.report(key, "wrong-type", f"a key of {what} is {_kind(key)}", "plain text")
            elif key.tag == "tag:yaml.org,2002:merge":
                self.report(key, "merge-key", 'merge keys ("<<") are not accepted', "the keys written out")
            elif key.value in found:
                first = found[key.value][0].start_mark.line + 1
                self.report(
                    key, "duplicate-key", f'the key "{key.value}" of {what} is written twice, first on line {first}', "each key once"
                )
            elif names is not None and key.value not in names:
                self.report(key, "unknown-key", f'{what} has no key "{key.value}"', f"one of {', '.join(names)}", nearest(key.value, names))
            else:
                found[key.value] = (key, value)
        return found

    def sequence(self, node: Node, what: str) -> Iterator[Node]:
        """The items. Reports a wrong type; a null is an empty list, as in Prometheus."""
        if is_null(node):
            return
        if not isinstance(node, SequenceNode):
            self.report(node, "wrong-type", f"{what} is {_kind(node)}", "a list")
            return
        for item in node.value:
            if not self._count(item):
                return
            yield item

    def scalar(self, node: Node, what: str) -> str | None:
        """The text of a scalar; a null is the empty text, as in Prometheus. None after a report."""
        if not isinstance(node, ScalarNode):
            self.report(node, "wrong-type", f"{what} is {_kind(node)}", "text")
            return None
        return "" if is_null(node) else node.value

    def duration(self, node: Node, what: str) -> int | None:
        """Whole seconds of a Prometheus duration. None after a report."""
        text = self.scalar(node, what)
        if text is None:
            return None
        milliseconds = parse_duration(text)
        if milliseconds is None:
            self.report(node, "bad-duration", f'{what} is "{text}"', "a duration such as 30s, 5m, 1h30m or 1d")
            return None
        if milliseconds % 1000:
            self.report(node, "bad-duration", f'{what} is "{text}"', "whole seconds: the clock is the block's timestamp")
            return None
        return milliseconds // 1000

    def integer(self, node: Node, what: str) -> int | None:
        text = self.scalar(node, what)
        if text is None:
            return None
        if not re.fullmatch(r"[0-9]{1,9}", text):
            self.report(node, "wrong-type", f'{what} is "{text}"', "a whole number, 0 or more")
            return None
        return int(text)

    def _count(self, node: Node) -> bool:
        self.visits += 1
        if self.visits == MAX_NODES + 1:
            self.report(node, "too-large", f"the file expands to more than {MAX_NODES} values", "fewer rules, or aliases that repeat less")
        return self.visits <= MAX_NODES

    # ------------------------------------------------------------ positions inside a scalar

    def inside(self, node: Node, offset: int) -> Span:
        """Where the character at ``offset`` of a scalar's value stands in the file, through indentation, folding and quotes."""
        value = node.value if isinstance(node, ScalarNode) else ""
        at = self._content_start(node)
        for i, char in enumerate(value[: offset + 1]):
            if char.isspace():
                continue
            while at < len(self.text) and self.text[at] != char:
                at += 1
            if i < offset:
                at += 1
        at = min(at, len(self.text))
        line = self.text.count("\n", 0, at)
        return Span(self.file, line + 1, at - (self.text.rfind("\n", 0, at) + 1) + 1)

    def _content_start(self, node: Node) -> int:
        start = int(node.start_mark.index)
        style = getattr(node, "style", None)
        if style in ("|", ">"):
            return self.text.find("\n", start) + 1
        return start + (1 if style in ("'", '"') else 0)


def read(path: Path) -> tuple[Document, Node | None]:
    """The root node of a file, or None with the problem in the document. An empty file has no root and no problem."""
    document = Document(str(path))
    try:
        raw = path.read_bytes()
    except OSError as error:
        document.report(_top(document), "unreadable", f"the file cannot be read: {error.strerror or error}", "a readable file")
        return document, None
    return document, _compose(document, raw)


def read_whole(path: Path, part: Callable[[Document, Node], T | None], expected: str) -> T:
    """What ``part`` makes of the root node. ``expected``: what an empty file should hold. Raises RuleFileErrors with all problems of the file."""
    document, root = read(path)
    found = None if root is None else part(document, root)
    if found is None or document.problems:
        if not document.problems:
            document.report(_top(document), "missing", "the file is empty", expected)
        raise RuleFileErrors(in_order(document.problems))
    return found


def read_text(name: str, text: str) -> tuple[Document, Node | None]:
    """As :func:`read`, for text that is in memory (a journal, an upload)."""
    document = Document(name)
    return document, _compose(document, text.encode("utf-8", "surrogatepass"))


def parse_duration(text: str) -> int | None:
    """Milliseconds of a Prometheus duration (``1h30m``; ``0`` needs no unit); None if it is none."""
    if text == "0":
        return 0
    match = _DURATION.fullmatch(text)
    if not text or match is None or len(text) > 40:
        return None
    parts = [int(p or 0) for p in match.groups()]
    return sum(n * s for n, s in zip(parts, _SECONDS, strict=False)) * 1000 + parts[6]


def is_null(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _compose(document: Document, raw: bytes) -> Node | None:
    if len(raw) > MAX_BYTES:
        document.report(_top(document), "too-large", f"the file has {len(raw)} bytes", f"at most {MAX_BYTES}: split it")
        return None
    try:
        document.text = raw.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - (raw.rfind(b"\n", 0, error.start) + 1) + 1
        document.report(Span(document.file, line, column), "not-utf8", f"byte 0x{raw[error.start]:02x} is not UTF-8", "a file in UTF-8")
        return None
    deep = _too_deep(document)
    if deep is not None:
        document.report(deep, "too-deep", f"more than {MAX_BRACKETS} brackets are open here", "the shape of a rule file")
        return None
    try:
        return yaml.compose(document.text, Loader=yaml.SafeLoader)
    except MarkedYAMLError as error:
        _yaml_problem(document, error)
    except ReaderError as error:
        _unprintable(document, error)
    except RecursionError:
        document.report(_top(document), "too-deep", "the file is nested too deeply", "the shape of a rule file")
    except ValueError as error:  # PyYAML's own: a scalar escape that is no character
        document.report(_top(document), "bad-yaml", f"this is not YAML: {error}")
    return None


def _too_deep(document: Document) -> Span | None:
    """Where too many brackets are open, whether they mean YAML, PromQL or text."""
    depth = 0
    for match in re.finditer(r"[\[{]|[\]}]", document.text):
        depth = depth + 1 if match.group() in "[{" else max(depth - 1, 0)
        if depth > MAX_BRACKETS:
            before = document.text[: match.start()]
            return Span(document.file, before.count("\n") + 1, match.start() - (before.rfind("\n") + 1) + 1)
    return None


def _yaml_problem(document: Document, error: MarkedYAMLError) -> None:
    mark: Mark | None = error.problem_mark or error.context_mark
    span = Span(document.file, mark.line + 1, mark.column + 1) if mark else _top(document)
    said = ", ".join(part for part in (error.problem, error.context) if part)
    if "'\\t'" in said:
        document.report(span, "tab", "a tab is used for indentation", "spaces: YAML forbids tabs here")
    else:
        document.report(span, "bad-yaml", f"this is not YAML: {said}")


def _unprintable(document: Document, error: ReaderError) -> None:
    line = document.text.count("\n", 0, error.position) + 1
    column = error.position - (document.text.rfind("\n", 0, error.position) + 1) + 1
    code = ord(error.character) if isinstance(error.character, str) else error.character
    document.report(Span(document.file, line, column), "bad-character", f"character U+{code:04X} is not allowed in YAML", "printable text")


def _top(document: Document) -> Span:
    return Span(document.file, 1, 1)


def _kind(node: Node) -> str:
    if is_null(node):
        return "empty"
    return "a mapping" if isinstance(node, MappingNode) else "a list" if isinstance(node, SequenceNode) else "text"
