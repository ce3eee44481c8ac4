"""Tables of alerts in the operations database: what is wrong, who is to be told, what was sent.

Belongs here: definitions of these tables and the meaning of their columns. Nothing here is
personal data: counts, names of checks and jobs, keys such as order ids. Addresses of channels are
secrets and stand in none of them.

Does not belong here: queries (`alerts`, `alert_messages`).
"""

import sqlalchemy as sa

from resources.operations.columns import UtcDateTime, metadata
from resources.operations.columns import column as _col

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_OPEN = sa.text("resolved_at IS NULL")

# One row from the moment something goes wrong until it is in order again.
alerts = sa.Table(
    "alerts",
    metadata,
    _col("id", _BIG_ID, primary_key=True, autoincrement=True),
    _col("key", sa.String, comment="what is wrong: kind, then asset and check, job, sensor, ..."),
    _col("kind", sa.String, comment="check | run | tick | daemon | channel"),
    _col("owner", sa.String),
    _col("severity", sa.String, comment="warning | error | urgent"),
    _col("title", sa.String),
    _col("what", sa.Text),
    _col("remedy", sa.Text),
    _col("place", sa.Text, null=True, comment="path in the Dagster UI"),
    _col("failing_rows", sa.BigInteger, null=True),
    _col("at_risk_cents", sa.BigInteger, null=True),
    _col("examples", sa.Text, comment="JSON; a few keys of what fails"),
    _col("deadline_at", UtcDateTime, null=True),
    _col("opened_at", UtcDateTime),
    _col("tell_from", UtcDateTime, comment="what is over before then is told to nobody"),
    _col("last_seen_at", UtcDateTime, comment="when it last failed"),
    _col("times", sa.BigInteger, comment="how often it was found wrong"),
    _col("event_id", sa.BigInteger, null=True, comment="of Dagster's log; older ones are known"),
    _col("event_at", UtcDateTime, null=True, comment="when that event was, by Dagster's clock"),
    _col("told_severity", sa.String, comment="for which messages were made"),
    _col("told_rows", sa.BigInteger, null=True, comment="the same of failing_rows"),
    _col("escalations", sa.Integer, comment="steps taken"),
    _col("acknowledged_at", UtcDateTime, null=True),
    _col("acknowledged_by", sa.String, null=True),
    _col("note", sa.Text, null=True, comment="what that person wrote"),
    _col("resolved_at", UtcDateTime, null=True),
    _col("resolution", sa.Text, null=True),
    sa.Index("ix_alerts_key", "key", "id"),
    sa.Index(
        "uq_alerts_open_key",
        "key",
        unique=True,
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    ),
)

# Every message that left for a channel, or was about to.
alert_deliveries = sa.Table(
    "alert_deliveries",
    metadata,
    _col("id", _BIG_ID, primary_key=True, autoincrement=True),
    _col("channel", sa.String),
    _col("started_at", UtcDateTime),
    _col("outcome", sa.String, comment="unknown (until it is recorded) | sent | failed"),
    _col("alerts", sa.Integer, comment="how many it tells of"),
    _col("digest", sa.Boolean),
    _col("error", sa.Text, null=True),
    sa.Index("ix_alert_deliveries_channel", "channel", "id"),
)

# That an alert is to be told on a channel. Several of an alert become one message.
alert_notices = sa.Table(
    "alert_notices",
    metadata,
    _col("id", _BIG_ID, primary_key=True, autoincrement=True),
    _col("alert_id", _BIG_ID, sa.ForeignKey("alerts.id"), index=True),
    _col("channel", sa.String),
    _col("reason", sa.String, comment="opened | worse | escalated | recovered | fallback"),
    _col("due_at", UtcDateTime),
    _col("state", sa.String, comment="waiting | sent | dropped"),
    _col("delivery_id", _BIG_ID, sa.ForeignKey("alert_deliveries.id"), null=True),
    sa.Index("ix_alert_notices_due", "state", "due_at"),
)
