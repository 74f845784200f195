"""``stakewarden roles diff`` and ``stakewarden roles approve``."""

from __future__ import annotations

import asyncio
import getpass
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from monitor.chain import Execution, NoAgreement
from monitor.cli.failure import Failure
from monitor.cli.run import read
from monitor.cli.where import SettingsOption, settings_file
from monitor.collectors import baseline
from monitor.collectors.baseline import Approved, Difference, Holdings
from monitor.model import BlockStamp
from monitor.protocols.entries import BadEntry
from monitor.protocols.signals import ProtocolSources
from monitor.service.build import protocol_sources
from monitor.service.holders import read_holdings
from monitor.service.settings import BadSettings, Settings

app = typer.Typer(no_args_is_help=True)


@app.command()
def diff(settings: SettingsOption = None, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Compare who holds which role, and what stands behind each proxy, with the approved baseline."""
    config = read(settings_file(settings))
    found: list[Difference] = []
    unread: list[str] = []
    for source in _sources(config):
        held, failed, _ = _read(config, source)
        found += baseline.diff(_approved(config, source), held)
        unread += failed
    if as_json:
        plain = [{"contract": d.contract, "what": d.role, "account": d.account, "kind": d.kind, "was": d.note} for d in found]
        typer.echo(json.dumps({"differences": plain, "not_read": unread}, indent=1))
    else:
        for d in found:
            typer.echo(_line(d))
        for name in unread:
            typer.echo(f"{name}: could not be read")
        typer.echo(f"{len(found)} differences" + (f", {len(unread)} contracts could not be read" if unread else ""))
    if found or unread:
        raise typer.Exit(1)


@app.command()
def approve(
    note: Annotated[str, typer.Option("--note", help="Why this is right: it stands in the file beside each new entry.")],
    settings: SettingsOption = None,
    who: Annotated[str, typer.Option(help="Who approves.")] = "",
) -> None:
    """Write the chain's present state into the baseline file. Have the change reviewed like any other."""
    config = read(settings_file(settings))
    path = config.rules.baseline
    for source in _sources(config):
        held, failed, stamp = _read(config, source)
        if failed:
            raise Failure(f"not approved: {', '.join(failed)} could not be read at block {stamp.number}; try again", code=1)
        differences = baseline.diff(_approved(config, source), held)
        try:
            text = path.read_text("utf-8") if path.exists() else ""
            new = baseline.approve(text, config.network.chain_id, source.name, held, note, who or getpass.getuser(), datetime.now(UTC))
        except (BadEntry, ValueError) as wrong:
            raise Failure(str(wrong)) from None
        _write(path, new)
        for d in differences:
            typer.echo(_line(d))
        typer.echo(f"{path}: {len(differences)} differences approved, as of block {stamp.number} ({stamp.hash})")


def _write(path: Path, text: str) -> None:
    """All of it or nothing: half a baseline would approve nobody."""
    path = path.resolve()
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.write_text(text, "utf-8")
        beside.replace(path)
    except OSError as error:
        raise Failure(f"{path}: cannot be written ({error.strerror}): check path and mode", code=1) from None


def _sources(config: Settings) -> list[ProtocolSources]:
    try:
        return protocol_sources(config)
    except BadSettings as wrong:
        raise Failure(str(wrong)) from None


def _approved(config: Settings, source: ProtocolSources) -> Approved:
    if not config.rules.baseline.exists():
        return {}  # nothing was approved yet: `roles approve` makes the file
    try:
        return baseline.load(config.rules.baseline).of(config.network.chain_id, source.name)
    except BadEntry as wrong:
        raise Failure(str(wrong)) from None


def _read(config: Settings, source: ProtocolSources) -> tuple[Holdings, list[str], BlockStamp]:
    try:
        return asyncio.run(read_holdings(Execution(config.network), source))
    except NoAgreement as wrong:
        raise Failure(f"the chain cannot be read: {wrong}", code=1) from None


def _line(d: Difference) -> str:
    match d.kind:
        case "unapproved":
            return f"+ {d.contract} {d.role}: {d.account} holds it and is not approved"
        case "missing":
            return f"- {d.contract} {d.role}: {d.account} is approved and does not hold it" + (f" ({d.note})" if d.note else "")
    return f"~ {d.contract} {d.role}: {d.account}, approved is {d.note or 'nothing'}"
