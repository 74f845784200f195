"""``stakewarden db`` and ``replay``: a database at each stage of its life."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.store import Store
from tests.cli.conftest import Run, plain, write


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    return write(tmp_path, plain(tmp_path))


def test_a_new_database_wants_to_be_migrated_and_is_fine_then(stakewarden: Run, settings: Path) -> None:
    fresh = stakewarden("db", "check", "-s", settings)
    assert fresh.code == 1 and "run `stakewarden db migrate`" in fresh.out and "1 problems" in fresh.out
    assert "is at revision" in stakewarden("db", "migrate", "-s", settings).out
    fine = stakewarden("db", "check", "-s", settings)
    assert fine.code == 0 and "0 problems" in fine.out


def test_a_replay_needs_a_schema_and_an_empty_journal_is_no_difference(stakewarden: Run, settings: Path) -> None:
    without = stakewarden("replay", "-s", settings)
    assert without.code == 1 and "no such table" in without.err and "stakewarden db check" in without.err and "Traceback" not in without.err
    stakewarden("db", "migrate", "-s", settings)
    empty = stakewarden("replay", "-s", settings)
    assert empty.code == 0 and "0 judged moments replayed" in empty.out


def test_a_backup_is_a_database_and_never_overwrites(stakewarden: Run, settings: Path, tmp_path: Path) -> None:
    stakewarden("db", "migrate", "-s", settings)
    copy = tmp_path / "copy.sqlite3"
    assert stakewarden("db", "backup", copy, "-s", settings).code == 0
    with Store.open(f"sqlite:///{copy}") as store:
        assert store.check() == []
    again = stakewarden("db", "backup", copy, "-s", settings)
    assert again.code == 1 and "exists already; name a new file" in again.err
    nowhere = stakewarden("db", "backup", tmp_path / "no" / "copy", "-s", settings)
    assert nowhere.code == 1 and "directory that does not exist" in nowhere.err


def test_databases_that_cannot_be_used(stakewarden: Run, tmp_path: Path) -> None:
    body = plain(tmp_path)
    secret = "hunter2hunter2"
    (tmp_path / "text").write_text("this is no database, it is a letter to a friend, long enough to have a header" * 20)
    for url, said in (
        (f"sqlite:///{tmp_path}/no/x.sqlite3", "create it or correct store.url"),
        (f"sqlite:///{tmp_path}/text", "not a database"),
        (f"postgresql://user:{secret}@127.0.0.1:1/x", "store.url is right"),
        ("sqlite://", "SQLite needs a file"),
    ):
        body["store"] = {"url": url}
        for command in ("migrate", "check"):
            done = stakewarden("db", command, "-s", write(tmp_path, body))
            assert done.code == 1 and said in done.err, (url, done.err)
            assert secret not in done.err and "Traceback" not in done.err
    body["store"] = {"url_file": str(tmp_path / "nowhere")}
    missing = stakewarden("db", "check", "-s", write(tmp_path, body))
    assert missing.code == 2 and "store.url_file" in missing.err and "check its path" in missing.err
