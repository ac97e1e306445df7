"""Every table of the service. Times are Unix seconds, digests lower-case hexadecimal SHA-256."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite gives only an INTEGER PRIMARY KEY its own numbers; elsewhere 32 bits are too few.
BigNumber = BigInteger().with_variant(Integer, "sqlite")

registrations = Table(
    "registrations",
    metadata,
    Column("endpoint", String, primary_key=True),
    Column("location", String, nullable=False, unique=True),
    Column("address_host", String, nullable=False),
    Column("address_port", Integer, nullable=False),
    Column("identity", String),
    Column("lifetime", BigInteger, nullable=False),
    Column("version", String, nullable=False),
    Column("binding", String, nullable=False),
    Column("queue_mode", Boolean, nullable=False),
    Column("parameters", Text, nullable=False),
    Column("registered_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
)

models = Table(
    "models",
    metadata,
    Column("name", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("metrics", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
)

model_variants = Table(
    "model_variants",
    metadata,
    Column("model", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("artefact_digest", String(64), nullable=False),
    Column("metrics", JSON, nullable=False),
)

artefacts = Table(
    "artefacts",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False),
)

modules = Table(
    "modules",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("key", String, nullable=False, unique=True),
    Column("model", String, nullable=False),
    Column("version", String, nullable=False),
    Column("variant", String, nullable=False),
    Column("target", String, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("package_digest", String(64), nullable=False),
    Column("created_at", Float, nullable=False),
)

campaigns = Table(
    "campaigns",
    metadata,
    Column("id", String, primary_key=True),
    Column("model", String, nullable=False),
    Column("version", String, nullable=False),
    Column("state", String, nullable=False),
    Column("name", String, nullable=False),
    Column("selection", Text, nullable=False),
    Column("plan", JSON, nullable=False),
    Column("phase", Integer, nullable=False),
    Column("forgiven", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_by", String, nullable=False),
    Column("created_at", Float, nullable=False, index=True),
    Column("since", Float, nullable=False),
)

campaign_devices = Table(
    "campaign_devices",
    metadata,
    Column("campaign_id", String, ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True),
    Column("endpoint", String, primary_key=True, index=True),
    Column("target", String, nullable=False),
    Column("state", String, nullable=False),
    Column("phase", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", Float, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Float),
    Column("before", String),
    Column("reported", String),
    Column("variant", String),
    Column("module_digest", String(64)),
    Column("ota_bytes", BigInteger),
    Column("ota_seconds", Float),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
)

campaign_notes = Table(
    "campaign_notes",
    metadata,
    Column("id", BigNumber, primary_key=True, autoincrement=True),
    Column("campaign_id", String, ForeignKey("campaigns.id", ondelete="CASCADE"), nullable=False),
    Column("at", Float, nullable=False),
    Column("who", String, nullable=False),
    Column("text", Text, nullable=False),
    Index("ix_campaign_notes_campaign_id_id", "campaign_id", "id"),
)

device_groups = Table(
    "device_groups",
    metadata,
    Column("name", String, primary_key=True),
    Column("filter", Text, nullable=False),
    Column("created_at", Float, nullable=False),
)

device_tags = Table(
    "device_tags",
    metadata,
    Column("endpoint", String, primary_key=True),
    Column("tag", String, primary_key=True),
)

device_types = Table(
    "device_types",
    metadata,
    Column("name", String, primary_key=True),
    Column("facts", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
)

model_aliases = Table(
    "model_aliases",
    metadata,
    Column("model", String, primary_key=True),
    Column("alias", String, primary_key=True),
    Column("version", String, nullable=False),
)

results = Table(
    "results",
    metadata,
    Column("id", BigNumber, primary_key=True, autoincrement=True),
    Column("endpoint", String, nullable=False),
    Column("slot", Integer),
    Column("model", String, nullable=False),
    Column("version", String, nullable=False),
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

tokens = Table(
    "tokens",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("label", String, nullable=False),
    Column("scope", String, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float),
)

sequence_numbers = Table(
    "sequence_numbers",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

device_profiles = Table(
    "device_profiles",
    metadata,
    Column("endpoint", String, primary_key=True),
    Column("profile", JSON, nullable=False),
    Column("updated_at", Float, nullable=False),
)

observations = Table(
    "observations",
    metadata,
    Column("endpoint", String, primary_key=True),
    Column("paths", String, primary_key=True),
    Column("composite", Boolean, primary_key=True),
    Column("created_at", Float, nullable=False),
)

device_requests = Table(
    "device_requests",
    metadata,
    Column("id", BigNumber, primary_key=True, autoincrement=True),
    Column("endpoint", String, nullable=False, index=True),
    Column("operation", JSON, nullable=False),
    Column("state", String, nullable=False),
    Column("outcome", JSON),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("ended_at", Float),
)

bootstrap_configurations = Table(
    "bootstrap_configurations",
    metadata,
    Column("pattern", String, primary_key=True),
    Column("configuration", JSON, nullable=False),
    Column("updated_at", Float, nullable=False),
)

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

dtls_sessions = Table(
    "dtls_sessions",
    metadata,
    Column("id", BigNumber, primary_key=True, autoincrement=True),
    Column("identity", String, nullable=False),
    Column("address", JSON, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
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

download_offers = Table(
    "download_offers",
    metadata,
    Column("token", String, primary_key=True),
    Column("endpoint", String, nullable=False),
    Column("uri", String, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("expires_at", Float, nullable=False),
)

delivery_experience = Table(
    "delivery_experience",
    metadata,
    Column("kind", String, primary_key=True),
    Column("way", String, primary_key=True),
    Column("arrived", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("block_bytes", Integer),
    Column("updated_at", Float, nullable=False),
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

feedback = Table(
    "feedback",
    metadata,
    Column("endpoint", String, primary_key=True),
    Column("model", String, primary_key=True),
    Column("version", String, primary_key=True),
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
    Column("number", BigInteger),
    Column("tensor", JSON, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("captured_at", Float, nullable=False),
)

base_images = Table(
    "base_images",
    metadata,
    Column("vendor_id", String(32), primary_key=True),
    Column("class_id", String(32), primary_key=True),
    Column("name", String, nullable=False),
    Column("version", String, nullable=False),
    Column("rtos", String, nullable=False),
    Column("slot_address", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("created_at", Float, nullable=False),
)

encryption_keys = Table(
    "encryption_keys",
    metadata,
    Column("endpoint", String, primary_key=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False),
)
