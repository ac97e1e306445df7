"""Deployments become campaigns; groups, tags and types of devices; names for versions of models."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

AT_ONCE = {"phases": [{"size": "100%"}], "thresholds": {"errors": 100}, "retry": {"attempts": 1}}
DEVICES = "endpoint, target, variant, module_digest, state, reason, ota_bytes, ota_seconds, created_at, updated_at"


def upgrade() -> None:
    op.create_table(
        "campaigns",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("selection", sa.Text(), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("phase", sa.Integer(), nullable=False),
        sa.Column("forgiven", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_campaigns"),
    )
    op.create_index("ix_campaigns_created_at", "campaigns", ["created_at"])
    op.create_table(
        "campaign_devices",
        sa.Column("campaign_id", sa.String(), nullable=False),
        sa.Column("endpoint", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("phase", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.Float(), nullable=True),
        sa.Column("before", sa.String(), nullable=True),
        sa.Column("reported", sa.String(), nullable=True),
        sa.Column("variant", sa.String(), nullable=True),
        sa.Column("module_digest", sa.String(length=64), nullable=True),
        sa.Column("ota_bytes", sa.BigInteger(), nullable=True),
        sa.Column("ota_seconds", sa.Float(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name="fk_campaign_devices_campaign_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("campaign_id", "endpoint", name="pk_campaign_devices"),
    )
    op.create_index("ix_campaign_devices_endpoint", "campaign_devices", ["endpoint"])
    op.create_table(
        "campaign_notes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("campaign_id", sa.String(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name="fk_campaign_notes_campaign_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_campaign_notes"),
    )
    op.create_index("ix_campaign_notes_campaign_id_id", "campaign_notes", ["campaign_id", "id"])
    op.create_table(
        "device_groups",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("filter", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_device_groups"),
    )
    op.create_table(
        "device_tags",
        sa.Column("endpoint", sa.String(), nullable=False),
        sa.Column("tag", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("endpoint", "tag", name="pk_device_tags"),
    )
    op.create_table(
        "device_types",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_device_types"),
    )
    op.create_table(
        "model_aliases",
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("alias", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("model", "alias", name="pk_model_aliases"),
    )
    op.execute(
        sa.text(
            "INSERT INTO campaigns (id, model, version, state, name, selection, plan, phase, forgiven, reason,"
            " created_by, created_at, since)"
            " SELECT id, model, version, state, '', '', :plan, 0, 0, '', '', created_at, created_at"
            " FROM deployments"
        ).bindparams(sa.bindparam("plan", AT_ONCE, sa.JSON()))
    )
    op.execute(
        f"INSERT INTO campaign_devices (campaign_id, phase, since, attempts, {DEVICES})"  # noqa: S608 - a constant
        f" SELECT deployment_id, 0, updated_at, 0, {DEVICES} FROM deployment_devices"
    )
    op.drop_index("ix_deployment_devices_endpoint", "deployment_devices")
    op.drop_table("deployment_devices")
    op.drop_index("ix_deployments_created_at", "deployments")
    op.drop_table("deployments")


def downgrade() -> None:
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
    op.execute(
        "INSERT INTO deployments (id, model, version, state, created_at)"
        " SELECT id, model, version, state, created_at FROM campaigns"
    )
    op.execute(
        f"INSERT INTO deployment_devices (deployment_id, {DEVICES})"  # noqa: S608 - a constant
        f" SELECT campaign_id, {DEVICES} FROM campaign_devices"
    )
    for table in ("model_aliases", "device_types", "device_tags", "device_groups"):
        op.drop_table(table)
    op.drop_index("ix_campaign_notes_campaign_id_id", "campaign_notes")
    op.drop_table("campaign_notes")
    op.drop_index("ix_campaign_devices_endpoint", "campaign_devices")
    op.drop_table("campaign_devices")
    op.drop_index("ix_campaigns_created_at", "campaigns")
    op.drop_table("campaigns")
