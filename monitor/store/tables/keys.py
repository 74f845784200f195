"""What the protocols room keeps of key registries: modules with their operators, and runs of public keys as they were read.

Keys that got a deposit never change, so a run is written once and never again. Values that others wrote (names) are in JSON text.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Text
from sqlmodel import Field, SQLModel


class KeyModuleRow(SQLModel, table=True):
    """A module as it was listed whole last. ``nonce`` is decimal text (256 bits); ``operators``: ``[[id, name, deposited], ...]`` as JSON text."""

    __tablename__ = "key_module"

    protocol: str = Field(primary_key=True)
    module: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    address: str
    name: str = Field(sa_type=Text)
    form: str
    nonce: str
    deposited: int = Field(sa_type=BigInteger)
    names: str | None = None
    operators: str = Field(sa_type=Text)
    listed_timestamp: int = Field(sa_type=BigInteger)


class KeyRunRow(SQLModel, table=True):
    """Keys ``first`` to ``first + count - 1`` of an operator, 48 bytes each. ``seq`` is the order in which runs were read."""

    __tablename__ = "key_run"

    protocol: str = Field(primary_key=True)
    module: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    operator: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    first: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    count: int
    seq: int = Field(sa_type=BigInteger)
    keys: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
