"""``stakewarden run`` and ``stakewarden config check``."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from pydantic import SecretStr

from monitor.cli.failure import Failure
from monitor.cli.logs import configure
from monitor.devnet.place import FOLDER, Devnet
from monitor.model.secrecy import hold_settings
from monitor.service import settings as service_settings
from monitor.service.build import Parts, build
from monitor.service.life import CannotStart, Service
from monitor.service.settings import BadSettings, Settings
from monitor.store import StoreError
from monitor.store.engine import make_engine, parse

DEFAULT = Path("settings.yaml")
SettingsOption = Annotated[
    Path | None,
    typer.Option("--settings", "-s", help="Settings file; settings.yaml in this folder if it is there, else the embedded chain."),
]


def run(
    settings: SettingsOption = None,
    port: Annotated[int, typer.Option(help="Port of the status page, on the embedded chain.", min=1, max=65535)] = 8787,
    verbose: Annotated[bool, typer.Option(help="More logs.")] = False,
) -> None:
    """Watch, judge, alert. Without settings: start an embedded chain and watch that."""
    configure(verbose)
    path = settings or (DEFAULT if DEFAULT.exists() else None)
    if path is not None:
        serve(load(path))
        return
    _see_that_it_is_free(port)
    child = _start_devnet(port)
    try:
        devnet = Devnet.read(FOLDER)
        parts = load(Path(devnet.folder) / "settings.yaml")
        serve(parts, _what_to_try(devnet))
    finally:
        child.terminate()
        child.wait(10)


def load(path: Path, adapt: Callable[[Settings], Settings] = lambda settings: settings) -> Parts:
    """Settings and everything they name, checked. ``adapt``: what is to be changed in them before. Raises Failure."""
    try:
        return build(adapt(read(path)))
    except BadSettings as wrong:
        raise Failure("\n".join(["the settings cannot be used:", *(f"  {p}" for p in wrong.problems)])) from None
    except StoreError as wrong:
        raise Failure(str(wrong)) from None


def with_database(settings: Settings, folder: Path) -> Settings:
    """The settings with an empty database in that folder: for who wants the parts, and no database."""
    store = settings.store.model_copy(update={"url": SecretStr(f"sqlite:///{folder / 'aside.sqlite3'}"), "url_file": None})
    return settings.model_copy(update={"store": store})


def missing_file(url: str) -> Path | None:
    """The file of a SQLite database that is not there yet, and could be made. Raises store errors."""
    parsed = parse(url)
    if parsed.get_backend_name() != "sqlite" or Path(str(parsed.database)).exists():
        return None
    make_engine(parsed).dispose()  # says what hinders, such as a folder that is not there; it opens nothing yet
    return Path(str(parsed.database))


def read(path: Path) -> Settings:
    """The settings file alone. Raises Failure."""
    try:
        found = service_settings.load(path)
        hold_settings(found)
        return found
    except BadSettings as wrong:
        raise Failure("\n".join(["the settings cannot be used:", *(f"  {p}" for p in wrong.problems)])) from None


def location(path: Path) -> str:
    """The database of a settings file. Raises Failure."""
    try:
        return read(path).store.location()
    except BadSettings as wrong:
        raise Failure("\n".join(["the settings cannot be used:", *(f"  {p}" for p in wrong.problems)])) from None


def serve(parts: Parts, greeting: str = "") -> None:
    """Run until told to stop. Raises Failure when it cannot start."""
    try:
        asyncio.run(Service(parts).run(lambda: typer.echo(greeting) if greeting else None))
    except CannotStart as wrong:
        raise Failure(str(wrong), code=1) from None
    except StoreError as wrong:
        raise Failure(str(wrong), code=1) from None


def _start_devnet(port: int) -> subprocess.Popen[bytes]:
    """The chain runs in a process of its own: it is not ours to slow down, and it survives a crash of the service."""
    typer.echo("starting the embedded chain (compiling its contracts the first time) ...")
    command = [sys.executable, "-m", "monitor.cli", "devnet", "--port", str(port), "--with-parent"]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 180
    while not _told_by(child.pid):
        if child.poll() is not None or time.monotonic() > deadline:
            child.kill()
            raise Failure("the embedded chain did not start: its reason stands above", code=1)
        time.sleep(0.05)
    return child


def _told_by(pid: int) -> bool:
    """Whether that process has written where everything is; what stands there before is another's."""
    try:
        return Devnet.read(FOLDER).pid == pid
    except FileNotFoundError:
        return False


def _see_that_it_is_free(port: int) -> None:
    """Before the chain is started, which takes a while. Raises Failure."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        raise Failure(
            f"the page cannot be served at port {port} ({os.strerror(error.errno or 0)}): choose another one, such as `make run PORT={port + 1}`",
            code=1,
        ) from None


def _what_to_try(devnet: Devnet) -> str:
    return f"""
Stakewarden watches the embedded chain.

  status page   {devnet.web}/            (also /readyz, /healthz, /metrics, /api/status)
  Slack inbox   {devnet.inbox}/       what responders would read
  annotations   {devnet.grafana}/       what Grafana would show on its charts
  files         {devnet.folder}/  (page.token: what to sign in with on the page)

Try in another terminal:

  .venv/bin/stakewarden drill unbacked-mint --hold 120      an incident that leads to an automatic pause
  .venv/bin/stakewarden drill --list                        the others
  .venv/bin/stakewarden guardian status                     would a pause work right now?

Ctrl-C ends it all.
"""


config = typer.Typer(no_args_is_help=True)


@config.callback()
def _config() -> None:
    """Check a settings file."""


@config.command("check")
def check(settings: Annotated[Path, typer.Argument(help="Settings file.")]) -> None:
    """Check a settings file and every file it names; nothing is started."""
    with TemporaryDirectory(prefix="stakewarden-") as aside:
        parts = load(settings, lambda s: with_database(s, Path(aside)) if missing_file(s.store.location()) else s)
        parts.store.close()
    typer.echo(f"{settings}: fine: {len(parts.setup.ruleset)} rules, {len(parts.collectors)} collectors, {len(parts.receivers)} receivers")
    for line in parts.uncovered:
        typer.echo(f"not covered: {line}")
