"""``stakewarden db migrate | check | backup`` and ``stakewarden replay``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.exc import DBAPIError

from monitor.cli.failure import Failure
from monitor.cli.run import location, read
from monitor.cli.where import SettingsOption, settings_file
from monitor.service.replay import replay_journal
from monitor.store import Store, StoreError
from monitor.store.errors import said

app = typer.Typer(no_args_is_help=True)


@app.command()
def migrate(settings: SettingsOption = None) -> None:
    """Bring the database's schema to this version's."""
    with opened(settings) as store:
        typer.echo(f"{store.where} is at revision {store.migrate()}")


@app.command()
def check(settings: SettingsOption = None) -> None:
    """Say what is wrong with the database."""
    with opened(settings) as store:
        found = store.check()
        for line in found:
            typer.echo(line)
        typer.echo(f"{store.where}: {len(found)} problems")
    if found:
        raise typer.Exit(1)


@app.command()
def backup(path: Annotated[Path, typer.Argument(help="A new file.")], settings: SettingsOption = None) -> None:
    """Copy a SQLite database while it is used."""
    with opened(settings) as store:
        store.backup(path)
        typer.echo(f"{store.where} was copied to {path}")


def replay(settings: SettingsOption = None) -> None:
    """Judge the recorded frames again and see that the same transitions come out, byte for byte."""
    slot_seconds = read(settings_file(settings)).network.slot_seconds
    with opened(settings) as store, store.read() as unit:
        found = replay_journal(unit, slot_seconds)
    for line in found.differences:
        typer.echo(line)
    typer.echo(
        f"{found.moments} judged moments replayed, {found.transitions} transitions, {len(found.differences)} differences, digest {found.digest}"
    )
    if found.differences:
        raise typer.Exit(1)


@contextmanager
def opened(settings: Path | None) -> Iterator[Store]:
    """The database of the settings; what goes wrong with it, at any time, ends the command with one line."""
    try:
        with Store.open(location(settings_file(settings))) as store:
            try:
                yield store
            except DBAPIError as error:
                raise Failure(f"store {store.where}: {said(error)}; `stakewarden db check` says whether its schema fits", code=1) from None
    except StoreError as wrong:
        raise Failure(str(wrong), code=1) from None
