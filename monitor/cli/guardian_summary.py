"""``stakewarden guardian summary``: the account of a pause, for the report after the incident."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.failure import Failure
from monitor.cli.where import SettingsOption, settings_file


def summary(
    name: Annotated[str, typer.Argument(help="A decision's id or an incident's, or how either begins.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A file for it; stdout without.")] = None,
    settings: SettingsOption = None,
) -> None:
    """What happened around a pause, as Markdown, from the store alone: timeline, values, evidence, latencies, what was not seen, what is left open."""
    from monitor.cli.database import opened
    from monitor.cli.run import read
    from monitor.guardian.summary import Meaning, NotFound, find, written

    config = read(settings_file(settings))
    with opened(settings) as store, store.read() as unit:
        try:
            found = find(unit, name)
        except NotFound as wrong:
            raise Failure(str(wrong), code=1) from None
    text = written(found, Meaning.of(config.guardian, found.target), config.network.chain_id, time.time())
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, "utf-8")
    except OSError as error:
        raise Failure(f"{out} cannot be written: {error.strerror or error}") from None
    typer.echo(f"{out}: the pause of {found.target}")
