"""docs/architecture.md speaks of rooms and names that exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text("utf-8")
SEAMS = dict(re.findall(r"^- \*\*(\w+)\*\*(.*?)(?=^- \*\*|\Z)", PAGE.split("\n## Seams between the rooms\n")[1], re.MULTILINE | re.DOTALL))
LAYERS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"][0]["layers"]
ROOMS = {room.strip().removeprefix("monitor.") for layer in LAYERS for room in layer.split("|")}


def test_every_room_is_in_the_picture() -> None:
    lines = PAGE.split("```")[1].strip().splitlines()
    second = lines[0].index("devnet")
    assert ROOMS - {"sources"} == {line[at:].split()[0] for line in lines for at in (0, second) if line[at:]}


def test_seams_are_those_of_rooms() -> None:
    assert set(SEAMS) <= ROOMS


@pytest.mark.parametrize("room", SEAMS)
def test_what_a_seam_names_is_defined_there(room: str) -> None:
    """Whatever is written as a call is a function or class of the room, or of what the room is given."""
    folder = ROOT / "monitor" / room
    sources = [path.read_text("utf-8") for path in (folder.rglob("*.py") if folder.is_dir() else [folder.with_suffix(".py")])]
    calls = {name for code in re.findall(r"`([^`]+)`", SEAMS[room]) for name in re.findall(r"(?<![.\w])(\w+)\(", code)}
    calls |= {name for code in re.findall(r"`([^`]+)`", SEAMS[room]) for name in re.findall(r"\.(\w+)\(", code)}
    defined = {name for text in sources for name in re.findall(r"(?:def|class) (\w+)\b", text)}
    given = {"partial", "work"}
    assert sorted(calls - defined - given) == []


def test_events_of_the_chain_are_told_as_they_are() -> None:
    heads = (ROOT / "monitor/chain/heads.py").read_text("utf-8")
    union = re.search(r"^HeadEvent = (.+)$", heads, re.MULTILINE)
    assert union is not None
    for name in re.findall(r"\w+", union[1]):
        assert f"`{name}(" in PAGE
