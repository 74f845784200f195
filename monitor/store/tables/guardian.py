"""What the guardian keeps: every decision that a response came to, and every transaction that was signed for one.

Times named ``*_at`` are wall time (Unix seconds); ``*_timestamp`` is block time. Wei are decimal text. A transaction is
committed here, whole, before it is sent for the first time: after a crash the same bytes are sent again.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Index, Text
from sqlmodel import Field, SQLModel


class PauseRow(SQLModel, table=True):
    """One decision about one target in one episode. ``id`` is derived from both, so it can be owed only once.

    ``state``: shadow, proposed, refused (decided, nothing to send); owed, simulated, signed, sent, mined, verified, failed
    (the way of a pause); orphaned (the judged block was reorganised away before anything was signed).
    ``evidence`` is the digest of the samples behind the alert, ``agreed`` the endpoints behind the block, as JSON text.
    """

    __tablename__ = "guardian_pause"
    __table_args__ = (
        Index("ix_guardian_pause_state", "state"),
        Index("ix_guardian_pause_target", "target", "state"),
    )

    id: str = Field(primary_key=True)
    state: str
    target: str
    response: str
    mode: str
    owner: str = Field(sa_type=Text)
    reason: str = Field(sa_type=Text)
    episode: str
    rule: str
    labels: str = Field(sa_type=Text)
    evidence: str
    agreed: str = Field(sa_type=Text)
    observed_number: int = Field(sa_type=BigInteger)
    observed_hash: str
    observed_timestamp: int = Field(sa_type=BigInteger)
    decided_at: float = Field(sa_type=Double)
    simulated_at: float | None = Field(default=None, sa_column=Column(Double, nullable=True))
    signed_at: float | None = Field(default=None, sa_column=Column(Double, nullable=True))
    sent_at: float | None = Field(default=None, sa_column=Column(Double, nullable=True))
    mined_at: float | None = Field(default=None, sa_column=Column(Double, nullable=True))
    mined_number: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    mined_hash: str | None = None
    mined_tx: str | None = None
    verified_at: float | None = Field(default=None, sa_column=Column(Double, nullable=True))
    resumes_timestamp: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    note: str | None = Field(default=None, sa_column=Column(Text, nullable=True))


class PauseTransactionRow(SQLModel, table=True):
    """One signed transaction. Those of one pause that may still be mined all have the same nonce.

    ``dead``: its nonce was used by another transaction, so it can never be mined.
    """

    __tablename__ = "guardian_transaction"
    __table_args__ = (
        Index("ix_guardian_transaction_pause", "pause"),
        Index("ix_guardian_transaction_sender_nonce", "sender", "nonce"),
    )

    hash: str = Field(primary_key=True)
    pause: str
    sender: str
    nonce: int = Field(sa_type=BigInteger)
    gas: int = Field(sa_type=BigInteger)
    max_fee_wei: str
    priority_fee_wei: str
    raw: str = Field(sa_type=Text)
    signed_at: float = Field(sa_type=Double)
    sent_at: float | None = Field(default=None, sa_column=Column(Double, nullable=True))
    sends: int = 0
    dead: bool = False
