"""Alerts: what is wrong, who is to be told, what was sent."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_OPEN = sa.text("resolved_at IS NULL")


def upgrade() -> None:
    """Add the tables of alerts."""
    _alerts()
    _deliveries()
    _notices()


def downgrade() -> None:
    """Take them away."""
    for table in ("alert_notices", "alert_deliveries", "alerts"):
        op.drop_table(table)


def _alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column(
            "key",
            sa.String(),
            nullable=False,
            comment="what is wrong: kind, then asset and check, job, sensor, ...",
        ),
        sa.Column(
            "kind", sa.String(), nullable=False, comment="check | run | tick | daemon | channel"
        ),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("severity", sa.String(), nullable=False, comment="warning | error | urgent"),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("remedy", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=True, comment="path in the Dagster UI"),
        sa.Column("failing_rows", sa.BigInteger(), nullable=True),
        sa.Column("at_risk_cents", sa.BigInteger(), nullable=True),
        sa.Column("examples", sa.Text(), nullable=False, comment="JSON; a few keys of what fails"),
        sa.Column("deadline_at", _TIME, nullable=True),
        sa.Column("opened_at", _TIME, nullable=False),
        sa.Column(
            "tell_from",
            _TIME,
            nullable=False,
            comment="what is over before then is told to nobody",
        ),
        sa.Column("last_seen_at", _TIME, nullable=False, comment="when it last failed"),
        sa.Column("times", sa.BigInteger(), nullable=False, comment="how often it was found wrong"),
        sa.Column(
            "event_id",
            sa.BigInteger(),
            nullable=True,
            comment="of Dagster's log; older ones are known",
        ),
        sa.Column(
            "event_at", _TIME, nullable=True, comment="when that event was, by Dagster's clock"
        ),
        sa.Column(
            "told_severity", sa.String(), nullable=False, comment="for which messages were made"
        ),
        sa.Column("told_rows", sa.BigInteger(), nullable=True, comment="the same of failing_rows"),
        sa.Column("escalations", sa.Integer(), nullable=False, comment="steps taken"),
        sa.Column("acknowledged_at", _TIME, nullable=True),
        sa.Column("acknowledged_by", sa.String(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True, comment="what that person wrote"),
        sa.Column("resolved_at", _TIME, nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_alerts"),
    )
    op.create_index("ix_alerts_key", "alerts", ["key", "id"])
    op.create_index(
        "uq_alerts_open_key",
        "alerts",
        ["key"],
        unique=True,
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    )


def _deliveries() -> None:
    op.create_table(
        "alert_deliveries",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column(
            "outcome",
            sa.String(),
            nullable=False,
            comment="unknown (until it is recorded) | sent | failed",
        ),
        sa.Column("alerts", sa.Integer(), nullable=False, comment="how many it tells of"),
        sa.Column("digest", sa.Boolean(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_alert_deliveries"),
    )
    op.create_index("ix_alert_deliveries_channel", "alert_deliveries", ["channel", "id"])


def _notices() -> None:
    op.create_table(
        "alert_notices",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("alert_id", _BIG_ID, nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column(
            "reason",
            sa.String(),
            nullable=False,
            comment="opened | worse | escalated | recovered | fallback",
        ),
        sa.Column("due_at", _TIME, nullable=False),
        sa.Column("state", sa.String(), nullable=False, comment="waiting | sent | dropped"),
        sa.Column("delivery_id", _BIG_ID, nullable=True),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"], name="fk_alert_notices_alert_id"),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["alert_deliveries.id"], name="fk_alert_notices_delivery_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_alert_notices"),
    )
    op.create_index("ix_alert_notices_alert_id", "alert_notices", ["alert_id"])
    op.create_index("ix_alert_notices_due", "alert_notices", ["state", "due_at"])
