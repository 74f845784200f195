"""What is wrong with a user's file: where it is, what was found, what was expected, and the nearest valid name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A place in a file; line and column count characters from 1."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding in one file. ``code`` is a stable word for machines; ``rule`` is the rule's id where it is about a rule."""

    span: Span
    code: str
    found: str
    expected: str | None = None
    nearest: str | None = None
    level: Level = "error"
    rule: str | None = None

    @property
    def message(self) -> str:
        """The finding in one line, without its place."""
        expected = f"; expected {self.expected}" if self.expected else ""
        nearest = f'; did you mean "{self.nearest}"?' if self.nearest else ""
        return f"{self.found}{expected}{nearest}"

    def __str__(self) -> str:
        return f"{self.span.file}:{self.span.line}:{self.span.column}: {self.level}: {self.message}"


class RuleFileErrors(Exception):
    """A rule file cannot be used. ``problems`` holds all that was found, in the order of the files."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(str(p) for p in self.problems))


def errors(problems: Iterable[Problem]) -> list[Problem]:
    """The problems that forbid the use of the rules; the rest are warnings."""
    return [p for p in problems if p.level == "error"]


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Problems by place, each once."""
    return sorted(dict.fromkeys(problems), key=lambda p: (p.span, p.level, p.code, p.found))


def render_problem(problem: Problem, sources: Mapping[str, str] | None = None) -> str:
    """The problem with its source line and a caret below the place, as compilers show it. ``sources`` maps file to text."""
    lines = (sources or {}).get(problem.span.file, "").splitlines()
    if not 1 <= problem.span.line <= len(lines):
        return str(problem)
    line = lines[problem.span.line - 1]
    before = line[: problem.span.column - 1]
    caret = "".join("\t" if c == "\t" else " " for c in before) + " " * (problem.span.column - 1 - len(before)) + "^"
    return f"{problem}\n    {line}\n    {caret}"


def render_problems(problems: Sequence[Problem], sources: Mapping[str, str] | None = None) -> str:
    """All problems and a last line that counts them."""
    bad = len(errors(problems))
    count = f"{bad} error{'s' * (bad != 1)}, {len(problems) - bad} warning{'s' * (len(problems) - bad != 1)}"
    return "\n".join([*(render_problem(p, sources) for p in problems), count])
