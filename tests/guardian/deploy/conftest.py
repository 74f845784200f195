"""One chain for all tests of deployments; what a test does to it is undone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.devnet.build import Artifacts
from tests.guardian.deploy.site import Site


@pytest.fixture(scope="session")
def _site(compiled: Artifacts) -> Iterator[Site]:
    found = Site(compiled)
    yield found
    found.anvil.stop()


@pytest.fixture
def site(_site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Site]:
    snapshot = _site.anvil.snapshot()
    _site.sit(tmp_path, monkeypatch, capsys)
    yield _site
    _site.anvil.revert(snapshot)


@pytest.fixture(scope="session")
def _standing(compiled: Artifacts) -> Iterator[Site]:
    found = Site(compiled)
    found.stand()
    yield found
    found.anvil.stop()


@pytest.fixture
def standing(_standing: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Site]:
    """A guardian as planned: deployed, and every other's call made."""
    snapshot, guardian = _standing.anvil.snapshot(), _standing.guardian
    _standing.sit(tmp_path, monkeypatch, capsys)
    yield _standing
    _standing.guardian = guardian
    _standing.anvil.revert(snapshot)
