"""Every table"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "acknowledgement",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("incident", sa.String(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "alert_episode",
        sa.Column("episode", sa.String(), nullable=False),
        sa.Column("life", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("annotations", sa.Text(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("evidence", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("since_number", sa.BigInteger(), nullable=False),
        sa.Column("since_hash", sa.String(), nullable=False),
        sa.Column("since_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.Column("judged_at", sa.Double(), nullable=False),
        sa.Column("ended_number", sa.BigInteger(), nullable=True),
        sa.Column("ended_timestamp", sa.BigInteger(), nullable=True),
        sa.Column("unknown_since", sa.BigInteger(), nullable=True),
        sa.Column("muted", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("episode"),
    )
    with op.batch_alter_table("alert_episode", schema=None) as batch_op:
        batch_op.create_index("ix_alert_episode_state", ["state"], unique=False)

    op.create_table(
        "delivery",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("incident", sa.String(), nullable=False),
        sa.Column("receiver", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("urgency", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("owed_at", sa.Double(), nullable=False),
        sa.Column("next_at", sa.Double(), nullable=False),
        sa.Column("attempted_at", sa.Double(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("remote", sa.String(), nullable=True),
        sa.Column("sent_at", sa.Double(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("delivery", schema=None) as batch_op:
        batch_op.create_index("ix_delivery_incident", ["incident", "receiver", "revision"], unique=False)
        batch_op.create_index("ix_delivery_receiver_state", ["receiver", "state", "next_at"], unique=False)

    op.create_table(
        "guardian_pause",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("response", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("episode", sa.String(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("evidence", sa.String(), nullable=False),
        sa.Column("agreed", sa.Text(), nullable=False),
        sa.Column("observed_number", sa.BigInteger(), nullable=False),
        sa.Column("observed_hash", sa.String(), nullable=False),
        sa.Column("observed_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.Double(), nullable=False),
        sa.Column("simulated_at", sa.Double(), nullable=True),
        sa.Column("signed_at", sa.Double(), nullable=True),
        sa.Column("sent_at", sa.Double(), nullable=True),
        sa.Column("mined_at", sa.Double(), nullable=True),
        sa.Column("mined_number", sa.BigInteger(), nullable=True),
        sa.Column("mined_hash", sa.String(), nullable=True),
        sa.Column("mined_tx", sa.String(), nullable=True),
        sa.Column("verified_at", sa.Double(), nullable=True),
        sa.Column("resumes_timestamp", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("guardian_pause", schema=None) as batch_op:
        batch_op.create_index("ix_guardian_pause_state", ["state"], unique=False)
        batch_op.create_index("ix_guardian_pause_target", ["target", "state"], unique=False)

    op.create_table(
        "guardian_transaction",
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("pause", sa.String(), nullable=False),
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("nonce", sa.BigInteger(), nullable=False),
        sa.Column("gas", sa.BigInteger(), nullable=False),
        sa.Column("max_fee_wei", sa.String(), nullable=False),
        sa.Column("priority_fee_wei", sa.String(), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.Column("signed_at", sa.Double(), nullable=False),
        sa.Column("sent_at", sa.Double(), nullable=True),
        sa.Column("sends", sa.Integer(), nullable=False),
        sa.Column("dead", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
    )
    with op.batch_alter_table("guardian_transaction", schema=None) as batch_op:
        batch_op.create_index("ix_guardian_transaction_pause", ["pause"], unique=False)
        batch_op.create_index("ix_guardian_transaction_sender_nonce", ["sender", "nonce"], unique=False)

    op.create_table(
        "incident",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("group_labels", sa.Text(), nullable=False),
        sa.Column("receivers", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.Double(), nullable=False),
        sa.Column("opened_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.Double(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("told", sa.Text(), nullable=True),
        sa.Column("told_at", sa.Double(), nullable=True),
        sa.Column("reminded_at", sa.Double(), nullable=True),
        sa.Column("acknowledged_by", sa.String(), nullable=True),
        sa.Column("acknowledged_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("incident", schema=None) as batch_op:
        batch_op.create_index("ix_incident_closed_at", ["closed_at"], unique=False)

    op.create_table(
        "incident_episode",
        sa.Column("incident", sa.String(), nullable=False),
        sa.Column("episode", sa.String(), nullable=False),
        sa.Column("life", sa.Integer(), nullable=False),
        sa.Column("joined_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("announced", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("incident", "episode"),
    )
    with op.batch_alter_table("incident_episode", schema=None) as batch_op:
        batch_op.create_index("ix_incident_episode_episode", ["episode"], unique=False)

    op.create_table(
        "journal",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("hash", sa.String(), nullable=True),
        sa.Column("parent", sa.String(), nullable=True),
        sa.Column("block_timestamp", sa.BigInteger(), nullable=True),
        sa.Column("slot", sa.BigInteger(), nullable=True),
        sa.Column("beacon_root", sa.String(), nullable=True),
        sa.Column("details", sa.Text(), nullable=True),
        sa.Column("ruleset", sa.String(), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.Column("judged_at", sa.Double(), nullable=False),
        sa.Column("orphaned_by", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("seq"),
    )
    with op.batch_alter_table("journal", schema=None) as batch_op:
        batch_op.create_index("ix_journal_number", ["number"], unique=False)
        batch_op.create_index("ix_journal_timestamp", ["timestamp"], unique=False)

    op.create_table(
        "layout",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("series", sa.LargeBinary(), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "lease",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "meta", sa.Column("key", sa.String(), nullable=False), sa.Column("value", sa.Text(), nullable=False), sa.PrimaryKeyConstraint("key")
    )
    op.create_table(
        "ruleset",
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
    )
    op.create_table(
        "silence",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("matchers", sa.Text(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("until", sa.Double(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("ended_by", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("silence", schema=None) as batch_op:
        batch_op.create_index("ix_silence_until", ["until"], unique=False)

    op.create_table(
        "collector_state",
        sa.Column("collector", sa.String(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("known", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["seq"], ["journal.seq"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("collector", "seq"),
    )
    op.create_table(
        "event",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("frame_rank", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("rank", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("family", sa.String(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.Column("stamp", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["seq"], ["journal.seq"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("seq", "frame_rank", "rank"),
    )
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.create_index("ix_event_family_timestamp", ["family", "timestamp"], unique=False)
        batch_op.create_index("ix_event_id", ["id"], unique=False)

    op.create_table(
        "frame_base",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("layout", sa.String(), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["layout"],
            ["layout.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("frame_base", schema=None) as batch_op:
        batch_op.create_index("ix_frame_base_layout", ["layout"], unique=False)

    op.create_table(
        "instances",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["seq"], ["journal.seq"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_table(
        "transition",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("rank", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("episode", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("annotations", sa.Text(), nullable=False),
        sa.Column("old", sa.String(), nullable=False),
        sa.Column("new", sa.String(), nullable=False),
        sa.Column("at", sa.Text(), nullable=True),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("value", sa.String(length=32), nullable=False),
        sa.Column("evidence", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["seq"], ["journal.seq"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("seq", "rank"),
    )
    with op.batch_alter_table("transition", schema=None) as batch_op:
        batch_op.create_index("ix_transition_episode", ["episode"], unique=False)

    op.create_table(
        "frame",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("rank", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("collector", sa.String(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("read_at", sa.Text(), nullable=True),
        sa.Column("base", sa.BigInteger(), nullable=True),
        sa.Column("delta", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["base"],
            ["frame_base.id"],
        ),
        sa.ForeignKeyConstraint(["seq"], ["journal.seq"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("seq", "rank"),
    )
    with op.batch_alter_table("frame", schema=None) as batch_op:
        batch_op.create_index("ix_frame_base", ["base"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("frame", schema=None) as batch_op:
        batch_op.drop_index("ix_frame_base")

    op.drop_table("frame")
    with op.batch_alter_table("transition", schema=None) as batch_op:
        batch_op.drop_index("ix_transition_episode")

    op.drop_table("transition")
    op.drop_table("instances")
    with op.batch_alter_table("frame_base", schema=None) as batch_op:
        batch_op.drop_index("ix_frame_base_layout")

    op.drop_table("frame_base")
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.drop_index("ix_event_id")
        batch_op.drop_index("ix_event_family_timestamp")

    op.drop_table("event")
    op.drop_table("collector_state")
    with op.batch_alter_table("silence", schema=None) as batch_op:
        batch_op.drop_index("ix_silence_until")

    op.drop_table("silence")
    op.drop_table("ruleset")
    op.drop_table("meta")
    op.drop_table("lease")
    op.drop_table("layout")
    with op.batch_alter_table("journal", schema=None) as batch_op:
        batch_op.drop_index("ix_journal_timestamp")
        batch_op.drop_index("ix_journal_number")

    op.drop_table("journal")
    with op.batch_alter_table("incident_episode", schema=None) as batch_op:
        batch_op.drop_index("ix_incident_episode_episode")

    op.drop_table("incident_episode")
    with op.batch_alter_table("incident", schema=None) as batch_op:
        batch_op.drop_index("ix_incident_closed_at")

    op.drop_table("incident")
    with op.batch_alter_table("guardian_transaction", schema=None) as batch_op:
        batch_op.drop_index("ix_guardian_transaction_sender_nonce")
        batch_op.drop_index("ix_guardian_transaction_pause")

    op.drop_table("guardian_transaction")
    with op.batch_alter_table("guardian_pause", schema=None) as batch_op:
        batch_op.drop_index("ix_guardian_pause_target")
        batch_op.drop_index("ix_guardian_pause_state")

    op.drop_table("guardian_pause")
    with op.batch_alter_table("delivery", schema=None) as batch_op:
        batch_op.drop_index("ix_delivery_receiver_state")
        batch_op.drop_index("ix_delivery_incident")

    op.drop_table("delivery")
    with op.batch_alter_table("alert_episode", schema=None) as batch_op:
        batch_op.drop_index("ix_alert_episode_state")

    op.drop_table("alert_episode")
    op.drop_table("acknowledgement")
