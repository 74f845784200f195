"""Single values of the store, by key."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlmodel import col

from monitor.store.columns import insert
from monitor.store.tables.journal import MetaRow
from monitor.store.unit import Unit

THINNED_SEQ = "thinned_seq"
"""The last entry whose frames may be thinned."""
THINNED_UNTIL = "thinned_until"
"""The block time before which all frames are thinned."""


def get(unit: Unit, key: str) -> Any:
    """The value, None when it was never put."""
    return unit.conn.execute(select(col(MetaRow.value)).where(col(MetaRow.key) == key)).scalar_one_or_none()


def put(unit: Unit, key: str, value: Any) -> None:
    """Keep a JSON value."""
    row = insert(unit, MetaRow).values(key=key, value=value)
    unit.conn.execute(row.on_conflict_do_update(index_elements=["key"], set_={"value": row.excluded.value}))
