"""Federated runs: rounds in which devices learn together, what each answered, and the story."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "federated_runs",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("variant", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("selection", sa.Text(), nullable=False),
        sa.Column("endpoints", sa.JSON(), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("void_rounds", sa.Integer(), nullable=False),
        sa.Column("parameters", sa.Integer(), nullable=False),
        sa.Column("weights", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_federated_runs"),
    )
    op.create_index("ix_federated_runs_created_at", "federated_runs", ["created_at"])
    op.create_table(
        "federated_rounds",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("counted", sa.Boolean(), nullable=False),
        sa.Column("opened_at", sa.Float(), nullable=False),
        sa.Column("closed_at", sa.Float(), nullable=False),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("examples", sa.Integer(), nullable=False),
        sa.Column("loss", sa.Float(), nullable=True),
        sa.Column("step_norm", sa.Float(), nullable=True),
        sa.Column("epsilon", sa.Float(), nullable=True),
        sa.Column("bytes_down", sa.BigInteger(), nullable=False),
        sa.Column("bytes_up", sa.BigInteger(), nullable=False),
        sa.Column("instructions", sa.BigInteger(), nullable=False),
        sa.Column("joules", sa.Float(), nullable=True),
        sa.Column("weights", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["federated_runs.id"], name="fk_federated_rounds_run_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "number", name="pk_federated_rounds"),
    )
    op.create_table(
        "federated_answers",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("endpoint", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("examples", sa.Integer(), nullable=False),
        sa.Column("loss", sa.Float(), nullable=True),
        sa.Column("norm", sa.Float(), nullable=True),
        sa.Column("bytes_down", sa.BigInteger(), nullable=False),
        sa.Column("bytes_up", sa.BigInteger(), nullable=False),
        sa.Column("instructions", sa.BigInteger(), nullable=True),
        sa.Column("joules", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["federated_runs.id"], name="fk_federated_answers_run_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "round", "endpoint", "outcome", name="pk_federated_answers"),
    )
    op.create_index("ix_federated_answers_endpoint", "federated_answers", ["endpoint"])
    op.create_table(
        "federated_notes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["federated_runs.id"], name="fk_federated_notes_run_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_federated_notes"),
    )
    op.create_index("ix_federated_notes_run_id_id", "federated_notes", ["run_id", "id"])


def downgrade() -> None:
    op.drop_index("ix_federated_notes_run_id_id", "federated_notes")
    op.drop_table("federated_notes")
    op.drop_index("ix_federated_answers_endpoint", "federated_answers")
    op.drop_table("federated_answers")
    op.drop_table("federated_rounds")
    op.drop_index("ix_federated_runs_created_at", "federated_runs")
    op.drop_table("federated_runs")
