"""``stakewarden dashboards check | push``: the files in ``dashboards/``, and a Grafana."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from monitor import __version__, rules
from monitor.catalogue import SHIPPED, Catalogue
from monitor.cli.failure import Failure
from monitor.cli.run import read
from monitor.cli.where import settings_file
from monitor.dashboards import problems
from monitor.dashboards.push import Folder, Outcome, ask_source, ensure_source, push
from monitor.model import Refused, Unavailable, Unsure
from monitor.receivers.grafana import GrafanaSettings
from monitor.receivers.grafana_port import GrafanaPort
from monitor.rules import RuleFileErrors

app = typer.Typer(no_args_is_help=True)
FOLDER = Path("dashboards")
PACKS = Path("rules/packs")
FolderArgument = Annotated[Path | None, typer.Argument(help="Folder with dashboards as JSON files; dashboards by default.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def check(folder: FolderArgument = None, as_json: JsonOption = False) -> None:
    """Compare every expression and legend with the metrics that exist, and every panel with its place. Asks no Grafana."""
    boards, catalogue = _boards(folder or FOLDER), _catalogue()
    found = {name: problems(board, catalogue) for name, board in boards.items()}
    if as_json:
        typer.echo(json.dumps(found, indent=1))
    else:
        for name, lines in found.items():
            typer.echo("\n".join([f"{name}: {len(lines) or 'no'} problem{'s' * (len(lines) != 1)}", *(f"  {line}" for line in lines)]))
    if any(found.values()):
        raise typer.Exit(1)


@app.command("push")
def push_command(
    folder: FolderArgument = None,
    settings: Annotated[
        Path | None,
        typer.Option(
            "--settings",
            "-s",
            help="Settings file with a receiver of kind grafana; settings.yaml in this folder if it is there, else the running devnet's.",
        ),
    ] = None,
    receiver: Annotated[str | None, typer.Option(help="Name of the receiver, where the settings have several of kind grafana.")] = None,
    url: Annotated[str | None, typer.Option(help="Grafana's address, instead of a receiver's.")] = None,
    token_file: Annotated[Path | None, typer.Option(help="File with a service account's token, together with --url.")] = None,
    folder_uid: Annotated[str, typer.Option(help="Uid of the folder in Grafana; it is made if it is not there.")] = "stakewarden",
    folder_title: Annotated[str, typer.Option(help="Its title, when it is made.")] = "Stakewarden",
    datasource: Annotated[
        str | None, typer.Option(help="Make the data source too: our address as Grafana reaches it, with /prom. Needs the role Admin.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Put the dashboards into Grafana. Pushing again changes nothing where nothing changed."""
    boards, catalogue = _boards(folder or FOLDER), _catalogue()
    bad = [f"{name}: {line}" for name, board in boards.items() for line in problems(board, catalogue)]
    if bad:
        raise Failure("\n".join(["the dashboards are wrong, nothing was pushed:", *(f"  {line}" for line in bad)]), code=1)
    grafana = _grafana(settings, receiver, url, token_file)
    try:
        done = asyncio.run(_push(grafana.port(), list(boards.values()), Folder(folder_uid, folder_title), datasource))
    except (Refused, Unavailable, Unsure) as wrong:
        raise Failure(f"Grafana ({grafana.url}): {wrong}", code=1) from None
    typer.echo(json.dumps(done, indent=1) if as_json else "\n".join(f"{uid}: {outcome}" for uid, outcome in done.items()))


async def _push(port: GrafanaPort, boards: list[dict[str, Any]], folder: Folder, datasource: str | None) -> dict[str, str]:
    done: dict[str, Outcome | str] = {}
    if datasource is not None:
        done["data source"] = await ensure_source(port, datasource)
        done["data source, asked by Grafana"] = await ask_source(port)
    return {**done, **await push(port, boards, folder, f"stakewarden {__version__}")}


def _boards(folder: Path) -> dict[str, dict[str, Any]]:
    """The dashboards of a folder by file name. Raises Failure."""
    files = [folder] if folder.is_file() else sorted(folder.glob("*.json"))
    if not files:
        raise Failure(f"{folder} has no JSON files: name the folder with the dashboards")
    found = {}
    for path in files:
        try:
            board = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise Failure(f"{path} cannot be read ({type(error).__name__}): it must be a dashboard as JSON") from None
        if not isinstance(board, dict) or not isinstance(board.get("panels"), list):
            raise Failure(f"{path} is no dashboard: export it as classic JSON, with panels")
        found[path.name] = board
    uids = [str(board.get("uid")) for board in found.values()]
    twice = sorted({uid for uid in uids if uids.count(uid) > 1})
    if twice:
        raise Failure(f"{folder}: two dashboards have the uid {', '.join(twice)}")
    return found


def _catalogue() -> Catalogue:
    """What is shipped, and what the recording rules of this folder record."""
    shipped = Catalogue(SHIPPED)
    if not PACKS.is_dir():
        return shipped
    try:
        return shipped.extended(rules.recorded_families(rules.load([PACKS]), shipped))
    except RuleFileErrors as wrong:
        raise Failure("\n".join(["the rules cannot be read:", *(f"  {p}" for p in wrong.problems)]), code=1) from None


def _grafana(settings: Path | None, receiver: str | None, url: str | None, token_file: Path | None) -> GrafanaSettings:
    if url is not None:
        try:
            return GrafanaSettings(kind="grafana", url=url, token_file=token_file)
        except ValidationError as wrong:
            said = wrong.errors(include_url=False, include_input=False)[0]["msg"].removeprefix("Value error, ")
            raise Failure(f"--url and --token-file: {said}") from None
    named = settings_file(settings)
    found = [r for r in read(named).receivers if isinstance(r, GrafanaSettings) and receiver in (None, r.name)]
    if len(found) != 1:
        what = "no receiver" if not found else "several receivers"
        raise Failure(
            f"{named} has {what} of kind grafana{f' called {receiver}' if receiver else ''}: name one with --receiver, or give --url"
        )
    return found[0]
