"""All tables, so that ``SQLModel.metadata`` is whole. Each room that keeps something has a module of its own."""

from __future__ import annotations

from sqlmodel import SQLModel

from monitor.store.tables import alerts, decisions, guardian, journal, keys, lease

METADATA = SQLModel.metadata

__all__ = ["METADATA", "alerts", "decisions", "guardian", "journal", "keys", "lease"]
