"""The command line. Exit codes: 0 fine, 1 a finding, 2 wrong use. Results go to stdout, logs to stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from monitor import __version__
from monitor.cli.failure import Failure
from monitor.cli.logs import configure

COMMANDS: dict[str, tuple[str, str, str]] = {
    "run": ("run", "run", ""),
    "doctor": ("doctor", "doctor", ""),
    "devnet": ("chain", "devnet", ""),
    "drill": ("chain", "drill", ""),
    "replay": ("database", "replay", ""),
    "history": ("history", "history", ""),
    "alerts": ("alerts", "app", "Open incidents: list and acknowledge."),
    "deliveries": ("deliveries", "app", "Messages owed to receivers: list, and send again what was given up."),
    "silences": ("alerts", "silences", "Mute alerts for a bounded time."),
    "rules": ("rules", "app", "Check and test rule files."),
    "dashboards": ("dashboards", "app", "Check Grafana's dashboards and put them there."),
    "roles": ("roles", "app", "Compare who holds which role with the approved baseline."),
    "guardian": ("guardian", "app", "Readiness, pausing by hand, and calldata."),
    "db": ("database", "app", "Migrate, check and back up the database."),
    "config": ("run", "config", "Check a settings file."),
}
"""Command to module, name in it, and help for a group: only the module of the command that is called is imported."""

PANELS = {
    "Watch": ("run", "doctor", "config"),
    "Respond": ("alerts", "silences", "deliveries", "guardian"),
    "Write rules": ("rules", "roles", "history", "dashboards"),
    "Keep": ("db", "replay", "version"),
    "Practise": ("devnet", "drill"),
}
"""How ``--help`` groups the commands, by what one wants to do, and in which order."""
BEGIN = "\n\n".join((
    "Begin here: `stakewarden run` without settings starts an embedded chain and watches it; `stakewarden drill unbacked-mint --hold 120` in another terminal shows an incident.",
    "On mainnet: copy settings.example.yaml to settings.yaml, then `stakewarden config check settings.yaml`, `stakewarden doctor`, `stakewarden run`.",
    "`stakewarden COMMAND --help` tells more; docs/commands.md tells all.",
))  # fmt: skip


class InOrder(TyperGroup):
    """Commands in the order of ``PANELS``."""

    def list_commands(self, _: object) -> list[str]:
        return [name for names in PANELS.values() for name in names if name in self.commands]


def application(only: str | None = None) -> typer.Typer:
    """The command line, or as much of it as the command ``only`` needs: importing everything takes seconds on a busy machine."""
    found = typer.Typer(
        name="stakewarden",
        cls=InOrder,
        help="Watches liquid staking on Ethereum, judges by YAML rules, alerts, and can pause.",
        epilog=BEGIN,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    found.callback()(_every_command)
    wanted = [only] if only in COMMANDS else [] if only == "version" else list(COMMANDS)
    for name in wanted:
        module, attribute, words = COMMANDS[name]
        what: Any = getattr(import_module(f"monitor.cli.{module}"), attribute)
        if isinstance(what, typer.Typer):
            found.add_typer(what, name=name, help=words, rich_help_panel=_panel(name))
        else:
            found.command(name, rich_help_panel=_panel(name))(what)
    found.command("version", rich_help_panel=_panel("version"))(version)
    return found


def _panel(name: str) -> str:
    return next((panel for panel, names in PANELS.items() if name in names), "Commands")


def _every_command() -> None:
    """Watches liquid staking on Ethereum, judges by YAML rules, alerts, and can pause."""
    configure()


def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """Entry point of the ``stakewarden`` command."""
    called = sys.argv[1] if len(sys.argv) > 1 else None
    start: Callable[[], None] = application(called)
    try:
        start()
    except Failure as failure:
        typer.echo(f"stakewarden: {failure}", err=True)
        sys.exit(failure.code)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
