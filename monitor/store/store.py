"""The store: one database, one transaction at a time for writers, any number of readers.

It is synchronous underneath: a judged block is one function that runs in the store's own thread and one transaction, and
the command line and replays call the very same functions without an event loop.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from monitor.store import lease as leases
from monitor.store import migrations
from monitor.store.engine import READ_ONLY, make_engine, parse, shown
from monitor.store.errors import SchemaMismatch, StoreError, Unreachable, said
from monitor.store.lease import Lease
from monitor.store.memory import Memory
from monitor.store.tables import METADATA
from monitor.store.unit import Unit

_log = structlog.get_logger(__name__)
T = TypeVar("T")


class Store:
    """A database with our tables. Make one with :meth:`open`; it is safe to use from several threads."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.where = shown(engine.url)
        """The URL without its password."""
        self.memory = Memory()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store-write")
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="store-read")

    @classmethod
    def open(cls, url: str) -> Store:
        """Connect to ``sqlite:///path`` (the file is made) or ``postgresql://user@host/database``. Raises BadUrl, Unreachable."""
        parsed = parse(url)
        engine = make_engine(parsed)
        try:
            with engine.connect():
                pass
        except DBAPIError as error:
            engine.dispose()
            raise Unreachable(said(error), shown(parsed), "see that the server runs and that store.url is right") from None
        return cls(engine)

    @contextmanager
    def begin(self, lease: Lease | None = None) -> Iterator[Unit]:
        """One transaction: committed at the end, rolled back when an exception leaves the block.

        With a lease it is fenced: LeaseLost before anything is done when the lease is another's.
        """
        with self.engine.connect() as conn:
            with conn.begin():
                unit = Unit(conn, self.memory, lease)
                if lease is not None:
                    leases.fence(unit, lease)
                yield unit
            unit.committed()

    @contextmanager
    def read(self) -> Iterator[Unit]:
        """A transaction that only reads, at one moment of the database; it neither waits for a writer nor makes one wait."""
        with self.engine.connect() as conn:
            if conn.dialect.name == "postgresql":
                conn = conn.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            else:
                conn = conn.execution_options(**{READ_ONLY: True})
            with conn.begin():
                if conn.dialect.name == "sqlite":
                    conn.exec_driver_sql("PRAGMA query_only=ON")
                try:
                    yield Unit(conn, self.memory)
                finally:
                    if conn.dialect.name == "sqlite":
                        conn.exec_driver_sql("PRAGMA query_only=OFF")

    async def run(self, work: Callable[[Unit], T], lease: Lease | None = None) -> T:
        """Run ``work(unit)`` as one transaction in the store's writing thread.

        When the caller is cancelled, the transaction still ends whole: committed or rolled back.
        """

        def transaction() -> T:
            with self.begin(lease) as unit:
                return work(unit)

        return await asyncio.get_running_loop().run_in_executor(self._writer, transaction)

    async def look(self, work: Callable[[Unit], T]) -> T:
        """Run ``work(unit)`` as a reading transaction in a reading thread: pages do not wait behind blocks."""

        def transaction() -> T:
            with self.read() as unit:
                return work(unit)

        return await asyncio.get_running_loop().run_in_executor(self._readers, transaction)

    def create_all(self) -> None:
        """Make all tables as the code declares them, without migrations: for tests and throw-away databases."""
        with self.engine.begin() as conn:
            METADATA.create_all(conn)

    def migrate(self) -> str:
        """Bring the schema to this version's, all or nothing, one process at a time; the revision it is at.

        Raises SchemaMismatch when a newer version of Stakewarden wrote the schema.
        """
        with self.engine.connect() as conn, _no_cascades(conn), conn.begin():
            self._refuse_newer(conn)
            before = migrations.current(conn)
            migrations.upgrade(conn)
            if broken := _broken_references(conn):
                raise SchemaMismatch(f"after the upgrade {broken[0]}", self.where, "nothing was changed; please report this")
        if before != (now := migrations.head()):
            _log.info("store.migrated", store=self.where, before=before, now=now)
        return now

    def check(self) -> list[str]:
        """What is wrong with the database, in words; empty when nothing is. Reads all of a SQLite file."""
        found = []
        with self.engine.connect() as conn:
            at, head = migrations.current(conn), migrations.head()
            if at != head:
                found.append(f"the schema is at revision {at or 'none'}, this version works with {head}: run `stakewarden db migrate`")
            else:
                found += [f"the schema differs from revision {head}: {each}" for each in migrations.differences(conn)]
            if conn.dialect.name == "sqlite":
                found += [f"SQLite: {row[0]}" for row in conn.exec_driver_sql("PRAGMA integrity_check") if row[0] != "ok"]
                found += [
                    f"SQLite: row {row[1]} of {row[0]} refers to a missing row of {row[2]}"
                    for row in conn.exec_driver_sql("PRAGMA foreign_key_check")
                ]
        return found

    def backup(self, path: Path) -> None:
        """Copy a SQLite database, while it is used, to a new file. Raises StoreError for PostgreSQL and for an existing file."""
        if self.engine.dialect.name != "sqlite":
            raise StoreError("only SQLite files are copied by us", self.where, "use PostgreSQL's own pg_dump --format=custom")
        if path.exists() or not path.absolute().parent.is_dir():
            why = "exists already" if path.exists() else "is in a directory that does not exist"
            raise StoreError(f"the backup {path} {why}", self.where, "name a new file in an existing directory")
        partial = path.with_name(path.name + ".partial")
        with self.engine.connect() as conn, closing(sqlite3.connect(partial)) as copy:
            source = conn.connection.driver_connection
            if not isinstance(source, sqlite3.Connection):
                raise TypeError(f"SQLite's driver gave a {type(source).__name__}")
            source.backup(copy)
        partial.replace(path)

    def _refuse_newer(self, conn: Connection) -> None:
        at = migrations.current(conn)
        if at is not None and not migrations.is_known(at):
            raise SchemaMismatch(
                f"its schema is at revision {at}, which this version (up to {migrations.head()}) does not know",
                self.where,
                "run the newer version of Stakewarden, or restore a backup made before the upgrade",
            )

    def close(self) -> None:
        """Wait for what runs, then close all connections."""
        self._writer.shutdown()
        self._readers.shutdown()
        self.engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def _no_cascades(conn: Connection) -> Iterator[None]:
    """SQLite changes a table by making it anew; dropping the old one would delete all rows that refer to it."""
    driver = conn.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        yield
        return
    driver.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys=ON")


def _broken_references(conn: Connection) -> list[str]:
    if conn.dialect.name != "sqlite":
        return []
    rows = conn.exec_driver_sql("PRAGMA foreign_key_check")
    return [f"row {row[1]} of {row[0]} refers to a missing row of {row[2]}" for row in rows]
