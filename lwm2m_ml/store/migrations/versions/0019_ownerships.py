"""Who acts for a device, or for common work, is known by a token that goes with what is written."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ownerships",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("node", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_ownerships"),
    )


def downgrade() -> None:
    op.drop_table("ownerships")
