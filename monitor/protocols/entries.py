"""YAML with the place of every value, so that an error in a user's file names file, line and column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import yaml

from monitor.catalogue.catalogue import nearest
from monitor.model import Address, address

_DIGITS = 78
"""Decimal digits of the largest word; Python refuses to read thousands of them."""


class BadEntry(ValueError):
    """A wrong value in a file; the message begins with ``file:line:column``."""

    def __init__(self, file: str, line: int, column: int, what: str) -> None:
        super().__init__(f"{file}:{line}:{column}: {what}")
        self.file, self.line, self.column, self.what = file, line, column, what


@dataclass(frozen=True)
class Entry:
    """One node of a YAML document. Its readers raise BadEntry with the place, what was found and what was expected."""

    file: str
    node: yaml.Node
    path: str = ""

    def fail(self, what: str) -> NoReturn:
        mark = self.node.start_mark
        raise BadEntry(self.file, mark.line + 1, mark.column + 1, what)

    def _found(self) -> str:
        if isinstance(self.node, yaml.ScalarNode):
            return f'"{self.node.value}"' if self.node.value else "nothing"
        return "a list" if isinstance(self.node, yaml.SequenceNode) else "a mapping"

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.node, yaml.MappingNode)

    @property
    def is_nothing(self) -> bool:
        return self.node.tag == "tag:yaml.org,2002:null"

    def items(self) -> Iterator[tuple[str, Entry, Entry]]:
        """Key, the key's own entry and the value of each pair of a mapping; a key written twice is an error."""
        if not isinstance(self.node, yaml.MappingNode):
            self.fail(f"{self.path or 'the file'} must be a mapping, found {self._found()}")
        seen: set[str] = set()
        for key_node, value in self.node.value:
            key = Entry(self.file, key_node, self.path)
            name = key.text()
            if name in seen:
                key.fail(f'"{name}" is written twice')
            seen.add(name)
            yield name, key, Entry(self.file, value, f"{self.path}.{name}" if self.path else name)

    def fields(self, *allowed: str) -> dict[str, Entry]:
        """The pairs of a mapping that may have these keys only; an unknown key names the nearest one."""
        found: dict[str, Entry] = {}
        for name, key, value in self.items():
            if name not in allowed:
                key.fail(f'unknown key "{name}"{hint(name, allowed)}; known: {", ".join(allowed)}')
            found[name] = value
        return found

    def entries(self) -> list[Entry]:
        if not isinstance(self.node, yaml.SequenceNode):
            self.fail(f"{self.path} must be a list, found {self._found()}")
        return [Entry(self.file, n, f"{self.path}[{i}]") for i, n in enumerate(self.node.value)]

    def text(self) -> str:
        if not isinstance(self.node, yaml.ScalarNode):
            self.fail(f"{self.path} must be a text, found {self._found()}")
        return str(self.node.value)

    def integer(self) -> int:
        text = self.text()
        fits = text.isascii() and text.isdigit() and len(text) <= _DIGITS
        return int(text) if fits else self.fail(f"{self.path} must be a whole number, found {self._found()}")

    def one_of(self, allowed: Iterable[str]) -> str:
        text, choices = self.text(), list(allowed)
        if text not in choices:
            self.fail(f'{self.path} "{text}" is not known{hint(text, choices)}; known: {", ".join(choices)}')
        return text

    def account(self) -> Address:
        """A 20-byte address; mixed case must be right (EIP-55), since a mistyped letter is the mistake to expect."""
        text = self.text()
        try:
            right = address(text)
        except ValueError:
            self.fail(f"{self.path} must be an address (0x and 40 hex digits), found {self._found()}")
        if text not in (right, right.lower()):
            self.fail(f"{self.path} {text} has a wrong EIP-55 checksum; is a letter mistyped? expected {right}")
        return right

    def digest(self) -> bytes:
        text = self.text()
        try:
            raw = bytes.fromhex(text.removeprefix("0x"))
        except ValueError:
            raw = b""
        return raw if len(raw) == 32 else self.fail(f"{self.path} must be 32 bytes of hex, found {self._found()}")


def hint(word: str, words: Iterable[str]) -> str:
    """The nearest valid name, as the end of a message."""
    close = nearest(word, words)
    return f'; did you mean "{close}"?' if close else ""


def parse(text: str, file: str) -> Entry:
    """The root of a YAML document. Raises BadEntry for what is not YAML, or is empty."""
    try:
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise BadEntry(file, (mark.line if mark else 0) + 1, (mark.column if mark else 0) + 1, f"not YAML: {error.problem}") from None
    except (yaml.YAMLError, RecursionError, UnicodeError) as error:
        raise BadEntry(file, 1, 1, f"not YAML: {error}") from None
    if node is None:
        raise BadEntry(file, 1, 1, "the file is empty")
    return Entry(file, node)


def load(path: Path) -> Entry:
    """The root of a YAML file. Raises BadEntry, also when the file cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadEntry(str(path), 1, 1, f"cannot be read: {error}") from None
    return parse(text, str(path))
