"""The store: one database, one transaction at a time for writers, any number of readers.

It is synchronous underneath: a judged block is one function that runs in the store's own thread and one transaction, and
the command line and replays call the very same functions without an event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from monitor.store import lease as leases
from monitor.store.engine import READ_ONLY, make_engine, parse, shown
from monitor.store.errors import Unreachable
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
        except OperationalError as error:
            engine.dispose()
            raise Unreachable(_reason(error), shown(parsed), "see that the server runs and that store.url is right") from None
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

    def close(self) -> None:
        """Wait for what runs, then close all connections."""
        self._writer.shutdown()
        self._readers.shutdown()
        self.engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _reason(error: OperationalError) -> str:
    """The first line of the driver's message. psycopg's and SQLite's messages name host and user, never the password."""
    return str(error.orig).strip().splitlines()[0]
