"""The migrated schema is the code's, a newer one is refused, and two processes may start at once."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from monitor.store import SchemaMismatch, Store, StoreError, journal, migrations
from tests.store.entries import entry, frame, same_frame, stamp


def test_migrated_schema_is_what_the_tables_declare(store_url: str) -> None:
    with Store.open(store_url) as store:
        assert store.check() == [
            f"the schema is at revision none, this version works with {migrations.head()}: run `stakewarden db migrate`"
        ]
        assert store.migrate() == migrations.head()
        with store.engine.connect() as conn:
            assert migrations.differences(conn) == []
        assert store.check() == []


def test_a_difference_from_the_declared_tables_is_found(store_url: str) -> None:
    with Store.open(store_url) as store:
        store.migrate()
        with store.begin() as unit:
            unit.conn.execute(text("DROP INDEX ix_journal_number"))
            unit.conn.execute(text("ALTER TABLE meta ADD COLUMN stray TEXT"))
        found = store.check()
    assert len(found) == 2
    assert any("ix_journal_number" in each for each in found)
    assert any("stray" in each for each in found)


def test_migrating_again_keeps_what_is_stored(store_url: str) -> None:
    with Store.open(store_url) as store:
        store.migrate()
        one = frame(stamp(1), {"a": 1.0})
        with store.begin() as unit:
            journal.append(unit, entry(stamp(1), one))
        store.migrate()
        with store.read() as unit:
            assert same_frame(next(journal.load_frames(unit, 0)), one)


def test_newer_schema_is_refused_and_left_alone(store_url: str) -> None:
    with Store.open(store_url) as store:
        store.migrate()
        with store.begin() as unit:
            unit.conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(SchemaMismatch, match=r"9999.*does not know.*newer version"):
            store.migrate()
        with store.read() as unit:
            assert unit.conn.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "9999"


def test_a_failing_migration_changes_nothing(store_url: str) -> None:
    with Store.open(store_url) as store:
        with store.begin() as unit:
            # The last table that the first revision makes is in its way.
            unit.conn.execute(text("CREATE TABLE transition (mine INTEGER)"))
        with pytest.raises(Exception, match="transition"):
            store.migrate()
        with store.read() as unit:
            assert unit.conn.execute(text("SELECT count(*) FROM transition")).scalar_one() == 0
        with store.engine.connect() as conn:
            assert migrations.current(conn) is None
            names = conn.dialect.get_table_names(conn)
        assert names == ["transition"]


def test_two_processes_migrate_at_once(store_url: str) -> None:
    done: list[str] = []

    def start() -> None:
        with Store.open(store_url) as store:
            done.append(store.migrate())

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert done == [migrations.head()] * 3


def test_backup_is_a_whole_database_made_while_in_use(tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}") as store:
        store.migrate()
        one = frame(stamp(1), {"a": 1.0})
        with store.begin() as unit:
            journal.append(unit, entry(stamp(1), one))
        store.backup(copy)
        with pytest.raises(StoreError, match="exists already"):
            store.backup(copy)
        with pytest.raises(StoreError, match="directory that does not exist"):
            store.backup(tmp_path / "no" / "copy.db")
    with Store.open(f"sqlite:///{copy}") as again:
        assert again.check() == []
        with again.read() as unit:
            assert same_frame(next(journal.load_frames(unit, 0)), one)


def test_backup_of_postgresql_names_its_own_tool(postgres_url: str, tmp_path: Path) -> None:
    with Store.open(postgres_url) as store, pytest.raises(StoreError, match="pg_dump"):
        store.backup(tmp_path / "copy")


def test_a_damaged_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with Store.open(f"sqlite:///{path}") as store:
        store.migrate()
        with store.begin() as unit:
            unit.conn.execute(text("INSERT INTO meta VALUES ('a', '1')"))
    with sqlite3.connect(path) as raw:
        raw.execute("INSERT INTO frame (seq, rank, collector, scope, status) VALUES (77, 0, 'c', '[]', 'ok')")
    raw.close()
    with Store.open(f"sqlite:///{path}") as store:
        found = store.check()
    assert len(found) == 1
    assert "of frame refers to a missing row of journal" in found[0]
