"""What decisions rested on: their canonical documents, and the responses files that were in force."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, Text
from sqlmodel import Field, SQLModel

from monitor.store.columns import PackedText


class DecisionRow(SQLModel, table=True):
    """The canonical document of one decision, exactly as its digest is signed (``guardian.decision``).

    ``digest``: its keccak256 as 0x hex. ``pause``: the ``PauseRow`` that it is of; one that was decided again on another branch has a document
    for each.
    """

    __tablename__ = "guardian_decision"
    __table_args__ = (Index("ix_guardian_decision_pause", "pause"),)

    digest: str = Field(primary_key=True)
    pause: str
    document: str = Field(sa_type=PackedText)


class PolicyRow(SQLModel, table=True):
    """A responses file that was in force from the block time ``since_timestamp`` on, until the next row's."""

    __tablename__ = "guardian_policy"

    seq: int | None = Field(default=None, primary_key=True)
    hash: str
    text: str = Field(sa_type=Text)
    since_timestamp: int = Field(sa_type=BigInteger)
