"""``stakewarden devnet`` and ``stakewarden drill``: the embedded chain and its scripted incidents."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.failure import Failure
from monitor.devnet.anvil import AnvilFailed, AnvilMissing
from monitor.devnet.drills import DRILLS, Ground, NotReady, Outcome, rehearse
from monitor.devnet.embedded import VALIDATORS, Embedded, Occupied, drilling
from monitor.devnet.place import FOLDER, Devnet


def devnet(
    folder: Annotated[Path, typer.Option(help="Where its files are written.")] = FOLDER,
    port: Annotated[int, typer.Option(help="Port of the service's status page, for the settings that are written.")] = 8787,
    store: Annotated[str, typer.Option(help="Database of the service; a SQLite file in the folder by default.")] = "",
    validators: Annotated[
        int, typer.Option(help="Validators of the beacon chain, Lido's 1,500 among them.", min=1500, max=2_000_000)
    ] = VALIDATORS,
    with_parent: Annotated[bool, typer.Option("--with-parent", hidden=True)] = False,
) -> None:
    """Start the embedded chain alone: anvil, stand-ins, three endpoints, three beacon nodes, and the Slack inbox."""
    try:
        asyncio.run(_devnet(folder, port, store or None, validators, with_parent))
    except (AnvilMissing, AnvilFailed, Occupied) as wrong:
        raise Failure(str(wrong), code=1) from None


async def _devnet(folder: Path, port: int, store: str | None, validators: int, with_parent: bool) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    running = await Embedded.start(folder, web_port=port, store_url=store, validators=validators)
    typer.echo(f"the embedded chain runs; settings: {running.folder / 'settings.yaml'}, inbox: {running.inbox.url}/")
    tasks = [asyncio.create_task(running.live())]
    if with_parent:
        tasks.append(asyncio.create_task(_until_orphaned(os.getppid(), stopping)))
    await stopping.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await running.stop()


async def _until_orphaned(parent: int, stopping: asyncio.Event) -> None:
    """A killed parent cannot say goodbye: the chain must not outlive it."""
    while os.getppid() == parent:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await stopping.wait()
                return
    stopping.set()


def drill(
    name: Annotated[str, typer.Argument(help="The drill's name; see --list.")] = "",
    listed: Annotated[bool, typer.Option("--list", help="List all drills.")] = False,
    hold: Annotated[float, typer.Option(help="Seconds to leave it as it is before it is put right: time to look at the page.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
    folder: Annotated[Path, typer.Option(help="The devnet's folder.")] = FOLDER,
) -> None:
    """Play a scripted incident on the embedded chain and see that exactly the expected alerts and pauses come."""
    if listed or not name:
        for each in DRILLS.values():
            typer.echo(f"{each.name:20} {each.about}")
        return
    if name not in DRILLS:
        from monitor.catalogue.catalogue import nearest

        close = nearest(name, DRILLS)
        raise Failure(f'there is no drill "{name}"' + (f'; did you mean "{close}"?' if close else "; see stakewarden drill --list"))
    found = _running(folder)
    with drilling(folder) as free:
        if not free:
            raise Failure("another drill is being played: wait until it ends", code=1)
        outcome = _played(name, found, as_json, hold)
    typer.echo(json.dumps(outcome.as_json(), indent=1) if as_json else outcome.as_text())
    if outcome.problems:
        raise typer.Exit(1)


def _running(folder: Path) -> Devnet:
    """The devnet of that folder. Raises Failure when there is none, or its process is gone."""
    try:
        found = Devnet.read(folder)
        os.kill(found.pid, 0)
    except (FileNotFoundError, ProcessLookupError):
        raise Failure(f"no embedded chain runs in {folder}: start one with `make run`") from None
    except (OSError, ValueError, TypeError) as error:
        raise Failure(
            f"{folder / 'devnet.json'} cannot be used ({type(error).__name__}): start the embedded chain anew with `make run`"
        ) from None
    return found


def _played(name: str, found: Devnet, quiet: bool, hold: float) -> Outcome:
    say = (lambda _: None) if quiet else typer.echo
    try:
        with Ground.on(found) as ground:
            return rehearse(DRILLS[name], ground, say, hold)
    except NotReady as wrong:
        raise Failure(str(wrong), code=1) from None
