"""The command line. Exit codes: 0 fine, 1 a finding, 2 wrong use. Results go to stdout, logs to stderr."""

from __future__ import annotations

import sys

import typer

from monitor import __version__
from monitor.cli import alerts, chain, database, guardian, roles, rules, run
from monitor.cli.failure import Failure
from monitor.cli.logs import configure

app = typer.Typer(
    name="stakewarden",
    help="Watches liquid staking on Ethereum, judges by YAML rules, alerts, and can pause.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("run")(run.run)
app.command("devnet")(chain.devnet)
app.command("drill")(chain.drill)
app.command("replay")(database.replay)
app.add_typer(alerts.app, name="alerts", help="Open incidents: list and acknowledge.")
app.add_typer(alerts.silences, name="silences", help="Mute alerts for a bounded time.")
app.add_typer(rules.app, name="rules", help="Check and test rule files.")
app.add_typer(roles.app, name="roles", help="Compare who holds which role with the approved baseline.")
app.add_typer(guardian.app, name="guardian", help="Readiness, pausing by hand, and calldata.")
app.add_typer(database.app, name="db", help="Migrate, check and back up the database.")
app.add_typer(run.config, name="config", help="Check a settings file.")


@app.callback()
def _every_command() -> None:
    """Watches liquid staking on Ethereum, judges by YAML rules, alerts, and can pause."""
    configure()


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """Entry point of the ``stakewarden`` command."""
    try:
        app()
    except Failure as failure:
        typer.echo(f"stakewarden: {failure}", err=True)
        sys.exit(failure.code)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
