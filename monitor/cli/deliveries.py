"""``stakewarden deliveries list | retry``: messages that a receiver has not accepted, and sending again what was given up."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from monitor.alerts import Book
from monitor.alerts.again import Message, again, messages
from monitor.cli.alerts import JsonOption, with_store
from monitor.cli.failure import Failure
from monitor.cli.where import SettingsOption
from monitor.store import Unit

app = typer.Typer(no_args_is_help=True)
ReceiverOption = Annotated[str | None, typer.Option(help="Only those of this receiver.")]


@app.command("list")
def list_owed(
    settings: SettingsOption = None,
    receiver: ReceiverOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Also those that were accepted or replaced.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Messages that were not accepted yet: owed, of unknown outcome, or given up (dead). The newest 200, newest first."""
    found = with_store(settings, lambda _, unit: messages(unit, receiver, settled=everything), write=False)
    if as_json:
        typer.echo(json.dumps([asdict(m) for m in found], indent=1))
        return
    for message in found:
        typer.echo(_line(message))
    dead = sum(m.state == "dead" for m in found)
    typer.echo(f"{len(found)} messages" + (f", {dead} given up: mend what they say, then `stakewarden deliveries retry`" if dead else ""))


@app.command()
def retry(
    deliveries: Annotated[list[str] | None, typer.Argument(help="Ids, or their beginnings as listed; all dead ones by default.")] = None,
    settings: SettingsOption = None,
    receiver: ReceiverOption = None,
    unsure: Annotated[bool, typer.Option("--unsure", help="Also those of unknown outcome that are named: they may come twice.")] = False,
) -> None:
    """Send again what was given up (dead). A message that a newer one has replaced is not sent."""

    def work(_: Book, unit: Unit) -> tuple[list[str], list[str]]:
        known = messages(unit, receiver, most=10_000)
        chosen = _chosen(known, deliveries, unsure) if deliveries else [m.id for m in known if m.state == "dead"]
        return again(unit, chosen, time.time())

    owed, replaced = with_store(settings, work)
    typer.echo(f"{len(owed)} messages are owed again" + (f"; {len(replaced)} were replaced by newer ones meanwhile" if replaced else ""))


def _chosen(known: list[Message], beginnings: list[str], unsure: bool) -> list[str]:
    """The ids that are meant. Raises Failure when one is not clear, or is not to be sent again."""
    found: list[str] = []
    for beginning in beginnings:
        matching = [m for m in known if m.id.startswith(beginning)]
        if len(matching) != 1:
            raise Failure(f"{len(matching)} messages that wait begin with {beginning!r}: see `stakewarden deliveries list`", code=1)
        (message,) = matching
        if message.state == "unsure" and not unsure:
            raise Failure(
                f"{message.id[:8]} may have been accepted: look into {message.receiver}, and add --unsure if it is not there", code=1
            )
        if message.state not in ("dead", "unsure"):
            raise Failure(f"{message.id[:8]} is {message.state}: it is sent by itself", code=1)
        found.append(message.id)
    return found


def _line(message: Message) -> str:
    owed = datetime.fromtimestamp(message.owed_at, UTC)
    tried = f"{message.attempts} attempts" if message.attempts != 1 else "1 attempt"
    said = f": {message.error}" if message.error else ""
    return f"{message.id[:8]}  {message.state:10}  {message.receiver}  {message.kind:6}  {owed:%Y-%m-%d %H:%M:%S} UTC  {message.title}  ({tried}{said})"
