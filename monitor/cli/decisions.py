"""``stakewarden guardian evidence | verify | policy check | shadow-report | replay``: why something was paused, and what may be."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.where import SettingsOption

policy = typer.Typer(no_args_is_help=True, help="Check what may be paused by itself.")
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def evidence(
    decision: Annotated[str, typer.Argument(help="A decision's id or the digest of its document, or how either begins.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The file; decision.json by default, - for stdout.")] = None,
    settings: SettingsOption = None,
) -> None:
    """Write the canonical document of a decision, byte for byte as its hash was signed."""
    from monitor.cli import proofs

    proofs.evidence(decision, out, settings)


def verify(
    document: Annotated[Path, typer.Argument(help="The decision's document.")],
    decision: Annotated[str | None, typer.Option("--decision", help="The hash that was signed: the document must have it.")] = None,
    rules: Annotated[list[Path] | None, typer.Option("--rules", help="Rule files or folders, instead of the settings'.")] = None,
    responses: Annotated[Path | None, typer.Option("--policy", help="The responses file, instead of the settings'.")] = None,
    baseline: Annotated[Path | None, typer.Option("--baseline", help="The baseline, instead of the settings'.")] = None,
    settings: SettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute a decision offline: from what the contracts returned to the verdict. Exit code 1 when anything in it does not follow."""
    from monitor.cli import proofs

    given = {"dirs": tuple(rules) if rules else None, "responses": responses, "baseline": baseline}
    proofs.verify(document, decision, {k: v for k, v in given.items() if v is not None}, settings, as_json)


@policy.command("check")
def check(settings: SettingsOption = None, as_json: JsonOption = False) -> None:
    """Find a pause that hangs on one condition, one source or what is on no chain, that does not lapse, or that no case tries."""
    from monitor.cli import proofs

    proofs.check(settings, as_json)


def shadow_report(
    response: Annotated[str, typer.Argument(help="A response's name.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A file for the report, to be named in the response's `earned`.")] = None,
    days: Annotated[int, typer.Option(help="How far back.")] = 30,
    true: Annotated[list[int] | None, typer.Option("--true", help="A block whose pause was right; may be repeated.")] = None,
    false: Annotated[list[int] | None, typer.Option("--false", help="A block whose pause was false; may be repeated.")] = None,
    settings: SettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """What a response would have paused, when, for how long, and whether people found it right."""
    from monitor.cli import proofs

    proofs.shadow_report(response, out, days, true or [], false or [], settings, as_json)


def replay(
    response: Annotated[str | None, typer.Argument(help="A response's name; all that say which incidents they are for by default.")] = None,
    library: Annotated[Path | None, typer.Option("--library", help="The folder of incidents; rules/incidents by default.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A file for the report, to be named in the response's `earned`.")] = None,
    responses: Annotated[Path | None, typer.Option("--policy", help="The responses file, instead of the settings'.")] = None,
    rules: Annotated[list[Path] | None, typer.Option("--rules", help="Rule files or folders, instead of the settings'.")] = None,
    settings: Annotated[
        Path | None,
        typer.Option("--settings", "-s", help="Settings file; settings.yaml in this folder if it is there, else rules/ of this folder."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Judge responses over a library of past incidents. Exit code 1 when one would have paused wrongly, too late, or not at all."""
    from monitor.cli import incidents

    incidents.replay(response, library, responses, rules, out, settings, as_json)
