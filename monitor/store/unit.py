"""The unit of work: one transaction, with what is to happen when it is committed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import Connection

if TYPE_CHECKING:
    from monitor.store.lease import Lease
    from monitor.store.memory import Memory


@dataclass(slots=True)
class Unit:
    """One transaction. ``conn`` is SQLAlchemy Core's connection; commit and rollback are the store's business.

    ``memory`` is what the process remembers of committed rows (bases of frames). It may be changed only by
    ``on_commit`` functions, so that a rollback leaves it true.
    """

    conn: Connection
    memory: Memory
    lease: Lease | None = None
    _after: list[Callable[[], None]] = field(default_factory=list)

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self.conn.dialect.name

    def on_commit(self, action: Callable[[], None]) -> None:
        """Call ``action`` when this transaction is safely committed; not at all when it is rolled back."""
        self._after.append(action)

    def committed(self) -> None:
        """Called by the store alone, after the commit."""
        for action in self._after:
            action()
