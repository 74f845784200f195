"""A drill of each kind on one running devnet: what an alert, a pause, a reorganisation and the consensus layer need. CI plays all of them apart (``make drills``)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.rig import Rig
from tests.service.drills import IN_THE_SUITE, check_ends, play
from tests.service.sitting import DRILL, Sitting
from tests.service.walk import check, walk


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    """The embedded chain and the service, in processes of their own."""
    with Rig() as running:
        yield running


@pytest.mark.parametrize("name", [name for name in IN_THE_SUITE if name != DRILL])
def test_a_drill_brings_exactly_what_it_says(rig: Rig, name: str) -> None:
    play(rig, name)


def test_slack_grafana_the_page_promtool_and_history_tell_one_incident_alike(rig: Rig) -> None:
    sitting = Sitting(rig)
    play(rig, DRILL, sitting.during)
    sitting.after()


def test_the_committees_walk_does_what_the_page_says(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After the drills: it uses the committee's one shot up."""
    check(rig, walk(rig, tmp_path, monkeypatch, capsys))


def test_nothing_was_said_twice_or_refused_and_the_journal_judges_the_same_again(rig: Rig) -> None:
    check_ends(rig, len(IN_THE_SUITE))
