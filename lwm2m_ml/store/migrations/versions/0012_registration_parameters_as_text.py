"""What a device registered becomes text: the server writes and reads the document, the store only keeps it."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("registrations") as table:
        table.alter_column("parameters", existing_type=sa.JSON(), type_=sa.Text(), existing_nullable=False)


def downgrade() -> None:
    with op.batch_alter_table("registrations") as table:
        table.alter_column(
            "parameters",
            existing_type=sa.Text(),
            type_=sa.JSON(),
            existing_nullable=False,
            postgresql_using="parameters::json",
        )
