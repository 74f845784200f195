"""Opening, transactions and threads."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from monitor.store import BadUrl, Store, Unit, Unreachable, meta


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("mysql://u:secret@h/d", "unknown scheme 'mysql'"),
        ("no url with secret", "cannot be read"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("sqlite://host/file.db", "takes no host"),
        ("sqlite:///file.db?mode=secret", "not supported"),
        ("postgresql://u:secret@h", "names no database"),
    ],
)
def test_unusable_url_is_refused_without_its_password(url: str, what: str) -> None:
    with pytest.raises(BadUrl, match=what) as caught:
        Store.open(url)
    assert "secret" not in str(caught.value)


def test_unreachable_server_is_named_without_its_password() -> None:
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1") as caught:
        Store.open("postgresql://user:secret@127.0.0.1:1/db?sslpassword=secret")
    assert "secret" not in str(caught.value)


def test_missing_database_and_directory_are_named(postgres_server: str, tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match='"nowhere" does not exist'):
        Store.open(f"{postgres_server}/nowhere")
    with pytest.raises(Unreachable, match=r"directory .*missing does not exist"):
        Store.open(f"sqlite:///{tmp_path}/missing/store.db")


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_text("not a database, but long enough to be looked at" * 30)
    with pytest.raises(Unreachable, match="not a database"):
        Store.open(f"sqlite:///{tmp_path}/store.db")


def test_commits_are_durable_and_references_are_kept(store: Store) -> None:
    with store.begin() as unit:
        if unit.dialect == "sqlite":
            pragmas = [unit.conn.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("journal_mode", "synchronous", "foreign_keys")]
            assert pragmas == ["wal", 2, 1]
        else:
            assert unit.conn.exec_driver_sql("SHOW transaction_isolation").scalar_one() == "read committed"
            assert unit.conn.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar_one() == "20s"
    with pytest.raises(IntegrityError), store.begin() as unit:
        unit.conn.execute(text("INSERT INTO frame_base (id, layout, timestamp, data) VALUES (1, 'none', 0, '')"))


async def test_run_is_one_transaction_in_one_thread(store: Store) -> None:
    threads = set()

    def put(unit: Unit) -> int:
        threads.add(threading.current_thread().name)
        held = meta.get(unit, "n") or 0
        meta.put(unit, "n", held + 1)
        return int(held)

    assert sorted(await asyncio.gather(*(store.run(put) for _ in range(20)))) == list(range(20))
    assert len(threads) == 1

    def fail(unit: Unit) -> None:
        meta.put(unit, "n", "lost")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        await store.run(fail)
    assert await store.look(lambda unit: meta.get(unit, "n")) == 20


async def test_readers_neither_wait_for_a_writer_nor_see_half_of_it(store: Store) -> None:
    with store.begin() as unit:
        meta.put(unit, "n", 1)
    with store.begin() as unit:
        meta.put(unit, "n", 2)
        assert await asyncio.wait_for(store.look(lambda reader: meta.get(reader, "n")), 5) == 1
    with store.read() as reader:
        assert meta.get(reader, "n") == 2
        with store.begin() as unit:
            meta.put(unit, "n", 3)
        assert meta.get(reader, "n") == 2


def test_a_reader_cannot_write(store: Store) -> None:
    with pytest.raises(DBAPIError, match=r"(?i)read-?only"), store.read() as unit:
        meta.put(unit, "n", 1)
    with store.begin() as unit:
        meta.put(unit, "n", 1)


def test_two_writers_take_turns(store: Store, store_url: str) -> None:
    def add(times: int) -> None:
        with Store.open(store_url) as other:
            for _ in range(times):
                with other.begin() as unit:
                    unit.conn.execute(text("UPDATE lease SET epoch = epoch + 1"))

    with store.begin() as unit:
        unit.conn.execute(text("INSERT INTO lease VALUES ('x', 'a', 0, 0)"))
    threads = [threading.Thread(target=add, args=(25,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    with store.read() as unit:
        assert unit.conn.execute(text("SELECT epoch FROM lease")).scalar_one() == 75
