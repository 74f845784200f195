"""What the guardian keeps: every decision that a response came to, the orders that were signed for it, and the transactions.

Times named ``*_at`` are wall time (Unix seconds); ``*_timestamp`` is block time. Wei are decimal text. A transaction is
committed here, whole, before it is sent for the first time: after a crash the same bytes are sent again.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Index, Text
from sqlmodel import Field, SQLModel

from monitor.store.columns import PackedText


class PauseRow(SQLModel, table=True):
    """One decision about one target in one episode. ``id`` is derived from both, so it can be owed only once.

    ``state``: shadow, proposed, refused (decided, nothing to send); owed, simulated, signed, sent, mined, verified, failed
    (the way of a pause); orphaned (the judged block was reorganised away before anything was signed).
    ``mined_number`` and ``mined_hash`` are the block in which it was mined, or that showed that it is needless (then there is no ``mined_tx``).
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
    standing: bool | None = None
    """Whether the decision held at the newest judged block: without that nothing is signed and nothing is sent for the first time."""
    order: str | None = None
    """Digest of the order that is carried out, 0x hex."""
    gathered_at: float | None = Field(default=None, sa_column=Column(Double, nullable=True))
    reported_at: float | None = Field(default=None, sa_column=Column(Double, nullable=True))
    settled_at: float | None = Field(default=None, sa_column=Column(Double, nullable=True))
    paged_at: float | None = Field(default=None, sa_column=Column(Double, nullable=True))
    """When people were told to pause by hand because this one is stuck."""
    execution: str | None = Field(default=None, sa_column=Column(PackedText, nullable=True))
    """What was done, as JSON: added when the pause is reported."""


class OrderRow(SQLModel, table=True):
    """A judged block at which a decision held, with the order that we signed for it: one for each block, since only equal orders count together.

    ``decision`` is the digest of ``document``, which is canonical JSON. ``digest``, ``epoch`` and ``signature`` come when it is signed.
    """

    __tablename__ = "guardian_order"
    __table_args__ = (Index("ix_guardian_order_digest", "digest"), Index("ix_guardian_order_judged", "judged_at"))

    pause: str = Field(primary_key=True)
    observed_hash: str = Field(primary_key=True)
    observed_number: int = Field(sa_type=BigInteger)
    observed_timestamp: int = Field(sa_type=BigInteger)
    decision: str
    document: str = Field(sa_type=PackedText)
    judged_at: float = Field(sa_type=Double)
    target: str | None = None
    epoch: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    digest: str | None = None
    signature: str | None = None
    signed_at: float | None = Field(default=None, sa_column=Column(Double, nullable=True))


class SignatureRow(SQLModel, table=True):
    """Another sentinel's signature of an order that we signed too, recovered to who signed. ``peer``: who gave it to us."""

    __tablename__ = "guardian_signature"

    digest: str = Field(primary_key=True)
    signer: str = Field(primary_key=True)
    signature: str
    peer: str
    seen_at: float = Field(sa_type=Double)


class PauseTransactionRow(SQLModel, table=True):
    """One signed transaction. Those of one pause and sender that may still be mined all have the same nonce.

    ``dead``: its nonce was used by another transaction, so it can never be mined. ``order``: the digest of what it carries out.
    ``head``: the newest block when it was signed, ``private``: whether it went to private endpoints alone so far.
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
    order: str | None = None
    head: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    private: bool | None = None
