"""What is known of devices, what they were asked, and how operators group them."""

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Integer, String, Table, Text

from lwm2m_ml.store.tables.schema import BigNumber, metadata

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

device_profiles = Table(
    "device_profiles",
    metadata,
    Column("endpoint", String, primary_key=True),
    Column("profile", JSON, nullable=False),
    Column("updated_at", Float, nullable=False),
)

device_types = Table(
    "device_types",
    metadata,
    Column("name", String, primary_key=True),
    Column("facts", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
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
