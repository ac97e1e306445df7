"""Federated runs: their rounds, what each device answered, and their story."""

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from lwm2m_ml.store.tables.schema import BigNumber, metadata

federated_runs = Table(
    "federated_runs",
    metadata,
    Column("id", String, primary_key=True),
    Column("model", String, nullable=False),
    Column("version", String, nullable=False),
    Column("variant", String, nullable=False),
    Column("state", String, nullable=False),
    Column("name", String, nullable=False),
    Column("selection", Text, nullable=False),
    Column("endpoints", JSON, nullable=False),
    Column("plan", JSON, nullable=False),
    Column("round", Integer, nullable=False),
    Column("void_rounds", Integer, nullable=False),
    Column("parameters", Integer, nullable=False),
    Column("weights", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_by", String, nullable=False),
    Column("created_at", Float, nullable=False, index=True),
    Column("since", Float, nullable=False),
)

federated_rounds = Table(
    "federated_rounds",
    metadata,
    Column("run_id", String, ForeignKey("federated_runs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("counted", Boolean, nullable=False),
    Column("opened_at", Float, nullable=False),
    Column("closed_at", Float, nullable=False),
    Column("asked", Integer, nullable=False),
    Column("accepted", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
    Column("examples", Integer, nullable=False),
    Column("loss", Float),
    Column("step_norm", Float),
    Column("epsilon", Float),
    Column("bytes_down", BigInteger, nullable=False),
    Column("bytes_up", BigInteger, nullable=False),
    Column("instructions", BigInteger, nullable=False),
    Column("joules", Float),
    Column("weights", String(64), nullable=False),
)

federated_answers = Table(
    "federated_answers",
    metadata,
    Column("run_id", String, ForeignKey("federated_runs.id", ondelete="CASCADE"), primary_key=True),
    Column("round", Integer, primary_key=True),
    Column("endpoint", String, primary_key=True, index=True),
    Column("outcome", String, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("at", Float, nullable=False),
    Column("examples", Integer, nullable=False),
    Column("loss", Float),
    Column("norm", Float),
    Column("bytes_down", BigInteger, nullable=False),
    Column("bytes_up", BigInteger, nullable=False),
    Column("instructions", BigInteger),
    Column("joules", Float),
)

federated_notes = Table(
    "federated_notes",
    metadata,
    Column("id", BigNumber, primary_key=True, autoincrement=True),
    Column("run_id", String, ForeignKey("federated_runs.id", ondelete="CASCADE"), nullable=False),
    Column("at", Float, nullable=False),
    Column("who", String, nullable=False),
    Column("text", Text, nullable=False),
    Index("ix_federated_notes_run_id_id", "run_id", "id"),
)
