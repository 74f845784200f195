"""decisions and policies"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "guardian_decision",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("pause", sa.String(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    with op.batch_alter_table("guardian_decision", schema=None) as batch_op:
        batch_op.create_index("ix_guardian_decision_pause", ["pause"], unique=False)

    op.create_table(
        "guardian_policy",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("since_timestamp", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )


def downgrade() -> None:
    op.drop_table("guardian_policy")
    with op.batch_alter_table("guardian_decision", schema=None) as batch_op:
        batch_op.drop_index("ix_guardian_decision_pause")

    op.drop_table("guardian_decision")
