"""Who may call the API, and what they did with it."""

from sqlalchemy import JSON, Column, Float, Index, Integer, LargeBinary, String, Table, Text

from lwm2m_ml.store.tables.schema import BigNumber, metadata

tokens = Table(
    "tokens",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("label", String, nullable=False),
    Column("scope", String, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("caller", String, nullable=False),
    Column("state", String, nullable=False),
    Column("result", JSON),
    Column("error", Text, nullable=False),
    Column("created_at", Float, nullable=False, index=True),
    Column("ended_at", Float),
    Column("runner", String, nullable=False),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("fingerprint", String(64)),
    Column("answer", LargeBinary),
    Column("created_at", Float, nullable=False, index=True),
)

audit_entries = Table(
    "audit_entries",
    metadata,
    Column("id", BigNumber, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False, index=True),
    Column("caller", String, nullable=False),
    Column("scope", String, nullable=False),
    Column("address", String, nullable=False),
    Column("action", String, nullable=False),
    Column("endpoint", String),
    Column("target", String, nullable=False),
    Column("status", Integer, nullable=False),
    Column("request_id", String, nullable=False),
    Index("ix_audit_entries_endpoint_id", "endpoint", "id"),
)
