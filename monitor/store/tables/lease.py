"""Who may act."""

from __future__ import annotations

from sqlalchemy import BigInteger, Double
from sqlmodel import Field, SQLModel


class LeaseRow(SQLModel, table=True):
    """The holder of a named right to act. ``expires_at`` is Unix seconds of the database's clock; each taking raises ``epoch``."""

    __tablename__ = "lease"

    name: str = Field(primary_key=True)
    owner: str
    epoch: int = Field(sa_type=BigInteger)
    expires_at: float = Field(sa_type=Double)
