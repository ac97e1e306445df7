"""The modules of explanations lie apart from the artefacts, and are forgotten in time; those that there were move."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_COLUMNS = (
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("content", sa.LargeBinary(), nullable=False),
    sa.Column("created_at", sa.Float(), nullable=False),
)


def upgrade() -> None:
    archives = op.create_table(
        "explanation_archives", *_COLUMNS, sa.PrimaryKeyConstraint("digest", name="pk_explanation_archives")
    )
    op.create_index("ix_explanation_archives_created_at", "explanation_archives", ["created_at"])
    artefacts = sa.table("artefacts", *(sa.column(column.name) for column in _COLUMNS))
    jobs = sa.table("jobs", sa.column("kind"), sa.column("result", sa.JSON()))
    connection = op.get_bind()
    results = connection.execute(sa.select(jobs.c.result).where(jobs.c.kind == "explanation")).scalars().all()
    for digest in sorted({result["archive"] for result in results if isinstance(result, dict)}):
        own = artefacts.c.digest == digest
        connection.execute(archives.insert().from_select(list(artefacts.c.keys()), sa.select(artefacts).where(own)))
        connection.execute(artefacts.delete().where(own))


def downgrade() -> None:
    op.drop_table("explanation_archives")
