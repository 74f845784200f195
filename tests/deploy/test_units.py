"""The units for systemd: they start what there is, as nobody special, and need no directory that nobody makes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from monitor.cli.__main__ import application

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted([*DEPLOY.glob("*.service"), *DEPLOY.glob("*.timer")])
PROGRAM = "/opt/stakewarden/.venv/bin/stakewarden"


def read(path: Path) -> dict[str, dict[str, list[str]]]:
    """Sections, keys and all of their values. Raises on a line that systemd would ignore."""
    found: dict[str, dict[str, list[str]]] = {}
    section: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        if heading := re.fullmatch(r"\[([A-Z]\w+)\]", line):
            section = found.setdefault(heading[1], {})
            continue
        key, value = re.fullmatch(r"([A-Z]\w+)=(.*)", line).groups()  # type: ignore[union-attr]
        section.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_the_units_are_whole(path: Path) -> None:
    unit = read(path)
    kind = path.suffix.removeprefix(".").capitalize()
    assert set(unit) <= {"Unit", kind, "Install"} and unit["Unit"]["Description"] and kind in unit


@pytest.mark.parametrize("path", sorted(DEPLOY.glob("*.service")), ids=lambda path: path.name)
def test_they_run_a_command_that_the_parser_takes_as_nobody_special(path: Path) -> None:
    service = read(path)["Service"]
    words = shlex.split(" ".join(service["ExecStart"]).replace("%%", "%"))
    inner = shlex.split(words[2].removeprefix("exec ")) if words[0] == "/bin/sh" else words
    assert inner[0] == PROGRAM
    command = typer.main.get_command(application(inner[1]))
    for number, word in enumerate(inner[1:], 1):
        if not hasattr(command, "commands"):
            command.make_context(word, inner[number:])
            break
        command = command.commands[word]
    assert service["User"] == ["stakewarden"] and service["CapabilityBoundingSet"] == [""] and service["NoNewPrivileges"] == ["yes"]
    assert service["ProtectSystem"] == ["strict"] and service["UMask"] == ["0077"]


def test_the_service_comes_back_and_reads_its_rules_anew() -> None:
    unit = read(DEPLOY / "stakewarden.service")
    assert unit["Service"]["Restart"] == ["always"] and unit["Unit"]["StartLimitIntervalSec"] == ["0"]
    assert unit["Service"]["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert unit["Service"]["LimitCORE"] == ["0"]


def test_the_timer_starts_the_copy_into_a_folder_that_systemd_makes() -> None:
    assert (DEPLOY / "stakewarden-backup.service").exists() and read(DEPLOY / "stakewarden-backup.timer")["Install"]["WantedBy"] == [
        "timers.target"
    ]
    service = read(DEPLOY / "stakewarden-backup.service")["Service"]
    assert "stakewarden/backup" in service["StateDirectory"][0].split()
    assert '"/var/lib/stakewarden/backup/' in service["ExecStart"][0] and "/var/lib/stakewarden/backup " in service["ExecStartPost"][0]
