"""First tables: orders, warehouse, outbox, quarantine, watermarks, runs."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create all tables in an empty database."""
    _orders()
    _warehouse()
    _outbox()
    _upkeep()


def downgrade() -> None:
    """Drop all tables."""
    for table in (
        "outbox_attempts",
        "orders",
        "position_items",
        "wms_orders",
        "wms_order_lines",
        "fulfilment_events",
        "parcels",
        "parcel_lines",
        "return_numbers",
        "outbox",
        "quarantine",
        "watermarks",
        "sync_runs",
    ):
        op.drop_table(table)


def _orders() -> None:
    op.create_table(
        "orders",
        sa.Column("sales_order_id", sa.String(), nullable=False),
        sa.Column("order_number", sa.String(), nullable=False),
        sa.Column("ordered_at", _TIME, nullable=False),
        sa.Column(
            "order_day",
            sa.Date(),
            nullable=False,
            comment="calendar day of ordered_at in Europe/Berlin",
        ),
        sa.Column("last_modified_at", _TIME, nullable=True),
        sa.Column("lifecycle_changed_at", _TIME, nullable=False),
        sa.Column("payment_method", sa.String(), nullable=True),
        sa.Column(
            "delivery_address",
            sa.Text(),
            nullable=True,
            comment="JSON; personal data; null while ANNOUNCED",
        ),
        sa.Column("delivery_fee_cents", sa.BigInteger(), nullable=False),
        sa.Column("order_discount_cents", sa.BigInteger(), nullable=False),
        sa.Column(
            "discount_reading",
            sa.String(),
            nullable=False,
            comment="none | included | on_top | ambiguous",
        ),
        sa.Column(
            "payload_hash", sa.String(), nullable=False, comment="hash of the order as OTTO sent it"
        ),
        sa.Column(
            "page_ref", sa.String(), nullable=False, comment="raw page that holds the evidence"
        ),
        sa.Column("first_seen_at", _TIME, nullable=False),
        sa.Column(
            "recorded_at", _TIME, nullable=False, comment="when this row last changed, our clock"
        ),
        sa.PrimaryKeyConstraint("sales_order_id", name="pk_orders"),
    )
    op.create_index("ix_orders_order_day", "orders", ["order_day"])
    op.create_index("ix_orders_recorded_at", "orders", ["recorded_at"])
    op.create_table(
        "position_items",
        sa.Column("sales_order_id", sa.String(), nullable=False),
        sa.Column("position_item_id", sa.String(), nullable=False),
        sa.Column("sku", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=True),
        sa.Column("ean", sa.String(), nullable=True),
        sa.Column("article_number", sa.String(), nullable=True),
        sa.Column("vat_rate", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("gross_cents", sa.BigInteger(), nullable=False),
        sa.Column("reduced_cents", sa.BigInteger(), nullable=True),
        sa.Column("item_discount_cents", sa.BigInteger(), nullable=False),
        sa.Column("order_discount_share_cents", sa.BigInteger(), nullable=False),
        sa.Column(
            "buyer_price_cents",
            sa.BigInteger(),
            nullable=False,
            comment="what the buyer pays for this unit",
        ),
        sa.Column("fulfilment_status", sa.String(), nullable=False),
        sa.Column("expected_delivery_at", _TIME, nullable=True),
        sa.Column("processable_at", _TIME, nullable=True),
        sa.Column("sent_at", _TIME, nullable=True),
        sa.Column("returned_at", _TIME, nullable=True),
        sa.Column("cancelled_at", _TIME, nullable=True),
        sa.Column("cancellation_reason", sa.String(), nullable=True),
        sa.Column("otto_carrier", sa.String(), nullable=True),
        sa.Column("otto_tracking_number", sa.String(), nullable=True),
        sa.Column("ship_by_at", _TIME, nullable=True),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("sales_order_id", "position_item_id", name="pk_position_items"),
    )
    op.create_index("ix_position_items_fulfilment_status", "position_items", ["fulfilment_status"])
    op.create_index("ix_position_items_recorded_at", "position_items", ["recorded_at"])


def _warehouse() -> None:
    op.create_table(
        "wms_orders",
        sa.Column("order_ref", sa.String(), nullable=False),
        sa.Column("wms_order_id", sa.String(), nullable=True),
        sa.Column(
            "submitted_at", _TIME, nullable=True, comment="null: seen in the WMS, never sent by us"
        ),
        sa.Column("last_event_at", _TIME, nullable=True),
        sa.Column(
            "audited_at", _TIME, nullable=True, comment="when we last asked the WMS for this order"
        ),
        sa.Column(
            "present",
            sa.Boolean(),
            nullable=False,
            comment="false: the WMS said that it has no such order",
        ),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("order_ref", name="pk_wms_orders"),
    )
    op.create_index("ix_wms_orders_recorded_at", "wms_orders", ["recorded_at"])
    op.create_table(
        "wms_order_lines",
        sa.Column("order_ref", sa.String(), nullable=False),
        sa.Column("line_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False, comment="resources.wms.port.LineState"),
        sa.Column("sku_sent", sa.String(), nullable=True),
        sa.Column("price_sent_cents", sa.BigInteger(), nullable=True),
        sa.Column("sku_seen", sa.String(), nullable=True),
        sa.Column("price_seen_cents", sa.BigInteger(), nullable=True),
        sa.Column("currency_seen", sa.String(), nullable=True),
        sa.Column("quantity_shipped", sa.Integer(), nullable=False),
        sa.Column("short_discrepancy", sa.String(), nullable=True),
        sa.Column("short_reason", sa.String(), nullable=True),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("order_ref", "line_id", name="pk_wms_order_lines"),
    )
    op.create_index("ix_wms_order_lines_recorded_at", "wms_order_lines", ["recorded_at"])
    op.create_table(
        "fulfilment_events",
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("occurred_at", _TIME, nullable=False),
        sa.Column("observed_at", _TIME, nullable=False),
        sa.Column("order_ref", sa.String(), nullable=False),
        sa.Column(
            "payload",
            sa.Text(),
            nullable=False,
            comment="the event as JSON; it holds no personal data",
        ),
        sa.PrimaryKeyConstraint("event_id", name="pk_fulfilment_events"),
    )
    op.create_index("ix_fulfilment_events_order_ref", "fulfilment_events", ["order_ref"])
    op.create_table(
        "parcels",
        sa.Column("parcel_id", sa.String(), nullable=False),
        sa.Column("order_ref", sa.String(), nullable=False),
        sa.Column("wms_dispatch_id", sa.String(), nullable=True),
        sa.Column("carrier_raw", sa.String(), nullable=True),
        sa.Column(
            "carrier", sa.String(), nullable=True, comment="OTTO carrier code, null while unknown"
        ),
        sa.Column("tracking_number", sa.String(), nullable=True),
        sa.Column("tracking_url", sa.String(), nullable=True),
        sa.Column(
            "corrected_tracking_number",
            sa.String(),
            nullable=True,
            comment="the WMS's latest correction",
        ),
        sa.Column("corrected_at", _TIME, nullable=True, comment="when the WMS corrected it"),
        sa.Column("return_carrier", sa.String(), nullable=True),
        sa.Column("return_tracking_number", sa.String(), nullable=True),
        sa.Column("shipped_at", _TIME, nullable=False),
        sa.Column("state", sa.String(), nullable=False, comment="received | parked | released"),
        sa.Column(
            "parked_rules", sa.Text(), nullable=True, comment="JSON list of {rule, reason, remedy}"
        ),
        sa.Column("warnings", sa.Text(), nullable=True, comment="JSON list of {rule, reason}"),
        sa.Column("deadline_at", _TIME, nullable=True),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("parcel_id", name="pk_parcels"),
    )
    op.create_index("ix_parcels_order_ref", "parcels", ["order_ref"])
    op.create_index("ix_parcels_recorded_at", "parcels", ["recorded_at"])
    op.create_index("ix_parcels_state", "parcels", ["state"])
    op.create_table(
        "parcel_lines",
        sa.Column("parcel_id", sa.String(), nullable=False),
        sa.Column("line_id", sa.String(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("parcel_id", "line_id", name="pk_parcel_lines"),
    )
    op.create_table(
        "return_numbers",
        sa.Column("carrier", sa.String(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("parcel_id", sa.String(), nullable=True),
        sa.Column("taken_at", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("carrier", "number", name="pk_return_numbers"),
        sa.UniqueConstraint("parcel_id", name="uq_return_numbers_parcel_id"),
    )


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column(
            "kind",
            sa.String(),
            nullable=False,
            comment="wms_order | wms_cancellation | otto_shipment | ...",
        ),
        sa.Column("business_key", sa.String(), nullable=False),
        sa.Column("order_ref", sa.String(), nullable=False),
        sa.Column(
            "payload",
            sa.Text(),
            nullable=False,
            comment="JSON; what is needed to build the request",
        ),
        sa.Column("payload_hash", sa.String(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False, comment="smaller goes first"),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", _TIME, nullable=False),
        sa.Column("lease_token", sa.String(), nullable=True),
        sa.Column("lease_until", _TIME, nullable=True),
        sa.Column("result", sa.Text(), nullable=True, comment="JSON; what the other side answered"),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True, comment="why blocked, failed or ignored"),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint("kind", "business_key", name="uq_outbox_kind_business_key"),
    )
    op.create_index("ix_outbox_due", "outbox", ["state", "next_attempt_at", "priority"])
    op.create_index("ix_outbox_order_ref", "outbox", ["order_ref"])
    op.create_index("ix_outbox_recorded_at", "outbox", ["recorded_at"])
    op.create_table(
        "outbox_attempts",
        sa.Column("outbox_id", _ID, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("finished_at", _TIME, nullable=True),
        sa.Column(
            "outcome",
            sa.String(),
            nullable=False,
            comment="sending | confirmed | accepted | retryable | unknown | refused | not_sent",
        ),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["outbox_id"], ["outbox.id"], name="fk_outbox_attempts_outbox_id"),
        sa.PrimaryKeyConstraint("outbox_id", "attempt", name="pk_outbox_attempts"),
    )


def _upkeep() -> None:
    op.create_table(
        "quarantine",
        sa.Column("source", sa.String(), nullable=False, comment="otto_orders | wms_events | ..."),
        sa.Column("business_key", sa.String(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("field", sa.String(), nullable=False),
        sa.Column("shown", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("remedy", sa.String(), nullable=False),
        sa.Column("evidence_ref", sa.String(), nullable=True),
        sa.Column("first_seen_at", _TIME, nullable=False),
        sa.Column("last_seen_at", _TIME, nullable=False),
        sa.Column(
            "resolved_at", _TIME, nullable=True, comment="set when the same row later passes"
        ),
        sa.PrimaryKeyConstraint("source", "business_key", "rule", name="pk_quarantine"),
    )
    op.create_table(
        "watermarks",
        sa.Column("source", sa.String(), nullable=False),
        sa.Column(
            "position",
            sa.String(),
            nullable=False,
            comment="opaque for the reader: a cursor or an ISO time",
        ),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("source", name="pk_watermarks"),
    )
    op.create_table(
        "sync_runs",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("flow", sa.String(), nullable=False),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("finished_at", _TIME, nullable=True),
        sa.Column("result", sa.String(), nullable=False, comment="running | success | failure"),
        sa.Column("counts", sa.Text(), nullable=False, comment="JSON object of numbers"),
        sa.Column(
            "transport",
            sa.Text(),
            nullable=False,
            comment="JSON object: transport fault kind to count",
        ),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_sync_runs"),
    )
    op.create_index("ix_sync_runs_flow", "sync_runs", ["flow"])
