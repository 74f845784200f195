"""What a query asks of the window: a family and matchers on its labels, as in Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import re2

from monitor.model import Labels

NAME = "__name__"
MAX_REGEX = 1_000
"""Characters; a longer pattern is a mistake or an attack."""
_REGEX_MEMORY = 1 << 20

MatchOp = Literal["=", "!=", "=~", "!~"]


class BadMatcher(ValueError):
    """A matcher whose regular expression cannot be used."""


class Pattern:
    """A regular expression (RE2) that a whole value must match. Raises BadMatcher as a Matcher does."""

    def __init__(self, pattern: str) -> None:
        self._full = _compiled(pattern)

    def groups(self, value: str) -> dict[str, str] | None:
        """What the groups matched, by number and by name, an idle one as an empty text; None where the value does not match."""
        found: Any = self._full(value)
        if found is None:
            return None
        numbered = {"0": found.group(0)} | {str(i): text or "" for i, text in enumerate(found.groups(), 1)}
        return numbered | {name: text or "" for name, text in found.groupdict().items()}


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on a label; an absent label has the value ``""``. Regular expressions (RE2) match the whole value.

    Raises BadMatcher for a pattern that RE2 refuses or that is longer than ``MAX_REGEX``.
    """

    name: str
    op: MatchOp
    value: str
    _full: Callable[[str], object] | None = field(init=False, compare=False, repr=False, default=None)

    def __post_init__(self) -> None:
        if self.op in ("=~", "!~"):
            object.__setattr__(self, "_full", _compiled(self.value))

    def matches(self, value: str) -> bool:
        if self._full is not None:
            return (self._full(value) is not None) == (self.op == "=~")
        return (value == self.value) == (self.op == "=")

    def __str__(self) -> str:
        quoted = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.name}{self.op}"{quoted}"'


@dataclass(frozen=True, slots=True)
class Selector:
    """The series of one family whose labels pass all matchers (``__name__`` is the family, never a matcher)."""

    family: str
    matchers: tuple[Matcher, ...] = ()

    def matches(self, labels: Labels) -> bool:
        """Whether a series of the family with these labels is selected."""
        if not self.matchers:
            return True
        values = dict(labels)
        return all(m.matches(values.get(m.name, "")) for m in self.matchers)

    def allows(self, scope: Mapping[str, str]) -> bool:
        """Whether a series with at least these labels could be selected: false only if a matcher contradicts one of them."""
        if scope.get(NAME, self.family) != self.family:
            return False
        return all(m.matches(scope[m.name]) for m in self.matchers if m.name in scope)

    def pinned(self) -> dict[str, str]:
        """The labels, with ``__name__``, that every selected series is sure to have."""
        return {NAME: self.family} | {m.name: m.value for m in self.matchers if m.op == "=" and m.value}

    def __str__(self) -> str:
        return self.family + ("{" + ",".join(map(str, self.matchers)) + "}" if self.matchers else "")


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> Callable[[str], object]:
    if len(pattern) > MAX_REGEX:
        raise BadMatcher(f"the regular expression has {len(pattern)} characters, at most {MAX_REGEX} are allowed")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _REGEX_MEMORY
    options.dot_nl = True  # as Prometheus 3
    try:
        matcher = re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0].decode("utf-8", "replace") if error.args and isinstance(error.args[0], bytes) else str(error)
        raise BadMatcher(f'"{pattern[:60]}" is not a regular expression that RE2 takes: {reason}') from None
    full: Callable[[str], object] = matcher.fullmatch
    return full
