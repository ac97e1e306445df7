"""Which process does a job, so that others can have it stopped, and say so when that process is gone."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("jobs") as table:
        table.add_column(sa.Column("runner", sa.String(), nullable=False, server_default=""))
    with op.batch_alter_table("jobs") as table:
        table.alter_column("runner", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("jobs") as table:
        table.drop_column("runner")
