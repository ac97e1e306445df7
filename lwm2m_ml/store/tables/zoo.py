"""Models, and what was built of them."""

from sqlalchemy import JSON, BigInteger, Column, Float, Integer, LargeBinary, String, Table

from lwm2m_ml.store.tables.schema import metadata

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

model_aliases = Table(
    "model_aliases",
    metadata,
    Column("model", String, primary_key=True),
    Column("alias", String, primary_key=True),
    Column("version", String, nullable=False),
)

artefacts = Table(
    "artefacts",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False),
)

explanation_archives = Table(
    "explanation_archives",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False, index=True),
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

sequence_numbers = Table(
    "sequence_numbers",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", BigInteger, nullable=False),
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
