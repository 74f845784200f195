"""Engines: SQLite and PostgreSQL set up so that a commit is durable and a stalled process cannot hold the others for ever."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import QueuePool

from monitor.model.secrecy import hold
from monitor.store.errors import BadUrl, Unreachable

READ_ONLY = "stakewarden_read_only"
"""Execution option of a connection whose transactions only read."""

_BUSY_SECONDS = 10
_IDLE_IN_TRANSACTION = "20s"
"""A process that is stopped in the middle of a transaction holds the lease's row; PostgreSQL frees it after this time."""
_LOCK_TIMEOUT = "10s"


def parse(url: str) -> URL:
    """The SQLAlchemy URL with our driver filled in. Raises BadUrl."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # the latter for a port that is none
        # The text may hold a password, so it is not repeated.
        raise BadUrl("the URL cannot be read", "url", "write sqlite:///path/to/file.db or postgresql://user@host/database") from None
    if parsed.password:
        hold(str(parsed.password))
    if "@" in (parsed.host or ""):
        raise BadUrl("there are two @ before the host", "url", "write an @ in the password as %40")
    scheme = parsed.drivername.split("+")[0]
    if scheme == "sqlite":
        return _sqlite_url(parsed)
    if scheme in ("postgresql", "postgres"):
        return _postgres_url(parsed)
    raise BadUrl(f"unknown scheme {scheme!r}", shown(parsed), "use sqlite:///path or postgresql://user@host/database")


def _sqlite_url(url: URL) -> URL:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise BadUrl("SQLite needs a file", shown(url), "write sqlite:///relative/path.db or sqlite:////absolute/path.db")
    if url.host:
        raise BadUrl("SQLite takes no host", shown(url), "write three slashes before a relative path, four before an absolute one")
    if url.query:
        raise BadUrl("parameters after ? are not supported for SQLite", shown(url), "remove them")
    return URL.create("sqlite+pysqlite", database=url.database)


def _postgres_url(url: URL) -> URL:
    if not url.database:
        raise BadUrl("the URL names no database", shown(url), "write postgresql://user@host/database")
    return url.set(drivername="postgresql+psycopg")


def shown(url: URL) -> str:
    """The URL to show to people: without password and parameters."""
    return url.set(drivername=url.drivername.split("+")[0], query={}).render_as_string(hide_password=True)


def make_engine(url: URL) -> Engine:
    """An engine for a URL of :func:`parse`. Connects lazily; raises Unreachable for a missing directory."""
    return _sqlite(url) if url.get_backend_name() == "sqlite" else _postgres(url)


def _sqlite(url: URL) -> Engine:
    path = Path(str(url.database))
    if not path.absolute().parent.is_dir():
        raise Unreachable(f"the directory {path.parent} does not exist", shown(url), "create it or correct store.url")
    engine = create_engine(
        url, poolclass=QueuePool, pool_size=4, max_overflow=4, connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False}
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    # Autocommit at the driver, so that our own BEGIN decides; the driver's implicit BEGIN is deferred and skips DDL.
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        f"busy_timeout={_BUSY_SECONDS * 1000}",
        "foreign_keys=ON",
        "cache_size=-16000",
        "trusted_schema=OFF",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes the lock at once: a deferred one that is upgraded later fails with "database is locked" without waiting.
    deferred = connection.get_execution_options().get(READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if deferred else "BEGIN IMMEDIATE")


def _postgres(url: URL) -> Engine:
    # READ COMMITTED is enough: writers of the journal are fenced by the lease's row, all others change single rows by key.
    # Readers get REPEATABLE READ (see store.read), so that a page shows one moment.
    options = f"-c lock_timeout={_LOCK_TIMEOUT} -c idle_in_transaction_session_timeout={_IDLE_IN_TRANSACTION} -c jit=off -c timezone=UTC"
    return create_engine(
        url,
        isolation_level="READ COMMITTED",
        pool_size=4,
        max_overflow=4,
        pool_pre_ping=True,
        connect_args={"application_name": "stakewarden", "connect_timeout": 10, "options": options},
    )
