"""What the alerts room keeps: episodes, incidents and their members, owed messages, silences and acknowledgements.

Times named ``*_at`` are wall time (Unix seconds); ``*_timestamp`` is block time. Structured values are JSON text that the
alerts room writes itself, so that both databases keep them byte for byte; values of alerts are decimal text, since
neither JSON nor SQLite can hold a NaN.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Index, Text
from sqlmodel import Field, SQLModel


class AlertEpisode(SQLModel, table=True):
    """One firing life of an alert instance, open or closed.

    ``life`` counts how often the same episode was opened (again after a reorganisation took it away). ``state``: firing,
    resolved, expired, retracted, withdrawn. ``unknown_since``: block since which its result is not known.
    ``muted``: why it is not told, as JSON text, or null.
    """

    __tablename__ = "alert_episode"
    __table_args__ = (Index("ix_alert_episode_state", "state"),)

    episode: str = Field(primary_key=True)
    life: int
    fingerprint: str
    rule: str
    labels: str = Field(sa_type=Text)
    annotations: str = Field(sa_type=Text)
    value: str
    evidence: str
    state: str
    since_number: int = Field(sa_type=BigInteger)
    since_hash: str
    since_timestamp: int = Field(sa_type=BigInteger)
    seen_at: float = Field(sa_type=Double)
    judged_at: float = Field(sa_type=Double)
    ended_number: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    ended_timestamp: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    unknown_since: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    muted: str | None = Field(default=None, sa_column=Column(Text, nullable=True))


class Incident(SQLModel, table=True):
    """The life of a group of episodes at one route. ``told`` is what the last message said, as JSON text: the next one says the difference."""

    __tablename__ = "incident"
    __table_args__ = (Index("ix_incident_closed_at", "closed_at"),)

    id: str = Field(primary_key=True)
    route: str = Field(sa_type=Text)
    group_labels: str = Field(sa_type=Text)
    receivers: str = Field(sa_type=Text)
    opened_at: float = Field(sa_type=Double)
    opened_timestamp: int = Field(sa_type=BigInteger)
    closed_at: float | None = Field(default=None, sa_column=Column(Double, nullable=True))
    outcome: str | None = None
    revision: int = 0
    told: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    told_at: float | None = Field(default=None, sa_column=Column(Double, nullable=True))
    reminded_at: float | None = Field(default=None, sa_column=Column(Double, nullable=True))
    acknowledged_by: str | None = None
    acknowledged_at: float | None = Field(default=None, sa_column=Column(Double, nullable=True))


class IncidentEpisode(SQLModel, table=True):
    """That an episode is, or was, part of an incident. ``life`` is the episode's life that joined."""

    __tablename__ = "incident_episode"
    __table_args__ = (Index("ix_incident_episode_episode", "episode"),)

    incident: str = Field(primary_key=True)
    episode: str = Field(primary_key=True)
    life: int
    joined_timestamp: int = Field(sa_type=BigInteger)
    announced: bool = False


class DeliveryRow(SQLModel, table=True):
    """One message owed to one receiver; the states are those of ``model.Delivery``.

    ``next_at``: not to be tried before. ``urgency``: smaller goes first. ``remote``: the receiver's name for this very message.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        Index("ix_delivery_receiver_state", "receiver", "state", "next_at"),
        Index("ix_delivery_incident", "incident", "receiver", "revision"),
    )

    id: str = Field(primary_key=True)
    incident: str
    receiver: str
    kind: str
    revision: int
    urgency: int
    body: str = Field(sa_type=Text)
    state: str = "owed"
    owed_at: float = Field(sa_type=Double)
    next_at: float = Field(sa_type=Double)
    attempted_at: float | None = Field(default=None, sa_column=Column(Double, nullable=True))
    attempts: int = 0
    remote: str | None = None
    sent_at: float | None = Field(default=None, sa_column=Column(Double, nullable=True))
    error: str | None = Field(default=None, sa_column=Column(Text, nullable=True))


class SilenceRow(SQLModel, table=True):
    """A silence: alerts that all matchers match are not told before ``until``. ``ended_by``: who ended it early."""

    __tablename__ = "silence"
    __table_args__ = (Index("ix_silence_until", "until"),)

    id: str = Field(primary_key=True)
    matchers: str = Field(sa_type=Text)
    who: str
    at: float = Field(sa_type=Double)
    until: float = Field(sa_type=Double)
    why: str = Field(sa_type=Text)
    ended_by: str | None = None


class Acknowledgement(SQLModel, table=True):
    """Who took an incident, when and why: kept as history, also when somebody else takes over."""

    __tablename__ = "acknowledgement"

    id: str = Field(primary_key=True)
    incident: str
    who: str
    at: float = Field(sa_type=Double)
    why: str = Field(sa_type=Text)
