"""Results know their module, and are summed up by hour."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

SLOT = "UPDATE results SET slot = CAST(model AS INTEGER), model = '' WHERE LENGTH(model) = 1 AND model <= '9'"


def upgrade() -> None:
    with op.batch_alter_table("results") as table:
        table.add_column(sa.Column("slot", sa.Integer()))
        table.add_column(sa.Column("version", sa.String(), nullable=False, server_default=""))
        table.add_column(sa.Column("lost", sa.BigInteger(), nullable=False, server_default="0"))
        table.add_column(sa.Column("energy", sa.Float()))
    op.execute(SLOT)  # the model's column held the slot
    with op.batch_alter_table("results") as table:
        table.alter_column("version", existing_type=sa.String(), server_default=None, existing_nullable=False)
        table.alter_column("lost", existing_type=sa.BigInteger(), server_default=None, existing_nullable=False)
    op.create_index("ix_results_model_received_at", "results", ["model", "received_at"])
    op.create_table(
        "result_hours",
        sa.Column("hour", sa.BigInteger(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("endpoint", sa.String(), nullable=False),
        sa.Column("class_index", sa.Integer(), nullable=False),
        sa.Column("results", sa.BigInteger(), nullable=False),
        sa.Column("lost", sa.BigInteger(), nullable=False),
        sa.Column("confidence", sa.Float()),
        sa.Column("latency", sa.Float()),
        sa.Column("largest_latency", sa.Float()),
        sa.Column("energy", sa.Float()),
        sa.PrimaryKeyConstraint("hour", "model", "version", "endpoint", "class_index", name="pk_result_hours"),
    )
    op.create_index("ix_result_hours_endpoint_hour", "result_hours", ["endpoint", "hour"])


def downgrade() -> None:
    op.drop_table("result_hours")
    op.drop_index("ix_results_model_received_at", "results")
    with op.batch_alter_table("results") as table:
        for column in ("slot", "version", "lost", "energy"):
            table.drop_column(column)
