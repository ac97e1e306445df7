"""What devices get from the bootstrap server."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bootstrap_configurations",
        sa.Column("pattern", sa.String(), nullable=False),
        sa.Column("configuration", sa.JSON(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("pattern", name="pk_bootstrap_configurations"),
    )


def downgrade() -> None:
    op.drop_table("bootstrap_configurations")
