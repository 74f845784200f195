"""Which settings file a command means when none is named."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.failure import Failure
from monitor.devnet.place import FOLDER

SettingsOption = Annotated[
    Path | None,
    typer.Option("--settings", "-s", help="Settings file; settings.yaml in this folder if it is there, else the running devnet's."),
]


def settings_file(named: Path | None) -> Path:
    """The named file; else settings.yaml in this folder; else the running devnet's. Raises Failure when there is none."""
    if named is not None:
        return named
    for path in (Path("settings.yaml"), FOLDER / "settings.yaml"):
        if path.exists():
            return path
    raise Failure("there is no settings.yaml here and no embedded chain runs: name one with --settings")
