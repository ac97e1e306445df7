"""Find old results without reading all of them."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_results_received_at", "results", ["received_at"])


def downgrade() -> None:
    op.drop_index("ix_results_received_at", "results")
