"""``stakewarden alerts`` and ``silences``: what responders do, and what they are told when they are wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run, plain, write


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    return write(tmp_path, plain(tmp_path))


@pytest.fixture
def migrated(stakewarden: Run, settings: Path) -> Path:
    assert stakewarden("db", "migrate", "-s", settings).code == 0
    return settings


@pytest.mark.parametrize("words", [("alerts", "list"), ("alerts", "ack", "x"), ("silences", "list"), ("silences", "end", "x")])
def test_a_database_without_our_tables_is_said_in_a_line(stakewarden: Run, settings: Path, words: tuple[str, ...]) -> None:
    done = stakewarden(*words, "-s", settings)
    assert done.code == 1 and "no such table" in done.err and "stakewarden db check" in done.err
    assert "Traceback" not in done.err and len(done.err.splitlines()) == 1


def test_without_incidents_there_is_nothing_to_take(stakewarden: Run, migrated: Path) -> None:
    assert stakewarden("alerts", "list", "-s", migrated).out == "0 open incidents\n"
    done = stakewarden("alerts", "ack", "3f2a", "-s", migrated)
    assert done.code == 1 and "0 open incidents begin with '3f2a'" in done.err


def test_a_silence_is_listed_until_it_is_ended(stakewarden: Run, migrated: Path) -> None:
    made = stakewarden("silences", "add", 'protocol="lido"', "--for", "2h", "--why", "announced", "--who", "ann", "-s", migrated)
    assert made.code == 0, made.err
    identity = made.out.split()[0]
    (listed,) = json.loads(stakewarden("silences", "list", "--json", "-s", migrated).out)
    assert (listed["id"], listed["who"], listed["why"]) == (identity, "ann", "announced")
    assert stakewarden("silences", "end", identity, "-s", migrated).out == f"ended {identity}\n"
    assert stakewarden("silences", "list", "-s", migrated).out == "0 silences\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (['protocol="lido"', "--for", "long"], "is not a length of time"),
        (["protocol lido", "--for", "2h"], "protocol lido"),
    ],
)
def test_a_wrong_silence_is_refused(stakewarden: Run, migrated: Path, words: list[str], said: str) -> None:
    done = stakewarden("silences", "add", *words, "--why", "x", "-s", migrated)
    assert done.code in (1, 2) and said in done.err and "Traceback" not in done.err
