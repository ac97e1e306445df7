"""Campaigns and deliveries."""

from sqlalchemy import JSON, BigInteger, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from lwm2m_ml.store.tables.schema import BigNumber, metadata

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
