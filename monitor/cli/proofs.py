"""The work behind ``monitor.cli.decisions``: it needs the whole service, which a person who only wants to pause must not wait for."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import typer
from sqlalchemy import select
from sqlmodel import col

from monitor.catalogue import SHIPPED, Catalogue
from monitor.cli.database import opened
from monitor.cli.failure import Failure
from monitor.cli.run import read
from monitor.cli.where import settings_file
from monitor.guardian import shadow
from monitor.guardian.policy.cases import read_cases
from monitor.guardian.policy.check import check as check_policy
from monitor.guardian.policy.check import check_proofs
from monitor.guardian.policy.earned import text_of
from monitor.guardian.policy.sources import Readers
from monitor.guardian.shadow import NoReport, Wanted
from monitor.guardian.verify import NotVerified
from monitor.guardian.verify import verify as recompute
from monitor.rules import Problem, RuleFileErrors, errors, recorded_families, render_problems
from monitor.service.build import Grounds, grounds
from monitor.service.settings import BadSettings, Settings
from monitor.store.tables.decisions import DecisionRow

CASES = "responses.test.yaml"


def evidence(decision: str, out: Path | None, settings: Path | None) -> None:
    with opened(settings) as store, store.read() as unit:
        wanted = col(DecisionRow.pause).startswith(decision) | col(DecisionRow.digest).startswith(decision)
        rows = unit.conn.execute(select(col(DecisionRow.digest), col(DecisionRow.document)).where(wanted)).all()
    if len(rows) != 1:
        known = ", ".join(row.digest for row in rows)
        raise Failure(
            f"several decisions begin so: {known}" if rows else f"no decision {decision} has a document: see `guardian status`", code=1
        )
    (row,) = rows
    if out == Path("-"):
        typer.echo(row.document, nl=False)
        return
    path = out or Path("decision.json")
    path.write_bytes(row.document.encode())
    typer.echo(f"{path}: decision {row.digest}")


def verify(document: Path, decision: str | None, files: Mapping[str, Any], settings: Path | None, as_json: bool) -> None:
    found = _grounds(settings, files)
    try:
        raw = document.read_bytes()
    except OSError as error:
        raise Failure(f"{document} cannot be read: {error.strerror or error}") from None
    try:
        done = recompute(raw, found.ground, found.ruleset, found.policy)
        if decision is not None and done.digest != decision.lower():
            raise NotVerified((f"its hash is {done.digest}, {decision} was signed",))
    except NotVerified as wrong:
        if as_json:
            typer.echo(json.dumps({"verified": False, "reasons": list(wrong.reasons)}, indent=1))
        raise Failure("\n  ".join(["the decision does not hold:", *wrong.reasons]), code=1) from None
    if as_json:
        typer.echo(json.dumps({"verified": True, **asdict(done)}, indent=1))
        return
    typer.echo(f"decision {done.digest} holds: {done.response} pauses {done.target} at block {done.block} ({done.block_hash})")
    typer.echo(f"rule {done.rule}; {done.inputs} answers of contracts decoded, {done.samples} samples, both conditions evaluated again")


def check(settings: Path | None, as_json: bool) -> None:
    found = _grounds(settings)
    shown, problems = cases_shown(found.responses)
    problems = [*problems, *find(found, shown)]
    sources = {str(found.responses): found.policy.text}
    plain = [{"line": p.span.line, "column": p.span.column, "level": p.level, "code": p.code, "message": p.message} for p in problems]
    typer.echo(json.dumps(plain, indent=1) if as_json else render_problems(problems, sources))
    if errors(problems):
        raise typer.Exit(1)


def shadow_report(
    response: str, out: Path | None, days: int, right: list[int], wrong: list[int], settings: Path | None, as_json: bool
) -> None:
    config, found = _settings(settings), _grounds(settings)
    now = int(time.time())
    wanted = Wanted(response, config.network.chain_id, now - (days + 1) * 86_400, now, right, wrong)
    operators = {e.name: e.run_by for e in config.network.execution}
    try:
        with opened(settings) as store, store.read() as unit:
            report = shadow.shadow_report(unit, found.policy, found.ruleset, operators, wanted)
    except NoReport as nothing:
        raise Failure(str(nothing), code=1) from None
    text = text_of(report)
    if out is not None:
        out.write_text(text)
    typer.echo(text if as_json else "\n".join(_lines(report)), nl=not as_json)
    if out is not None and not as_json:
        typer.echo(f"earned: {{report: {out.name}, sha256: {sha256(text.encode()).hexdigest()}}}")


def cases_shown(responses: Path) -> tuple[frozenset[tuple[str, str]], list[Problem]]:
    """What the cases beside a responses file show, and what is wrong with them; nothing is shown where there are none."""
    path = responses.parent / CASES
    if not path.exists():
        return frozenset(), []
    try:
        return read_cases(path).shown, []
    except RuleFileErrors as wrong:
        return frozenset(), list(wrong.problems)


def find(found: Grounds, shown: frozenset[tuple[str, str]] | None) -> list[Problem]:
    """The policy's problems, against the collectors that run with these settings."""
    shipped = Catalogue(SHIPPED)
    catalogue = shipped.extended(recorded_families(found.ruleset, shipped))
    problems = check_policy(found.policy, found.ruleset, catalogue, Readers.of(found.ground.collectors), shown)
    return [*problems, *check_proofs(found.policy, found.ruleset, shipped, found.responses.parent)]


def _lines(report: Mapping[str, Any]) -> list[str]:
    days, watched = report["seconds"] / 86_400, report["judged_seconds"] * 100 // max(1, report["seconds"])
    counted = {verdict: sum(p["verdict"] == verdict for p in report["pauses"]) for verdict in ("true", "false", "open")}
    lines = [f"{report['response']} on chain {report['chain']}: {days:.1f} days, {watched} % of them judged"]
    lines.append(f"{len(report['pauses'])} pauses: {counted['true']} right, {counted['false']} false, {counted['open']} nobody has judged")
    for p in report["pauses"]:
        held = "goes on" if p["seconds"] is None else f"{p['seconds']} s"
        lines.append(f"  block {p['block']} at {p['timestamp']}: {p['target']}, cause {held}, {p['verdict']}; decision {p['decision']}")
    return lines


def _settings(path: Path | None) -> Settings:
    config = read(settings_file(path))
    if config.guardian is None:
        raise Failure("the settings have no guardian: nothing is decided")
    return config


def _grounds(path: Path | None, rules: Mapping[str, Any] | None = None) -> Grounds:
    config = _settings(path)
    if rules:
        config = config.model_copy(update={"rules": config.rules.model_copy(update=dict(rules))})
    try:
        return grounds(config)
    except BadSettings as wrong:
        raise Failure("\n  ".join(["the files cannot be used:", *wrong.problems])) from None
