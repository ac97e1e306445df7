"""Lasting observations, and requests that wait for their device."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "observations",
        sa.Column("endpoint", sa.String(), nullable=False),
        sa.Column("paths", sa.String(), nullable=False),
        sa.Column("composite", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("endpoint", "paths", "composite", name="pk_observations"),
    )
    op.create_table(
        "device_requests",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("endpoint", sa.String(), nullable=False),
        sa.Column("operation", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("outcome", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_device_requests"),
    )
    op.create_index("ix_device_requests_endpoint", "device_requests", ["endpoint"])


def downgrade() -> None:
    op.drop_index("ix_device_requests_endpoint", "device_requests")
    op.drop_table("device_requests")
    op.drop_table("observations")
