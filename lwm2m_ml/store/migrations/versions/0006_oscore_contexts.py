"""What OSCORE contexts must not forget."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "oscore_contexts",
        sa.Column("context", sa.String(), nullable=False),
        sa.Column("next_number", sa.BigInteger(), nullable=False),
        sa.Column("taken", sa.Boolean(), nullable=False),
        sa.Column("saved", sa.Boolean(), nullable=False),
        sa.Column("highest", sa.BigInteger(), nullable=False),
        sa.Column("seen", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("context", name="pk_oscore_contexts"),
    )


def downgrade() -> None:
    op.drop_table("oscore_contexts")
