"""``stakewarden rules check`` and ``stakewarden rules test``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from monitor import rules
from monitor.alerts import BadRoutes, load_routes
from monitor.catalogue import SHIPPED, Catalogue
from monitor.cli.failure import Failure
from monitor.guardian.policy import BadPolicy, load_policy, replay
from monitor.guardian.policy import cases as policy_cases
from monitor.guardian.policy.incidents import read_library
from monitor.rules import Problem, RuleFileErrors, render_problems
from monitor.rules.unit_tests import Report, render_report
from monitor.rules.unit_tests import run as run_tests

app = typer.Typer(no_args_is_help=True)
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
PACKS = Path("rules/packs")
POLICIES = Path("rules/policy")
TESTS = Path("rules/tests")
INCIDENTS = Path("rules/incidents")


@app.command()
def check(
    paths: Annotated[list[Path] | None, typer.Argument(help="Rule files or folders; rules/packs and rules/policy by default.")] = None,
    block_seconds: Annotated[int, typer.Option(help="The chain's slot time: windows may not be shorter than two.")] = 12,
    as_json: JsonOption = False,
) -> None:
    """Find every mistake in rule files (and, by default, in routes, responses and incidents) before they ship."""
    chosen = paths or [PACKS]
    missing = [str(p) for p in chosen if not p.exists()]
    if missing:
        raise Failure(f"there is no {', '.join(missing)}: name rule files or folders")
    problems, sources = _check_rules(chosen, block_seconds)
    if not paths:
        problems += [*_check_policies(sources), *_check_incidents()]
    bad = rules.errors(problems)
    typer.echo(json.dumps([_plain(p) for p in problems], indent=1) if as_json else render_problems(problems, sources))
    if bad:
        raise typer.Exit(1)


@app.command("test")
def test(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Unit-test files (promtool's format), cases of responses, or folders; by default rules/tests, rules/policy, and the incidents."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run unit tests of rules, as promtool does, and the cases of responses (responses*.test.yaml), by the judge that runs live; then replay the incidents."""
    if missing := [str(p) for p in paths or [TESTS] if not p.exists()]:
        raise Failure(f"there is no {', '.join(missing)}: name test files or folders")
    chosen = [p for p in paths or [TESTS] if p != INCIDENTS]
    files = [f for p in chosen for f in (_tests_in(p) if p.is_dir() else [p])]
    files += [] if paths else sorted(POLICIES.glob(policy_cases.FILES))
    replayed = INCIDENTS.is_dir() and (not paths or INCIDENTS in paths)
    if not files and not replayed:
        raise Failure(f"there are no test files in {', '.join(map(str, paths or [TESTS]))}")
    report = _run_all(files, replayed=replayed)
    if as_json:
        failures = [{"file": f.span.file, "line": f.span.line, "test": f.test, "at": f.at, "what": f.what, "expected": str(f.expected), "got": str(f.got)}
                    for f in report.failures]  # fmt: skip
        typer.echo(json.dumps({"tests": report.tests, "failures": failures, "problems": [_plain(p) for p in report.problems]}, indent=1))
    else:
        typer.echo(render_report(report))
    if report.failures or report.problems:
        raise typer.Exit(1)


def _tests_in(folder: Path) -> list[Path]:
    """Everything of a folder of tests; beside responses only their cases."""
    return sorted(folder.glob(policy_cases.FILES)) or sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])


def _run_all(files: list[Path], *, replayed: bool) -> Report:
    """Rules' tests, responses' cases, and what the responses would have done in the incidents, as one report."""
    cases = [f for f in files if f.match(policy_cases.FILES)]
    parts = [run_tests([f for f in files if f not in cases], Catalogue(SHIPPED)), policy_cases.run(cases, Catalogue(SHIPPED))]
    if replayed:
        policies = [p for p in sorted(POLICIES.glob("responses*.yaml")) if not p.match(policy_cases.FILES)]
        parts.append(replay.run(policies, [PACKS], INCIDENTS, Catalogue(SHIPPED)))
    return Report(
        sum(r.tests for r in parts), tuple(f for r in parts for f in r.failures), tuple(p for r in parts for p in r.problems), parts[0].proven,
        {name: text for r in parts for name, text in r.sources.items()},
    )  # fmt: skip


def _check_rules(paths: list[Path], block_seconds: int) -> tuple[list[Problem], dict[str, str]]:
    sources = {str(f): f.read_text("utf-8", "replace") for f in rules.rule_files(paths)}
    try:
        found = rules.load(paths)
    except RuleFileErrors as wrong:
        return list(wrong.problems), sources
    return rules.check(found, Catalogue(SHIPPED), block_seconds=block_seconds), sources


def _check_policies(sources: dict[str, str]) -> list[Problem]:
    """Routes and responses of the shipped layout; receivers and targets are the settings' business, so any name is taken here."""
    problems: list[Problem] = []
    routes, responses = POLICIES / "routes.yaml", POLICIES / "responses.yaml"
    if routes.exists():
        sources[str(routes)] = routes.read_text("utf-8", "replace")
        try:
            load_routes(routes, _named(routes, "receiver"))
        except BadRoutes as wrong:
            problems += wrong.problems
    if responses.exists():
        sources[str(responses)] = responses.read_text("utf-8", "replace")
        try:
            load_policy(responses, dict.fromkeys(_named(responses, "target"), "pauseFor"), {"a": "a", "b": "b", "c": "c"})
        except BadPolicy as wrong:
            problems += wrong.problems
    return problems


def _check_incidents() -> list[Problem]:
    try:
        if INCIDENTS.is_dir():
            read_library(INCIDENTS)
    except RuleFileErrors as wrong:
        return list(wrong.problems)
    return []


def _named(path: Path, key: str) -> set[str]:
    """Every value of a key, wherever it stands: which receivers and targets there are is for the settings to say."""

    def found(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            for name, value in node.items():
                if name == key:
                    yield from map(str, value if isinstance(value, list) else [value])
                yield from found(value)
        elif isinstance(node, list):
            for value in node:
                yield from found(value)

    try:
        return set(found(yaml.safe_load(path.read_text("utf-8"))))
    except (yaml.YAMLError, UnicodeError):
        return set()


def _plain(p: Problem) -> dict[str, Any]:
    return {"file": p.span.file, "line": p.span.line, "column": p.span.column, "level": p.level, "code": p.code, "message": p.message, "rule": p.rule}  # fmt: skip
