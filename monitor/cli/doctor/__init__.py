"""``stakewarden doctor``: one line for each thing that the service needs, with the remedy. It changes nothing and sends nothing."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import structlog
import typer

from monitor.cli.doctor.around import around
from monitor.cli.doctor.consensus import beacon
from monitor.cli.doctor.contracts import contracts, guardian
from monitor.cli.doctor.execution import endpoints
from monitor.cli.doctor.finding import Finding, note, ok, told
from monitor.cli.run import load, read, with_database
from monitor.cli.where import SettingsOption, settings_file
from monitor.model.secret_settings import exposed
from monitor.service.build import Parts
from monitor.service.settings import Settings


def doctor(
    settings: SettingsOption = None,
    states: Annotated[
        bool, typer.Option("--states", help="Take a whole beacon state from each node, and compare them: some 300 MB each.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Examine all that the service needs: endpoints, beacon nodes, contracts, roles, the brake, receivers, the database. Changes nothing."""
    path = settings_file(settings)
    # The clients log what goes wrong as it comes; here each finding is said once, as a line.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with TemporaryDirectory(prefix="stakewarden-") as aside:
        # A database that is down is a finding like others, so the parts are made with another one.
        parts = load(path, lambda s: with_database(s, Path(aside)))
        parts.store.close()
    found = [
        ok("settings", f"{path}: {len(parts.setup.ruleset)} rules, {len(parts.receivers)} receivers"),
        *(note("secrets", *line.split(": ", 1)) for line in exposed(parts.settings)),
        *asyncio.run(_examine(read(path), parts, states)),
    ]
    typer.echo(json.dumps([asdict(f) for f in found], indent=1) if as_json else "\n".join(told(found)))
    if any(f.state == "wrong" for f in found):
        raise typer.Exit(1)


async def _examine(settings: Settings, parts: Parts, states: bool) -> list[Finding]:
    """Everything, side by side where it asks different ends. ``settings``: those of the file; the parts have another database."""
    seen, consensus = await asyncio.gather(endpoints(settings.network), beacon(settings.network, whole=states))
    brake, outside = await asyncio.gather(guardian(settings), around(settings, parts.receivers))
    return [*seen, *consensus, *await contracts(settings), *brake, *outside]
