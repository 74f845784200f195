"""The drills of the consensus layer and the market, on one running devnet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.rig import Rig
from tests.service.drills import OF_CONSENSUS, check_ends, play


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    """The embedded chain and the service, in processes of their own."""
    with Rig() as running:
        yield running


@pytest.mark.parametrize("name", OF_CONSENSUS)
def test_a_drill_brings_exactly_what_it_says(rig: Rig, name: str) -> None:
    play(rig, name)


def test_nothing_was_said_twice_or_refused_and_the_journal_judges_the_same_again(rig: Rig) -> None:
    check_ends(rig, len(OF_CONSENSUS))
