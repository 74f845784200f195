"""Label matchers in Alertmanager's syntax: ``severity="page"``, ``protocol!="lido"``, ``alertname=~"Stakewarden.*"``.

Regular expressions are RE2 and anchored at both ends, as in Alertmanager; a label that an alert does not have is the empty text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2

_SYNTAX = re.compile(r"\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*(.*?)\s*", re.DOTALL)
_ESCAPES = {"\\n": "\n", '\\"': '"', "\\\\": "\\"}
_OPTIONS = re2.Options()
_OPTIONS.log_errors = False


class BadMatcher(ValueError):
    """A matcher that cannot be read: what was found and what is expected."""

    def __init__(self, text: str, why: str) -> None:
        super().__init__(f"matcher {text!r} {why}")
        self.text, self.why = text, why


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label. Make one with :func:`parse_matcher`."""

    name: str
    operator: str
    value: str

    def matches(self, labels: Mapping[str, str]) -> bool:
        found = labels.get(self.name, "")
        match self.operator:
            case "=":
                return found == self.value
            case "!=":
                return found != self.value
            case "=~":
                return _pattern(self.value).fullmatch(found) is not None
            case _:
                return _pattern(self.value).fullmatch(found) is None

    def __str__(self) -> str:
        value = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.name}{self.operator}"{value}"'


def parse_matcher(text: str) -> Matcher:
    """Raises BadMatcher with what is wrong."""
    found = _SYNTAX.fullmatch(text)
    if found is None:
        raise BadMatcher(text, 'is not of the form name="value" (operators: =, !=, =~, !~)')
    name, operator, raw = found.groups()
    matcher = Matcher(name, operator, _unquote(text, raw))
    if operator in ("=~", "!~"):
        try:
            _pattern(matcher.value)
        except re2.error as error:
            raise BadMatcher(text, f"has a bad regular expression (RE2): {_words(error)}") from None
    return matcher


def all_match(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    return all(m.matches(labels) for m in matchers)


def _unquote(text: str, raw: str) -> str:
    if not raw.startswith('"'):
        if '"' in raw or "," in raw or "{" in raw:
            raise BadMatcher(text, "has a value that needs double quotes around all of it")
        return raw
    if not re.fullmatch(r'"(?:[^"\\]|\\.)*"', raw, re.DOTALL):
        raise BadMatcher(text, "has a double quote that is not closed, or text after the closing one")
    return re.sub(r'\\[n"\\]', lambda m: _ESCAPES[m.group()], raw[1:-1])


@lru_cache(maxsize=1024)
def _pattern(text: str) -> Any:
    return re2.compile(text, _OPTIONS)


def _words(error: Exception) -> str:
    said = error.args[0] if error.args else error
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
