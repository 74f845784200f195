"""The journal of judged moments: append-only, so that the same frames can be judged again.

``seq`` is the order of judging and the key of all that belongs to an entry. Block times are Unix seconds; ``*_at`` is
wall time. What must come back exactly is canonical JSON text, decimal text or a blob.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Double, ForeignKey, Index, LargeBinary, SmallInteger, Text
from sqlmodel import Field, SQLModel

from monitor.store.columns import CanonicalJson, FloatText, PackedText


def _seq() -> Any:
    """Part of the primary key, and a reference to the entry."""
    return Field(sa_column=Column(BigInteger, ForeignKey("journal.seq", ondelete="CASCADE"), primary_key=True, autoincrement=False))


class JournalRow(SQLModel, table=True):
    """One judged moment or one thing that happened between them.

    ``kind``: block, tick (judged without a new head), rewind (the chain took back what came after the block), gap (the blocks
    in ``details`` were never read), lost (the whole branch is gone), rules (another rule set from here on). The block's
    columns are the judged block; of a rewind the block that stays; else the last block. ``timestamp`` is the
    moment's block time. ``orphaned_by``: ``seq`` of the rewind that took this entry back.
    """

    __tablename__ = "journal"
    __table_args__ = (Index("ix_journal_timestamp", "timestamp"), Index("ix_journal_number", "number"))

    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    kind: str
    timestamp: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    number: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    hash: str | None = None
    parent: str | None = None
    block_timestamp: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    slot: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    beacon_root: str | None = None
    details: Any = Field(default=None, sa_column=Column(CanonicalJson, nullable=True))
    ruleset: str
    seen_at: float = Field(sa_type=Double)
    judged_at: float = Field(sa_type=Double)
    orphaned_by: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))


class LayoutRow(SQLModel, table=True):
    """The series of frames, in order, as packed canonical JSON ``[[family, [[label, value], ...]], ...]``."""

    __tablename__ = "layout"

    id: str = Field(primary_key=True)
    series: str = Field(sa_type=PackedText)
    length: int


class FrameBaseRow(SQLModel, table=True):
    """A full row of values, shuffled and compressed, that later frames of the same layout are written against."""

    __tablename__ = "frame_base"
    __table_args__ = (Index("ix_frame_base_layout", "layout"),)

    id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    layout: str = Field(foreign_key="layout.id")
    timestamp: int = Field(sa_type=BigInteger)
    data: bytes = Field(sa_type=LargeBinary)


class FrameRow(SQLModel, table=True):
    """What one collector found for one scope. ``base`` is null for no series; ``delta`` is null when the row equals its base.

    ``reason`` is the reason of a failed frame, or the votes of a disputed one. ``read_at`` is null when the state was
    that of the entry's own block.
    """

    __tablename__ = "frame"
    __table_args__ = (Index("ix_frame_base", "base"),)

    seq: int = _seq()
    rank: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    collector: str
    scope: Any = Field(sa_column=Column(CanonicalJson, nullable=False))
    status: str
    reason: Any = Field(default=None, sa_column=Column(CanonicalJson, nullable=True))
    read_at: Any = Field(default=None, sa_column=Column(CanonicalJson, nullable=True))
    base: int | None = Field(default=None, sa_column=Column(BigInteger, ForeignKey("frame_base.id"), nullable=True))
    delta: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))


class EventRow(SQLModel, table=True):
    """An event of a frame (``frame_rank``). ``stamp`` is the block in which it happened."""

    __tablename__ = "event"
    __table_args__ = (Index("ix_event_family_timestamp", "family", "timestamp"), Index("ix_event_id", "id"))

    seq: int = _seq()
    frame_rank: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    rank: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    id: str
    family: str
    labels: Any = Field(sa_column=Column(CanonicalJson, nullable=False))
    timestamp: int = Field(sa_type=BigInteger)
    stamp: Any = Field(sa_column=Column(CanonicalJson, nullable=False))
    details: Any = Field(sa_column=Column(CanonicalJson, nullable=False))


class CollectorStateRow(SQLModel, table=True):
    """What a collector remembers since the entry ``seq``; written when it changed, on the current branch only."""

    __tablename__ = "collector_state"

    collector: str = Field(primary_key=True)
    seq: int = _seq()
    digest: str
    known: str = Field(sa_type=PackedText)


class InstancesRow(SQLModel, table=True):
    """The rules room's snapshot since the entry ``seq``, text as given; written when it changed, on the current branch only."""

    __tablename__ = "instances"

    seq: int = _seq()
    digest: str
    body: str = Field(sa_type=PackedText)


class TransitionRow(SQLModel, table=True):
    """A change of an alert instance. ``at`` is null when it is the entry's own moment. Fingerprints are decimal text (64 bits unsigned)."""

    __tablename__ = "transition"
    __table_args__ = (Index("ix_transition_episode", "episode"),)

    seq: int = _seq()
    rank: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    episode: str
    fingerprint: str
    rule: str = Field(sa_type=Text)
    labels: Any = Field(sa_column=Column(CanonicalJson, nullable=False))
    annotations: Any = Field(sa_column=Column(CanonicalJson, nullable=False))
    old: str
    new: str
    at: Any = Field(default=None, sa_column=Column(CanonicalJson, nullable=True))
    cause: str
    value: float = Field(sa_type=FloatText)
    evidence: str


class RulesetRow(SQLModel, table=True):
    """The text of a rule set, by its hash."""

    __tablename__ = "ruleset"

    hash: str = Field(primary_key=True)
    text: str = Field(sa_type=PackedText)


class MetaRow(SQLModel, table=True):
    """Single values: the log cursor, how far the journal is thinned."""

    __tablename__ = "meta"

    key: str = Field(primary_key=True)
    value: Any = Field(sa_column=Column(CanonicalJson, nullable=False))
