"""Keys that devices share with the server, beside their public keys."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

ECDH_ES_A128KW = -29


def upgrade() -> None:
    with op.batch_alter_table("encryption_keys") as table:
        table.add_column(sa.Column("algorithm", sa.Integer(), nullable=False, server_default=str(ECDH_ES_A128KW)))
        table.alter_column("public_key", new_column_name="key")
    with op.batch_alter_table("encryption_keys") as table:
        table.alter_column("algorithm", server_default=None)


def downgrade() -> None:
    op.execute(sa.text("DELETE FROM encryption_keys WHERE algorithm <> :public").bindparams(public=ECDH_ES_A128KW))
    with op.batch_alter_table("encryption_keys") as table:
        table.alter_column("key", new_column_name="public_key")
        table.drop_column("algorithm")
