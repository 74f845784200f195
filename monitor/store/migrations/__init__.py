"""Schema revisions, and the one way to apply them: in a transaction, by one process at a time."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from monitor.store.tables import METADATA

_HERE = Path(__file__).parent
_ADVISORY_KEY = 0x5741_5244
"""PostgreSQL's advisory lock for migrations: any number that nobody else takes."""


def config(connection: Connection | None = None) -> Config:
    """Alembic's settings, without a file."""
    made = Config()
    made.set_main_option("script_location", str(_HERE).replace("%", "%%"))
    made.set_main_option("version_path_separator", "os")
    made.attributes["connection"] = connection
    return made


def head() -> str:
    """The revision that this version of the code works with."""
    found = ScriptDirectory.from_config(config()).get_current_head()
    if found is None:
        raise LookupError("this installation has no schema revisions; install the package anew")
    return found


def current(connection: Connection) -> str | None:
    """The revision of the database; None when it has none."""
    return MigrationContext.configure(connection).get_current_revision()


def is_known(revision: str) -> bool:
    """Whether this version of the code knows the revision; a newer version's it does not."""
    return any(script.revision == revision for script in ScriptDirectory.from_config(config()).walk_revisions())


def upgrade(connection: Connection) -> None:
    """Bring the schema to :func:`head` within the connection's transaction.

    On PostgreSQL an advisory lock makes a second process wait (without the usual limits); on SQLite the transaction holds
    the write lock.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_KEY})")
    command.upgrade(config(connection), "head")


def differences(connection: Connection) -> list[str]:
    """What the database's tables have that the code's do not, and the other way round; empty when they agree."""
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return [repr(difference) for difference in compare_metadata(context, METADATA)]
