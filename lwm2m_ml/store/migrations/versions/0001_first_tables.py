"""The first tables: registrations, models, artefacts, modules, deployments, results, tokens, numbers, profiles."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "artefacts",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_artefacts"),
    )
    op.create_table(
        "deployments",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_deployments"),
    )
    op.create_index("ix_deployments_created_at", "deployments", ["created_at"])

    op.create_table(
        "device_profiles",
        sa.Column("endpoint", sa.String(), nullable=False),
        sa.Column("profile", sa.JSON(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("endpoint", name="pk_device_profiles"),
    )
    op.create_table(
        "model_variants",
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("artefact_digest", sa.String(length=64), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("model", "version", "name", name="pk_model_variants"),
    )
    op.create_table(
        "models",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", "version", name="pk_models"),
    )
    op.create_table(
        "modules",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("variant", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("package_digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_modules"),
        sa.UniqueConstraint("key", name="uq_modules_key"),
    )
    op.create_table(
        "registrations",
        sa.Column("endpoint", sa.String(), nullable=False),
        sa.Column("location", sa.String(), nullable=False),
        sa.Column("address_host", sa.String(), nullable=False),
        sa.Column("address_port", sa.Integer(), nullable=False),
        sa.Column("identity", sa.String(), nullable=True),
        sa.Column("lifetime", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("binding", sa.String(), nullable=False),
        sa.Column("queue_mode", sa.Boolean(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("registered_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("endpoint", name="pk_registrations"),
        sa.UniqueConstraint("location", name="uq_registrations_location"),
    )
    op.create_table(
        "results",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("endpoint", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("class_index", sa.Integer(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=True),
        sa.Column("scores", sa.JSON(), nullable=False),
        sa.Column("latency", sa.Float(), nullable=True),
        sa.Column("received_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_results"),
    )
    op.create_index("ix_results_endpoint_id", "results", ["endpoint", "id"])

    op.create_table(
        "sequence_numbers",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_sequence_numbers"),
    )
    op.create_table(
        "tokens",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_tokens"),
    )
    op.create_table(
        "deployment_devices",
        sa.Column("deployment_id", sa.String(), nullable=False),
        sa.Column("endpoint", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("variant", sa.String(), nullable=True),
        sa.Column("module_digest", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("ota_bytes", sa.BigInteger(), nullable=True),
        sa.Column("ota_seconds", sa.Float(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["deployment_id"], ["deployments.id"], name="fk_deployment_devices_deployment_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("deployment_id", "endpoint", name="pk_deployment_devices"),
    )
    op.create_index("ix_deployment_devices_endpoint", "deployment_devices", ["endpoint"])


def downgrade() -> None:
    op.drop_index("ix_deployment_devices_endpoint", "deployment_devices")
    op.drop_table("deployment_devices")
    op.drop_table("tokens")
    op.drop_table("sequence_numbers")
    op.drop_index("ix_results_endpoint_id", "results")
    op.drop_table("results")
    op.drop_table("registrations")
    op.drop_table("modules")
    op.drop_table("models")
    op.drop_table("model_variants")
    op.drop_table("device_profiles")
    op.drop_index("ix_deployments_created_at", "deployments")
    op.drop_table("deployments")
    op.drop_table("artefacts")
