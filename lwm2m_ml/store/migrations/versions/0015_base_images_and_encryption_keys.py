"""Base firmware of classes of devices, and public keys of devices."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "base_images",
        sa.Column("vendor_id", sa.String(32), nullable=False),
        sa.Column("class_id", sa.String(32), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("rtos", sa.String(), nullable=False),
        sa.Column("slot_address", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("vendor_id", "class_id", name="pk_base_images"),
    )
    op.create_table(
        "encryption_keys",
        sa.Column("endpoint", sa.String(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("endpoint", name="pk_encryption_keys"),
    )


def downgrade() -> None:
    op.drop_table("encryption_keys")
    op.drop_table("base_images")
