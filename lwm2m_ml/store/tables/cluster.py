"""Who acts for what in a cluster."""

from sqlalchemy import BigInteger, Column, String, Table

from lwm2m_ml.store.tables.schema import metadata

ownerships = Table(
    "ownerships",
    metadata,
    Column("name", String, primary_key=True),
    Column("token", BigInteger, nullable=False),
    Column("node", String, nullable=False),
)
