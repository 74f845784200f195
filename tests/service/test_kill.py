"""A short run of ``make prove``: the service is killed with SIGKILL five times during drills, on each database."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.service.kill import prove


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_killed_during_drills_nothing_is_lost_or_told_twice_and_one_pause_is_made(
    database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    store = f"sqlite:///{tmp_path / 'stakewarden.sqlite3'}" if database == "sqlite" else request.getfixturevalue("postgres_url")
    report = prove(tmp_path, store, kills=5, seed=5, rounds=("unbacked-mint", "slashing"), reference=False)
    assert len(report.moments) == 5
    assert report.violations == []
