"""What the tests of this room speak in: transitions of made-up alerts at made-up blocks."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, select
from sqlmodel import SQLModel

from monitor.alerts.book import Book, Judged
from monitor.alerts.desk import DELIVERIES
from monitor.alerts.routes import Routes, parse_routes
from monitor.model import AlertInstance, BlockStamp, Cause, EpisodeId, Hash, RuleId, Slot, State, Transition, labels

ROUTES = """
route:
  receiver: slack
  group_by: [alertname, protocol]
  group_wait: 15s
  group_interval: 10s
  repeat_interval: 1h
  routes:
    - matchers: ['severity="page"']
      group_wait: 0s
      group_interval: 1s
inhibit_rules:
  - source_matchers: ['alertname="NoHead"']
    target_matchers: ['alertname=~"Endpoint.*"']
  - source_matchers: ['alertname="Blind"']
    target_matchers: ['no_data="yes"']
    equal: [protocol]
"""
START = 1_700_000_000


@dataclass
class Unit:
    """One transaction, as the store gives it."""

    conn: Connection


def routes(text: str = ROUTES) -> Routes:
    return parse_routes(text, ["slack", "archive"])


def engine_at(path: Path) -> Engine:
    """A SQLite file with all tables, as the store opens it: real transactions, begun at once."""
    engine = create_engine(f"sqlite:///{path}")

    @event.listens_for(engine, "connect")
    def _plain(dbapi: Any, _: Any) -> None:
        dbapi.isolation_level = None
        dbapi.execute("PRAGMA synchronous=OFF")

    @event.listens_for(engine, "begin")
    def _begin(conn: Connection) -> None:
        conn.exec_driver_sql("BEGIN IMMEDIATE")

    SQLModel.metadata.create_all(engine)
    return engine


def block(number: int, fork: str = "a", seconds: int = 12) -> BlockStamp:
    name = Hash("0x" + uuid.uuid5(uuid.NAMESPACE_OID, f"{number}{fork}").hex * 2)
    return BlockStamp(number, name, Hash("0x" + "00" * 32), START + number * seconds, Slot(number))


def episode_of(name: str, life: int = 0) -> EpisodeId:
    return EpisodeId(str(uuid.uuid5(uuid.NAMESPACE_OID, f"{name}{life}")))


def moved(
    name: str, old: State, new: State, at: BlockStamp, *, life: int = 0, cause: Cause = "judged", value: float = 1.0, **more: str
) -> Transition:
    """A transition of the alert ``name`` (``Alert`` or ``Alert/instance``)."""
    alert, _, instance = name.partition("/")
    own = labels({"severity": "page", "protocol": "lido"} | more, alertname=alert, instance=instance)
    notes = labels(summary=f"{name} is broken", description="What it means.", runbook_url="https://runbooks.example/x")
    return Transition(
        episode_of(name, life), abs(hash(name)), RuleId(f"test/{alert}"), own, notes, old, new, at, cause, value, Hash("0x" + "ab" * 32)
    )


def fires(name: str, at: BlockStamp, **more: Any) -> Transition:
    return moved(name, "inactive", "firing", at, **more)


def ends(name: str, at: BlockStamp, **more: Any) -> Transition:
    return moved(name, "firing", "inactive", at, **more)


class Desk:
    """A book over a database file, with the clock in the test's hand."""

    def __init__(self, engine: Engine, rules: Routes | None = None) -> None:
        self.engine = engine
        self.book = Book(rules or routes())

    def admit(
        self, at: BlockStamp, *transitions: Transition, now: float | None = None, live: Mapping[str, AlertInstance] | None = None
    ) -> int:
        wall = now if now is not None else at.timestamp + 1.0
        with self.engine.begin() as conn:
            return self.book.admit(Unit(conn), transitions, Judged(at, wall - 0.1, wall, live or {}))

    def tick(self, now: float) -> int:
        with self.engine.begin() as conn:
            return self.book.tick(Unit(conn), now)

    def owed(self, *kinds: str) -> list[dict[str, Any]]:
        """All deliveries in order; with ``kinds``, only those."""
        import json

        with self.engine.begin() as conn:
            rows = conn.execute(
                select(DELIVERIES).order_by(DELIVERIES.c.owed_at, DELIVERIES.c.revision, DELIVERIES.c.kind.desc())
            ).mappings()
            return [{**r, "body": json.loads(r["body"])} for r in rows if not kinds or r["kind"] in kinds]
