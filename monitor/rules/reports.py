"""What ``stakewarden rules check`` and ``rules test`` do: plain functions that give reports, and their text and JSON forms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.catalogue.catalogue import Catalogue
from monitor.rules.check import check
from monitor.rules.files import EMPTY_RULES, RuleSet, load, rule_files
from monitor.rules.problems import Problem, RuleFileErrors, errors, render_problems
from monitor.rules.unit_tests import Failure, Report, run


@dataclass(frozen=True, slots=True)
class CheckReport:
    """``rules`` is empty if the files could not be read. ``sources`` has the text of every file that could be."""

    files: tuple[str, ...]
    rules: RuleSet
    problems: tuple[Problem, ...]
    sources: Mapping[str, str]

    @property
    def passed(self) -> bool:
        """Whether the rules may be used; warnings do not forbid it."""
        return not errors(self.problems)


def check_files(
    paths: Iterable[Path | str], catalogue: Catalogue, cadences: Mapping[str, int] | None = None, block_seconds: int = 12
) -> CheckReport:
    """Reads and checks rule files and folders of them. A bad file is in the report, never an exception."""
    files = tuple(map(str, rule_files(paths)))
    try:
        rules = load(files)
    except RuleFileErrors as error:
        return CheckReport(files, EMPTY_RULES, error.problems, {file: _text(file) for file in files})
    return CheckReport(files, rules, tuple(check(rules, catalogue, cadences, block_seconds)), rules.sources)


def test_files(paths: Iterable[Path | str], catalogue: Catalogue) -> Report:
    """Runs unit-test files, and all ``*.test.yaml`` and ``*.test.yml`` of folders."""
    found: list[Path] = []
    for path in map(Path, paths):
        found += sorted(p for p in path.iterdir() if p.name.endswith((".test.yaml", ".test.yml"))) if path.is_dir() else [path]
    return run(found, catalogue)


test_files.__test__ = False  # type: ignore[attr-defined]  # not a test of pytest's


def render_check(report: CheckReport) -> str:
    """Problems as compilers show them, then a line that counts rules and problems."""
    alerts, records = len(report.rules.alerts), len(report.rules.recordings)
    head = f"{len(report.files)} files, {alerts} alerts, {records} recording rules: "
    return render_problems(report.problems, report.sources) if not report.passed else _joined(report, head)


def _joined(report: CheckReport, head: str) -> str:
    *shown, count = render_problems(report.problems, report.sources).split("\n")
    return "\n".join([*shown, head + count])


def problem_json(problem: Problem) -> dict[str, Any]:
    """A problem for ``--json``."""
    return {
        "file": problem.span.file,
        "line": problem.span.line,
        "column": problem.span.column,
        "level": problem.level,
        "code": problem.code,
        "rule": problem.rule,
        "found": problem.found,
        "expected": problem.expected,
        "nearest": problem.nearest,
    }


def failure_json(failure: Failure) -> dict[str, Any]:
    """A failed expectation for ``--json``."""
    return {
        "file": failure.span.file,
        "line": failure.span.line,
        "test": failure.test,
        "at": failure.at,
        "what": failure.what,
        "expected": failure.expected,
        "got": failure.got,
    }


def _text(file: str) -> str:
    try:
        return Path(file).read_text(errors="replace")
    except OSError:
        return ""
