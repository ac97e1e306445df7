"""What devices infer, how well, and what was noticed of it."""

from sqlalchemy import JSON, BigInteger, Column, Float, Index, Integer, LargeBinary, String, Table, Text

from lwm2m_ml.store.tables.schema import BigNumber, metadata

results = Table(
    "results",
    metadata,
    Column("id", BigNumber, primary_key=True, autoincrement=True),
    Column("endpoint", String, nullable=False),
    Column("slot", Integer),
    Column("model", String, nullable=False),
    Column("version", String, nullable=False),
    Column("series", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("lost", BigInteger, nullable=False),
    Column("class_index", Integer, nullable=False),
    Column("label", String, nullable=False),
    Column("confidence", Float),
    Column("scores", JSON, nullable=False),
    Column("latency", Float),
    Column("energy", Float),
    Column("received_at", Float, nullable=False, index=True),
    Index("ix_results_endpoint_id", "endpoint", "id"),
    Index("ix_results_model_received_at", "model", "received_at"),
)

result_hours = Table(
    "result_hours",
    metadata,
    Column("hour", BigInteger, primary_key=True),
    Column("model", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("endpoint", String, primary_key=True),
    Column("class_index", Integer, primary_key=True),
    Column("results", BigInteger, nullable=False),
    Column("lost", BigInteger, nullable=False),
    Column("confidence", Float),
    Column("latency", Float),
    Column("largest_latency", Float),
    Column("energy", Float),
    Index("ix_result_hours_endpoint_hour", "endpoint", "hour"),
)

watched_models = Table(
    "watched_models",
    metadata,
    Column("endpoint", String, primary_key=True),
    Column("slot", Integer, primary_key=True),
    Column("module_digest", String(64), nullable=False),
    Column("counters", JSON, nullable=False),
    Column("phases", JSON, nullable=False),
    Column("taken_at", Float, nullable=False),
)

alarms = Table(
    "alarms",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("endpoint", String, nullable=False, index=True),
    Column("model", String, nullable=False),
    Column("version", String, nullable=False),
    Column("feature", String, nullable=False),
    Column("message", Text, nullable=False),
    Column("figures", JSON, nullable=False),
    Column("raised_at", Float, nullable=False, index=True),
    Column("cleared_at", Float),
    Column("acknowledged_at", Float),
    Column("acknowledged_by", String),
)

feedback = Table(
    "feedback",
    metadata,
    Column("endpoint", String, primary_key=True),
    Column("model", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("series", BigInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("decided", Integer, nullable=False),
    Column("true_class", Integer, nullable=False),
    Column("given_by", String, nullable=False),
    Column("given_at", Float, nullable=False, index=True),
)

capture_consents = Table(
    "capture_consents",
    metadata,
    Column("endpoint", String, primary_key=True),
    Column("per_day", Integer, nullable=False),
    Column("granted_by", String, nullable=False),
    Column("granted_at", Float, nullable=False),
)

captures = Table(
    "captures",
    metadata,
    Column("id", BigNumber, primary_key=True, autoincrement=True),
    Column("endpoint", String, nullable=False, index=True),
    Column("model", String, nullable=False, index=True),
    Column("version", String, nullable=False),
    Column("series", BigInteger, nullable=False),
    Column("number", BigInteger),
    Column("tensor", JSON, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("captured_at", Float, nullable=False),
)
