"""docs/commands.md tells every command and option that there is, and each of its examples is one that the parser takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from monitor.cli.__main__ import application

PAGE = (Path(__file__).parents[2] / "docs/commands.md").read_text("utf-8")


def commands(command: Any, name: str = "stakewarden") -> Iterator[tuple[str, Any]]:
    """Every command that does something, by its whole name."""
    if hasattr(command, "commands"):
        for each, inner in command.commands.items():
            yield from commands(inner, f"{name} {each}")
    elif not command.hidden:
        yield name, command


COMMANDS = dict(commands(typer.main.get_command(application())))


def section(name: str) -> str:
    """What the page says of a command."""
    assert f"\n### {name}\n" in PAGE, f"docs/commands.md has no section '### {name}'"
    return re.split(r"\n##", PAGE.split(f"\n### {name}\n")[1])[0]


def test_every_command_has_a_section_and_no_other() -> None:
    assert sorted(re.findall(r"^### (.+)$", PAGE, re.MULTILINE)) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_row_and_no_other(name: str) -> None:
    assert re.findall(r"^\| (`.+`) \| .+\. \|$", section(name), re.MULTILINE) == [shown(p) for p in COMMANDS[name].params if not hidden(p)]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_is_taken_by_the_parser(name: str) -> None:
    (example,) = re.findall(r"```\n(.+)\n```", section(name))
    assert example.startswith(name)
    COMMANDS[name].make_context(name, shlex.split(example.removeprefix(name)))


def test_what_is_required_is_said_to_be() -> None:
    for name, command in COMMANDS.items():
        for option in command.params:
            if option.param_type_name == "option" and option.required:
                (row,) = [line for line in section(name).splitlines() if line.startswith(f"| {shown(option)} |")]
                assert "Required." in row


def shown(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.name}`".upper()
    return ", ".join(f"`{o}`" for o in (*parameter.opts, *parameter.secondary_opts))


def hidden(parameter: Any) -> bool:
    return bool(getattr(parameter, "hidden", False))
