"""The work of ``stakewarden guardian replay``: responses over a library of incidents. It needs no endpoint, no database and no settings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from monitor.catalogue import SHIPPED, Catalogue
from monitor.cli.failure import Failure
from monitor.cli.run import read
from monitor.guardian.policy import BadPolicy, Policy, load_policy
from monitor.guardian.policy.cases import AnyTarget
from monitor.guardian.policy.earned import IN_TIME, KEPT, NOT_COUNTED, WRONG, text_of
from monitor.guardian.policy.incidents import ENDPOINTS
from monitor.guardian.policy.replay import NotReplayable, Outcome, Replay, report
from monitor.guardian.policy.replay import replay as judge
from monitor.rules import RuleFileErrors, RuleSet, load, render_problems
from monitor.service.settings import RulesSettings

LIBRARY = Path("rules/incidents")
EXPECTED = {"pause": "pause", "no_pause": "none", "either": "either"}


def replay(
    response: str | None,
    folder: Path | None,
    policy: Path | None,
    dirs: list[Path] | None,
    out: Path | None,
    settings: Path | None,
    as_json: bool,
) -> None:
    if out is not None and response is None:
        raise Failure("a report is about one response: name it before --out")
    files, operators = _files(settings, policy, dirs)
    responses, ruleset = _read(files, operators)
    try:
        done = judge(responses, ruleset, folder or LIBRARY, Catalogue(SHIPPED), response)
    except NotReplayable as wrong:
        raise Failure(str(wrong)) from None
    except RuleFileErrors as wrong:
        raise Failure("the library cannot be used:\n" + render_problems(wrong.problems, {})) from None
    if as_json:
        typer.echo(json.dumps(_plain(done), indent=1))
    else:
        _show(done)
    if out is not None and response is not None:
        _write(out, responses, ruleset, response, done, quiet=as_json)
    if done.wrong:
        raise typer.Exit(1)


def _files(settings: Path | None, policy: Path | None, dirs: list[Path] | None) -> tuple[RulesSettings, Mapping[str, str]]:
    """What is named; else what the settings name, where there are any; else the files of this folder. And who runs which endpoint."""
    files, operators = RulesSettings(), dict(ENDPOINTS)
    if (found := _settings(settings)) is not None:
        config = read(found)
        files, operators = config.rules, {e.name: e.run_by for e in config.network.execution}
    return files.model_copy(update={k: v for k, v in (("responses", policy), ("dirs", tuple(dirs or ()))) if v}), operators


def _settings(named: Path | None) -> Path | None:
    """The settings file, or None where there is none; an embedded chain's is not asked: its rules are those of this folder."""
    here = Path("settings.yaml")
    return named or (here if here.exists() else None)


def _read(files: RulesSettings, operators: Mapping[str, str]) -> tuple[Policy, RuleSet]:
    if missing := [str(p) for p in (files.responses, *files.dirs) if not p.exists()]:
        raise Failure(f"there is no {', '.join(missing)}: name them with --policy and --rules, or run this where rules/ is")
    try:
        # No chain: whether a response has earned what it may do is what a replay is for.
        return load_policy(files.responses, AnyTarget(), operators), load(files.dirs)
    except (BadPolicy, RuleFileErrors) as wrong:
        raise Failure("the files cannot be used:\n" + render_problems(wrong.problems, {})) from None


def _write(out: Path, policy: Policy, rules: RuleSet, name: str, done: Replay, *, quiet: bool) -> None:
    text = text_of(report(next(r for r in policy.responses if r.name == name), rules, done))
    try:
        out.write_text(text)
    except OSError as error:
        raise Failure(f"{out} cannot be written: {error.strerror or error}") from None
    if not quiet:
        typer.echo(f"earned: {{replay: {out.name}, sha256: {sha256(text.encode()).hexdigest()}}}")


def _plain(done: Replay) -> dict[str, Any]:
    return {
        "outcomes": {name: [asdict(o) for o in found] for name, found in done.outcomes.items()},
        "unanswered": [{"target": t, "cause": c, "incidents": list(names)} for (t, c), names in done.unanswered.items()],
    }


def _show(done: Replay) -> None:
    console = Console(highlight=False, soft_wrap=False)
    for name, found in done.outcomes.items():
        table = Table(box=None, pad_edge=False, title=name, title_justify="left")
        for column in ("incident", "record", "asked", "decided", "block", "verdict"):
            table.add_column(column, no_wrap=True)
        for o in sorted(found, key=_rank):
            table.add_row(
                o.incident, o.record, EXPECTED[o.expected], o.decided, "" if o.blocks is None else f"{o.blocks:+d}", _words(o.verdict)
            )
        console.print(table)
        typer.echo(_counted(found))
        for o in (o for o in found if o.wrong):
            typer.echo(f"  {o.incident}: {_words(o.verdict)}: {o.reason}")
        typer.echo()
    for (target, cause), names in done.unanswered.items():
        typer.echo(f"no response answers {cause} ({target}): {', '.join(names)}")


def _rank(o: Outcome) -> tuple[int, str]:
    """What is wrong first, then what had to pause, what fired and was held back, what stayed quiet, and what does not count."""
    return (0 if o.wrong else [IN_TIME, "held_back", "quiet", NOT_COUNTED].index(o.verdict) + 1), o.incident


def _counted(found: Iterable[Outcome]) -> str:
    said = list(found)

    def count(verdicts: Iterable[str]) -> int:
        return sum(o.verdict in set(verdicts) for o in said)

    held, scenarios = count(["held_back"]), sum(o.verdict in KEPT and o.record == "scenario" for o in said)
    return (
        f"{count([IN_TIME])} pauses in time; {count(KEPT)} times rightly none, {held} of them though the alert fired ({scenarios} are scenarios); "
        f"{count([NOT_COUNTED])} do not count; {count(WRONG)} wrong"
    )


def _words(verdict: str) -> str:
    return verdict.replace("_", " ")
