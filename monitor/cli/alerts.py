"""``stakewarden alerts list | ack`` and ``stakewarden silences add | list | end``: what responders do. The running service takes it up within a second."""

from __future__ import annotations

import getpass
import json
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from sqlalchemy.exc import DBAPIError

from monitor.alerts import Book, CommandRefused, active_silences, open_incidents
from monitor.cli.failure import Failure
from monitor.cli.run import location, read
from monitor.cli.where import SettingsOption, settings_file
from monitor.model import Acknowledge, Silence
from monitor.service.build import book_of
from monitor.service.settings import BadSettings
from monitor.store import Store, StoreError, Unit
from monitor.store.errors import said

app = typer.Typer(no_args_is_help=True)
silences = typer.Typer(no_args_is_help=True)
T = TypeVar("T")
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
WhoOption = Annotated[str, typer.Option(help="Who; your login name by default.")]
_SPAN = re.compile(r"^(\d+)([smhd])$")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@app.command("list")
def list_open(settings: SettingsOption = None, as_json: JsonOption = False) -> None:
    """The open incidents with their alerts."""
    found = with_store(settings, lambda _, unit: open_incidents(unit, time.time()), write=False)
    lines = [
        (i.id, sorted(m.episode.state + " " + dict(m.episode.labels).get("alertname", "") for m in i.members.values()), i.acknowledged_by)
        for i in found
    ]
    if as_json:
        typer.echo(json.dumps([{"incident": i, "alerts": a, "acknowledged_by": who} for i, a, who in lines], indent=1))
        return
    for incident, alerts, who in lines:
        typer.echo(f"{incident}  {', '.join(alerts)}" + (f"  (acknowledged by {who})" if who else ""))
    typer.echo(f"{len(lines)} open incidents")


@app.command()
def ack(
    incident: Annotated[str, typer.Argument(help="The incident's id, or its beginning as in the message.")],
    settings: SettingsOption = None,
    who: WhoOption = "",
    why: Annotated[str, typer.Option(help="What you are doing about it.")] = "",
) -> None:
    """Say that you have taken an incident: it is written into its message, and reminders stop."""

    def work(book: Book, unit: Unit) -> str:
        matching = [i.id for i in open_incidents(unit, time.time()) if i.id.startswith(incident)]
        if len(matching) != 1:
            raise CommandRefused(f"{len(matching)} open incidents begin with {incident!r}: see `stakewarden alerts list`")
        book.acknowledge(unit, Acknowledge(matching[0], who or getpass.getuser(), time.time(), why))
        return matching[0]

    typer.echo(f"acknowledged {with_store(settings, work)}")


@silences.command("add")
def add(
    matchers: Annotated[list[str], typer.Argument(help='Matchers, such as alertname="LidoQueueFlood" protocol="lido".')],
    lasting: Annotated[str, typer.Option("--for", help="How long: 90s, 30m, 2h, 1d.")],
    why: Annotated[str, typer.Option(help="Why; it stands in the messages.")],
    settings: SettingsOption = None,
    who: WhoOption = "",
) -> None:
    """Mute alerts that all matchers match, for a bounded time. Pauses are not muted by it."""
    span = _SPAN.match(lasting)
    if span is None:
        raise Failure(f"--for {lasting!r} is not a length of time: write 90s, 30m, 2h or 1d")
    now, identity = time.time(), str(uuid.uuid4())
    until = now + int(span[1]) * _SECONDS[span[2]]
    silence = Silence(identity, tuple(matchers), who or getpass.getuser(), now, until, why)
    with_store(settings, lambda book, unit: book.silence(unit, silence))
    typer.echo(f"{identity} until {datetime.fromtimestamp(until, UTC):%Y-%m-%d %H:%M:%S} UTC")


@silences.command("list")
def list_silences(settings: SettingsOption = None, as_json: JsonOption = False) -> None:
    """The silences that hold now."""
    found = with_store(settings, lambda _, unit: active_silences(unit.conn, time.time()), write=False)
    if as_json:
        typer.echo(json.dumps([asdict(s) for s in found], indent=1, default=str))
        return
    for s in found:
        typer.echo(
            f"{s.id}  {' '.join(map(str, s.matchers))}  until {datetime.fromtimestamp(s.until, UTC):%Y-%m-%d %H:%M:%S} UTC  {s.who}: {s.why}"
        )
    typer.echo(f"{len(found)} silences")


@silences.command("end")
def end(
    silence: Annotated[str, typer.Argument(help="The silence's id.")],
    settings: SettingsOption = None,
    who: WhoOption = "",
) -> None:
    """End a silence now."""
    with_store(settings, lambda book, unit: book.end_silence(unit, silence, who or getpass.getuser(), time.time()))
    typer.echo(f"ended {silence}")


def with_store(settings: Path | None, work: Callable[[Book, Unit], T], *, write: bool = True) -> T:
    """Run ``work`` in one transaction of the service's database. Raises Failure."""
    path = settings_file(settings)
    config = read(path)
    try:
        book = book_of(config)
        with Store.open(location(path)) as store, store.begin() if write else store.read() as unit:
            return work(book, unit)
    except DBAPIError as error:
        raise Failure(f"the database of {path}: {said(error)}; `stakewarden db check` says whether its schema fits", code=1) from None
    except (StoreError, CommandRefused, BadSettings) as wrong:
        raise Failure(str(wrong), code=1) from None
