"""The lease: one process of several acts. Time is the database's, so clocks of machines need not agree.

A lease is taken when there is none, when it is over, or when its holder was a process of this very machine that has certainly
ended, so that a restart after a crash need not wait. Each taking raises the epoch. What a holder commits is fenced: the row is
locked in the same transaction and must still be the holder's, so a process that slept cannot act as leader.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Double, Select, and_, func, or_, select, update
from sqlmodel import col

from monitor.store.columns import insert
from monitor.store.errors import LeaseLost
from monitor.store.tables.lease import LeaseRow
from monitor.store.unit import Unit

if TYPE_CHECKING:
    from monitor.store.store import Store

_JULIAN_UNIX_EPOCH = 2440587.5


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to act until it is over or taken: whoever takes over has a higher epoch."""

    name: str
    owner: str
    epoch: int
    seconds: float
    expires_at: float
    """Unix seconds of the database's clock."""


def new_owner() -> str:
    """A name for this process that no other has: host, process id, a random part, and the place in which the process id has its meaning."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}:{_place()}"


def acquire(store: Store, name: str, owner: str, seconds: float) -> Lease | None:
    """Take the lease if it is free or over, or its holder is dead; None while another holds it (or ``owner`` itself: then renew)."""
    with store.begin() as unit:
        row = insert(unit, LeaseRow).values(name=name, owner="", epoch=0, expires_at=0.0)
        unit.conn.execute(row.on_conflict_do_nothing(index_elements=["name"]))
        now = database_time(unit)
        free = col(LeaseRow.expires_at) <= now
        held = unit.conn.execute(select(col(LeaseRow.owner), col(LeaseRow.epoch)).where(col(LeaseRow.name) == name)).one()
        if is_dead(held.owner):
            free = or_(free, and_(col(LeaseRow.owner) == held.owner, col(LeaseRow.epoch) == held.epoch))
        taken = unit.conn.execute(
            update(LeaseRow)
            .where(col(LeaseRow.name) == name, free)
            .values(owner=owner, epoch=col(LeaseRow.epoch) + 1, expires_at=now + seconds)
            .returning(col(LeaseRow.epoch), col(LeaseRow.expires_at))
        ).one_or_none()
    return None if taken is None else Lease(name, owner, taken.epoch, seconds, taken.expires_at)


def is_dead(owner: str) -> bool:
    """Whether the process of that name has certainly ended. False when it lives, when its number is in use again, and when nobody can say."""
    parts = owner.rsplit(":", 3)
    if len(parts) != 4 or not _place() or parts[3] != _place() or not parts[1].isdecimal():
        return False
    try:
        os.kill(int(parts[1]), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


@cache
def _place() -> str:
    """Where a process id means the same process: this start of this kernel, and this namespace of process ids (containers have their
    own, perhaps under equal host names). Empty when the system does not tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return hashlib.sha256(f"{boot} {Path('/proc/self/ns/pid').readlink()}".encode()).hexdigest()[:12]
    except OSError:
        return ""


def renew(store: Store, lease: Lease) -> Lease:
    """The same lease with a new end. One that is over but not taken is renewed. Raises LeaseLost when another took it."""
    with store.begin() as unit:
        renewed = unit.conn.execute(
            update(LeaseRow).where(*_ours(lease)).values(expires_at=database_time(unit) + lease.seconds).returning(col(LeaseRow.expires_at))
        ).one_or_none()
        if renewed is None:
            raise LeaseLost(lease.name, lease.epoch, _holder(unit, lease.name))
    return Lease(lease.name, lease.owner, lease.epoch, lease.seconds, renewed.expires_at)


def release(store: Store, lease: Lease) -> bool:
    """Give the lease back so that another need not wait for its end; False when it was lost already."""
    with store.begin() as unit:
        freed = unit.conn.execute(update(LeaseRow).where(*_ours(lease)).values(expires_at=0.0, owner=""))
        return freed.rowcount == 1


def fence(unit: Unit, lease: Lease) -> None:
    """Lock the lease's row until the end of the transaction and see that it is still ours. Raises LeaseLost.

    On PostgreSQL the row is locked FOR SHARE: a takeover waits for our commit. On SQLite the transaction holds the only
    write lock already.
    """
    held = unit.conn.execute(_held(lease)).one_or_none()
    if held is None:
        raise LeaseLost(lease.name, lease.epoch, _holder(unit, lease.name))


@lru_cache(maxsize=4)
def _held(lease: Lease) -> Select[int]:
    """Built once a lease: every commit is fenced, and to build it takes longer than to run it."""
    return select(col(LeaseRow.epoch)).where(*_ours(lease)).with_for_update(read=True)


def _ours(lease: Lease) -> tuple[ColumnElement[bool], ...]:
    return (col(LeaseRow.name) == lease.name, col(LeaseRow.owner) == lease.owner, col(LeaseRow.epoch) == lease.epoch)


def _holder(unit: Unit, name: str) -> str:
    row = unit.conn.execute(select(col(LeaseRow.owner), col(LeaseRow.epoch)).where(col(LeaseRow.name) == name)).one_or_none()
    if row is None:
        return "its row is gone"
    return f"{row.owner} holds epoch {row.epoch}" if row.owner else f"it was released after epoch {row.epoch}"


def database_time(unit: Unit) -> ColumnElement[float]:
    """Unix seconds by the database's clock, at the moment of evaluation (not at the start of the transaction)."""
    if unit.dialect == "sqlite":
        return (func.julianday("now", type_=Double) - _JULIAN_UNIX_EPOCH) * 86400.0
    return func.extract("epoch", func.clock_timestamp()).cast(Double)
