"""Human-readable ABI fragments: names and canonical types, with tuples written out."""

from __future__ import annotations

import re

_TYPE = re.compile(r"(?:uint|int|bytes|address|bool|string)[0-9]*")


class BadFragment(ValueError):
    """A fragment that is not a function or event in the human-readable form."""


def named(text: str, keyword: str) -> tuple[str, list[tuple[str, str, bool]]]:
    """Name and parameters (type, name, whether indexed) of a function or event. Raises BadFragment."""
    found = re.match(rf"\s*{keyword}\s+(\w+)\s*\(", text)
    if found is None:
        raise BadFragment(f'expected "{keyword} name(...)", found "{text}"')
    return found[1], Types(text[found.end() - 1 :]).parameters()


class Types:
    """Reads a parenthesised parameter list: canonical type, name and whether it is indexed."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text.strip(), 0

    def parameters(self) -> list[tuple[str, str, bool]]:
        self._take("(")
        found: list[tuple[str, str, bool]] = []
        while not self._skip(")"):
            if found:
                self._take(",")
            found.append(self._parameter())
        return found

    def _parameter(self) -> tuple[str, str, bool]:
        type_ = self._type()
        words = self._match(r"[\w ]*").split()
        indexed = "indexed" in words
        names = [w for w in words if w not in ("indexed", "memory", "calldata", "payable")]
        return type_, names[0] if names else "", indexed

    def _type(self) -> str:
        self._match(r"\s*(tuple(?=\s*\())?")
        if self._text.startswith("(", self._at):
            base = "(" + ",".join(t for t, _, _ in self.parameters()) + ")"
        else:
            base = self._match(_TYPE.pattern)
            if not base:
                raise BadFragment(f'expected a type at "{self._text[self._at :]}" in "{self._text}"')
        base = {"uint": "uint256", "int": "int256"}.get(base, base)
        return base + self._match(r"(\[[0-9]*\])*")

    def _match(self, pattern: str) -> str:
        found = re.compile(pattern).match(self._text, self._at)
        if found is None:
            return ""
        self._at = found.end()
        return found[0]

    def _skip(self, mark: str) -> bool:
        self._match(r"\s*")
        if self._text.startswith(mark, self._at):
            self._at += len(mark)
            return True
        return False

    def _take(self, mark: str) -> None:
        if not self._skip(mark):
            raise BadFragment(f'expected "{mark}" at "{self._text[self._at :]}" in "{self._text}"')
