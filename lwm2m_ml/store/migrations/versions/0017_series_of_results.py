"""Numbers of results count within a series."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

FEEDBACK_KEY = ("endpoint", "model", "version", "number")


def upgrade() -> None:
    for name in ("results", "captures", "feedback"):
        with op.batch_alter_table(name) as table:
            table.add_column(sa.Column("series", sa.BigInteger(), nullable=False, server_default="0"))
        with op.batch_alter_table(name) as table:
            table.alter_column("series", existing_type=sa.BigInteger(), server_default=None, existing_nullable=False)
    _key((*FEEDBACK_KEY, "series"))


def downgrade() -> None:
    op.execute("DELETE FROM feedback WHERE series > 0")
    _key(FEEDBACK_KEY)
    for name in ("results", "captures", "feedback"):
        with op.batch_alter_table(name) as table:
            table.drop_column("series")


def _key(columns: tuple[str, ...]) -> None:
    with op.batch_alter_table("feedback") as table:
        table.drop_constraint("pk_feedback", type_="primary")
        table.create_primary_key("pk_feedback", list(columns))
