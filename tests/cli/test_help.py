"""``stakewarden --help``: every command has its place, every one says what it does, and the first steps are told."""

from __future__ import annotations

from monitor.cli.__main__ import BEGIN, COMMANDS, PANELS
from tests.cli.conftest import Run
from tests.docs.test_commands import COMMANDS as ALL


def test_every_command_has_its_place_and_no_other() -> None:
    placed = [name for names in PANELS.values() for name in names]
    assert sorted(placed) == sorted([*COMMANDS, "version"])


def test_help_begins_with_what_is_done_first(stakewarden: Run) -> None:
    help_text = stakewarden("--help").out
    assert sorted(PANELS, key=lambda panel: help_text.index(f"─ {panel} ─")) == list(PANELS)


def test_the_first_steps_are_commands_that_there_are(stakewarden: Run) -> None:
    help_text = stakewarden("--help").out
    assert "Begin here" in help_text and all(panel in help_text for panel in PANELS)
    known = {name.removeprefix("stakewarden ").split()[0] for name in ALL}
    named = {words.split()[1] for words in BEGIN.split("`")[1::2] if words.startswith("stakewarden ")}
    assert named - {"COMMAND"} <= known


def test_every_command_and_every_option_says_what_it_is_for() -> None:
    for name, command in ALL.items():
        assert command.help and command.help.strip().endswith("."), name
        assert all(p.help for p in command.params if p.param_type_name == "option" and not p.hidden), name
