"""One chain for all tests of Safes and levers; what a test does to it is undone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from monitor.devnet.build import Artifacts
from tests.guardian.safe.ground import Ground


@pytest.fixture(scope="session")
def _ground(compiled: Artifacts) -> Iterator[Ground]:
    found = Ground(compiled)
    yield found
    found.anvil.stop()


@pytest.fixture
def ground(_ground: Ground) -> Iterator[Ground]:
    snapshot = _ground.anvil.snapshot()
    yield _ground
    _ground.anvil.revert(snapshot)
