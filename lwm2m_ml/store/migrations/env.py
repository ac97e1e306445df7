"""Alembic's entry: runs on the connection it was given, leaves logging alone."""

from alembic import context

from lwm2m_ml.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection, target_metadata=metadata, render_as_batch=True, transaction_per_migration=False
)
with context.begin_transaction():
    context.run_migrations()
