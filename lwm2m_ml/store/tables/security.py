"""What devices and the server prove themselves with."""

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Integer, LargeBinary, String, Table, Text

from lwm2m_ml.store.tables.schema import metadata

credentials = Table(
    "credentials",
    metadata,
    Column("id", String, primary_key=True),
    Column("endpoint", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("identity", String, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float),
    Column("revoked_at", Float),
)

bootstrap_configurations = Table(
    "bootstrap_configurations",
    metadata,
    Column("pattern", String, primary_key=True),
    Column("configuration", JSON, nullable=False),
    Column("updated_at", Float, nullable=False),
)

dtls_sessions = Table(
    "dtls_sessions",
    metadata,
    Column("identity", String, primary_key=True),
    Column("key", String, nullable=False, index=True),
    Column("endpoint", String, nullable=False),
    Column("address", JSON, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("next_number", BigInteger, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("complete", Boolean, nullable=False),
    Column("saved_at", Float, nullable=False),
)

oscore_contexts = Table(
    "oscore_contexts",
    metadata,
    Column("context", String, primary_key=True),
    Column("next_number", BigInteger, nullable=False),
    Column("taken", Boolean, nullable=False),
    Column("saved", Boolean, nullable=False),
    Column("highest", BigInteger, nullable=False),
    Column("seen", Text, nullable=False),
)

encryption_keys = Table(
    "encryption_keys",
    metadata,
    Column("endpoint", String, primary_key=True),
    Column("algorithm", Integer, nullable=False),
    Column("key", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False),
)
