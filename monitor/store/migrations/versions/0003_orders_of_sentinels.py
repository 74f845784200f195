"""orders of sentinels"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "guardian_order",
        sa.Column("pause", sa.String(), nullable=False),
        sa.Column("observed_hash", sa.String(), nullable=False),
        sa.Column("observed_number", sa.BigInteger(), nullable=False),
        sa.Column("observed_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("decision", sa.String(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("judged_at", sa.Double(), nullable=False),
        sa.Column("target", sa.String(), nullable=True),
        sa.Column("epoch", sa.BigInteger(), nullable=True),
        sa.Column("digest", sa.String(), nullable=True),
        sa.Column("signature", sa.String(), nullable=True),
        sa.Column("signed_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("pause", "observed_hash"),
    )
    with op.batch_alter_table("guardian_order", schema=None) as batch_op:
        batch_op.create_index("ix_guardian_order_digest", ["digest"], unique=False)
        batch_op.create_index("ix_guardian_order_judged", ["judged_at"], unique=False)

    op.create_table(
        "guardian_signature",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("signer", sa.String(), nullable=False),
        sa.Column("signature", sa.String(), nullable=False),
        sa.Column("peer", sa.String(), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("digest", "signer"),
    )
    with op.batch_alter_table("guardian_pause", schema=None) as batch_op:
        batch_op.add_column(sa.Column("standing", sa.Boolean(), nullable=True))
        batch_op.add_column(sa.Column("order", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("gathered_at", sa.Double(), nullable=True))
        batch_op.add_column(sa.Column("reported_at", sa.Double(), nullable=True))
        batch_op.add_column(sa.Column("settled_at", sa.Double(), nullable=True))
        batch_op.add_column(sa.Column("paged_at", sa.Double(), nullable=True))
        batch_op.add_column(sa.Column("execution", sa.LargeBinary(), nullable=True))

    with op.batch_alter_table("guardian_transaction", schema=None) as batch_op:
        batch_op.add_column(sa.Column("order", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("head", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("private", sa.Boolean(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("guardian_transaction", schema=None) as batch_op:
        batch_op.drop_column("private")
        batch_op.drop_column("head")
        batch_op.drop_column("order")

    with op.batch_alter_table("guardian_pause", schema=None) as batch_op:
        batch_op.drop_column("execution")
        batch_op.drop_column("paged_at")
        batch_op.drop_column("settled_at")
        batch_op.drop_column("reported_at")
        batch_op.drop_column("gathered_at")
        batch_op.drop_column("order")
        batch_op.drop_column("standing")

    op.drop_table("guardian_signature")
    with op.batch_alter_table("guardian_order", schema=None) as batch_op:
        batch_op.drop_index("ix_guardian_order_judged")
        batch_op.drop_index("ix_guardian_order_digest")

    op.drop_table("guardian_order")
