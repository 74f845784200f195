"""keys of validators"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "key_module",
        sa.Column("protocol", sa.String(), nullable=False),
        sa.Column("module", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("form", sa.String(), nullable=False),
        sa.Column("nonce", sa.String(), nullable=False),
        sa.Column("deposited", sa.BigInteger(), nullable=False),
        sa.Column("names", sa.String(), nullable=True),
        sa.Column("operators", sa.Text(), nullable=False),
        sa.Column("listed_timestamp", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("protocol", "module"),
    )
    op.create_table(
        "key_run",
        sa.Column("protocol", sa.String(), nullable=False),
        sa.Column("module", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("operator", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("first", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("keys", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("protocol", "module", "operator", "first"),
    )


def downgrade() -> None:
    op.drop_table("key_run")
    op.drop_table("key_module")
