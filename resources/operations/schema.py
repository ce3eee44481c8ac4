"""Tables of the operations database: what we have seen and what we have done.

Belongs here: tables of orders, warehouse, stock and everything outbound, with their columns'
meanings. Unique keys are what makes every command idempotent, so they live here too. Alembic
migrations in `migrations/` create exactly these tables (a test compares both).

Does not belong here: tables of receipts, returns and prices (`money_schema`) and of alerts
(`alerts_schema`), queries (the modules beside this one) and finance tables (`resources.finance`).
"""

import sqlalchemy as sa

import resources.operations.alerts_schema
import resources.operations.money_schema  # noqa: F401 - their tables are part of the schema
from resources.operations.columns import UtcDateTime, metadata
from resources.operations.columns import column as _col

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# One row per OTTO sales order. `delivery_address` is the one place with personal data of a buyer.
orders = sa.Table(
    "orders",
    metadata,
    _col("sales_order_id", sa.String, primary_key=True),
    _col("order_number", sa.String),
    _col("ordered_at", UtcDateTime),
    _col("order_day", sa.Date, comment="calendar day of ordered_at in Europe/Berlin"),
    _col("last_modified_at", UtcDateTime, null=True),
    _col("lifecycle_changed_at", UtcDateTime),
    _col("payment_method", sa.String, null=True),
    _col(
        "delivery_address", sa.Text, null=True, comment="JSON; personal data; null while ANNOUNCED"
    ),
    _col("delivery_fee_cents", sa.BigInteger),
    _col("order_discount_cents", sa.BigInteger),
    _col("discount_reading", sa.String, comment="none | included | on_top | ambiguous"),
    _col("payload_hash", sa.String, comment="hash of the order as OTTO sent it"),
    _col("page_ref", sa.String, comment="raw page that holds the evidence"),
    _col("first_seen_at", UtcDateTime),
    _col("recorded_at", UtcDateTime, index=True, comment="when this row last changed, our clock"),
    sa.Index("ix_orders_order_day", "order_day"),
)

# One row per position item = one physical unit.
position_items = sa.Table(
    "position_items",
    metadata,
    _col("sales_order_id", sa.String, primary_key=True),
    _col("position_item_id", sa.String, primary_key=True),
    _col("sku", sa.String),
    _col("title", sa.String, null=True),
    _col("ean", sa.String, null=True),
    _col("article_number", sa.String, null=True),
    _col("vat_rate", sa.String),
    _col("currency", sa.String),
    _col("gross_cents", sa.BigInteger),
    _col("reduced_cents", sa.BigInteger, null=True),
    _col("item_discount_cents", sa.BigInteger),
    _col("order_discount_share_cents", sa.BigInteger),
    _col("buyer_price_cents", sa.BigInteger, comment="what the buyer pays for this unit"),
    _col("fulfilment_status", sa.String, index=True),
    _col("expected_delivery_at", UtcDateTime, null=True),
    _col("processable_at", UtcDateTime, null=True),
    _col("sent_at", UtcDateTime, null=True),
    _col("returned_at", UtcDateTime, null=True),
    _col("cancelled_at", UtcDateTime, null=True),
    _col("cancellation_reason", sa.String, null=True),
    _col("otto_carrier", sa.String, null=True),
    _col("otto_tracking_number", sa.String, null=True),
    _col("ship_by_at", UtcDateTime, null=True),
    _col("recorded_at", UtcDateTime, index=True),
)

# One row per order as the WMS knows it; also orders of the WMS that OTTO does not know.
wms_orders = sa.Table(
    "wms_orders",
    metadata,
    _col("order_ref", sa.String, primary_key=True),
    _col("wms_order_id", sa.String, null=True),
    _col("submitted_at", UtcDateTime, null=True, comment="null: seen in the WMS, never sent by us"),
    _col("last_event_at", UtcDateTime, null=True),
    _col("audited_at", UtcDateTime, null=True, comment="when we last asked the WMS for this order"),
    _col("present", sa.Boolean, comment="false: the WMS said that it has no such order"),
    _col("recorded_at", UtcDateTime, index=True),
)

wms_order_lines = sa.Table(
    "wms_order_lines",
    metadata,
    _col("order_ref", sa.String, primary_key=True),
    _col("line_id", sa.String, primary_key=True),
    _col("state", sa.String, comment="resources.wms.port.LineState"),
    _col("sku_sent", sa.String, null=True),
    _col("price_sent_cents", sa.BigInteger, null=True),
    _col("sku_seen", sa.String, null=True),
    _col("price_seen_cents", sa.BigInteger, null=True),
    _col("currency_seen", sa.String, null=True),
    _col("quantity_shipped", sa.Integer),
    _col("short_discrepancy", sa.String, null=True),
    _col("short_reason", sa.String, null=True),
    _col(
        "short_at",
        UtcDateTime,
        null=True,
        index=True,
        comment="when the WMS last found the unit missing, by its clock",
    ),
    _col(
        "reserved_at",
        UtcDateTime,
        null=True,
        index=True,
        comment="from when, at the latest, the WMS counts the unit as promised, by its clock",
    ),
    _col("recorded_at", UtcDateTime, index=True),
)

# Every fulfilment event once; the key makes repeats and overlaps harmless.
fulfilment_events = sa.Table(
    "fulfilment_events",
    metadata,
    _col("event_id", sa.String, primary_key=True),
    _col("kind", sa.String),
    _col("occurred_at", UtcDateTime),
    _col("observed_at", UtcDateTime),
    _col("order_ref", sa.String, index=True),
    _col("payload", sa.Text, comment="the event as JSON; it holds no personal data"),
)

parcels = sa.Table(
    "parcels",
    metadata,
    _col("parcel_id", sa.String, primary_key=True),
    _col("order_ref", sa.String, index=True),
    _col("wms_dispatch_id", sa.String, null=True),
    _col("carrier_raw", sa.String, null=True),
    _col("carrier", sa.String, null=True, comment="OTTO carrier code, null while unknown"),
    _col("tracking_number", sa.String, null=True),
    _col("tracking_url", sa.String, null=True),
    _col("corrected_tracking_number", sa.String, null=True, comment="the WMS's latest correction"),
    _col("corrected_at", UtcDateTime, null=True, comment="when the WMS corrected it"),
    _col("return_carrier", sa.String, null=True),
    _col("return_tracking_number", sa.String, null=True),
    _col("shipped_at", UtcDateTime),
    _col("state", sa.String, index=True, comment="received | parked | released"),
    _col("parked_rules", sa.Text, null=True, comment="JSON list of {rule, reason, remedy}"),
    _col("warnings", sa.Text, null=True, comment="JSON list of {rule, reason}"),
    _col("deadline_at", UtcDateTime, null=True),
    _col("recorded_at", UtcDateTime, index=True),
)

parcel_lines = sa.Table(
    "parcel_lines",
    metadata,
    _col("parcel_id", sa.String, primary_key=True),
    _col("line_id", sa.String, primary_key=True),
    _col("quantity", sa.Integer),
)

# What came in and broke its contract. `shown` carries no personal data.
quarantine = sa.Table(
    "quarantine",
    metadata,
    _col("source", sa.String, primary_key=True, comment="otto_orders | wms_events | ..."),
    _col("business_key", sa.String, primary_key=True),
    _col("rule", sa.String, primary_key=True),
    _col("field", sa.String),
    _col("shown", sa.String),
    _col("owner", sa.String),
    _col("remedy", sa.String),
    _col("evidence_ref", sa.String, null=True),
    _col("first_seen_at", UtcDateTime),
    _col("last_seen_at", UtcDateTime),
    _col("resolved_at", UtcDateTime, null=True, comment="set when the same row later passes"),
)

# Every outbound effect is a row here before it leaves. States: pending (never tried), sent (may
# have left; outcome not known or not yet seen), confirmed, retrying (certainly had no effect),
# blocked (a rule refused it), failed (the other side refused it for good), ignored (a person said
# so, or it was no longer wanted).
outbox = sa.Table(
    "outbox",
    metadata,
    _col("id", _BIG_ID, primary_key=True, autoincrement=True),
    _col("kind", sa.String, comment="wms_order | wms_cancellation | otto_shipment | ..."),
    _col("business_key", sa.String),
    _col("order_ref", sa.String, index=True),
    _col("payload", sa.Text, comment="JSON; what is needed to build the request"),
    _col("payload_hash", sa.String),
    _col("priority", sa.Integer, comment="smaller goes first"),
    _col("state", sa.String),
    _col("attempts", sa.Integer),
    _col("next_attempt_at", UtcDateTime),
    _col("lease_token", sa.String, null=True),
    _col("lease_until", UtcDateTime, null=True),
    _col("result", sa.Text, null=True, comment="JSON; what the other side answered"),
    _col("last_error", sa.Text, null=True),
    _col("reason", sa.Text, null=True, comment="why blocked, failed or ignored"),
    _col("created_at", UtcDateTime),
    _col("recorded_at", UtcDateTime, index=True),
    sa.UniqueConstraint("kind", "business_key"),
    sa.Index("ix_outbox_due", "state", "next_attempt_at", "priority"),
)

outbox_attempts = sa.Table(
    "outbox_attempts",
    metadata,
    _col("outbox_id", _BIG_ID, sa.ForeignKey("outbox.id"), primary_key=True),
    _col("attempt", sa.Integer, primary_key=True),
    _col("started_at", UtcDateTime),
    _col("finished_at", UtcDateTime, null=True),
    _col(
        "outcome",
        sa.String,
        comment="sending | confirmed | accepted | retryable | unknown | refused | not_sent",
    ),
    _col("detail", sa.Text, null=True),
)

# What the WMS last told of its stock, by its own SKU.
stock_levels = sa.Table(
    "stock_levels",
    metadata,
    _col("sku", sa.String, primary_key=True),
    _col("location", sa.String, primary_key=True),
    _col("on_hand", sa.BigInteger),
    _col("reserved", sa.BigInteger),
    _col("blocked", sa.BigInteger),
    _col("sellable", sa.BigInteger, null=True, comment="the WMS's own figure, if it has one"),
    _col("as_of", UtcDateTime, comment="when this was true, by the WMS's clock"),
    _col("recorded_at", UtcDateTime, index=True),
)

# The figure for each SKU of OTTO: computed, on its way, and what OTTO shows. Times of real machines
# (as in the outbox) are next_attempt_at, lease_until and doubt_until.
availability = sa.Table(
    "availability",
    metadata,
    _col("sku", sa.String, primary_key=True),
    _col("quantity", sa.BigInteger),
    _col("sequence", sa.BigInteger, comment="grows whenever the quantity changes"),
    _col("terms", sa.Text, comment="JSON; every term of the figure"),
    _col("computed_at", UtcDateTime, comment="when figure, terms or frozen_reason last changed"),
    _col("frozen_reason", sa.Text, null=True, comment="why the figure is not what its terms say"),
    _col("otto_open", sa.BigInteger, comment="that term: units sold that the WMS does not count"),
    _col("owed_since", UtcDateTime, null=True, comment="since when OTTO lacks the newest quantity"),
    _col("lane", sa.Integer, comment="0 urgent | 1 moving | 2 the rest"),
    _col("rank", sa.BigInteger, comment="within the lane, smaller goes first"),
    _col("pending", sa.Boolean, comment="there is something to send"),
    _col("next_attempt_at", UtcDateTime, null=True, comment="null: at once"),
    _col("lease_token", sa.String, null=True, comment="of the sender that has it under way"),
    _col("lease_until", UtcDateTime, null=True),
    _col(
        "doubt_until", UtcDateTime, null=True, comment="an older request may still arrive so long"
    ),
    _col("sent_quantity", sa.BigInteger, null=True),
    _col("sent_sequence", sa.BigInteger, null=True),
    _col("sent_at", UtcDateTime, null=True),
    _col("accepted_quantity", sa.BigInteger, null=True, comment="what OTTO shows"),
    _col("accepted_sequence", sa.BigInteger, null=True),
    _col("accepted_at", UtcDateTime, null=True),
    _col("refused_reason", sa.Text, null=True, comment="why OTTO took the last one not"),
    _col("refused_at", UtcDateTime, null=True),
    _col("last_error", sa.Text, null=True),
    _col("seen_quantity", sa.BigInteger, null=True, comment="what OTTO showed when last read back"),
    _col("seen_at", UtcDateTime, null=True, comment="when that was"),
    _col("recorded_at", UtcDateTime, index=True),
    sa.Index("ix_availability_queue", "pending", "lane", "rank", "sku"),
)

watermarks = sa.Table(
    "watermarks",
    metadata,
    _col("source", sa.String, primary_key=True),
    _col("position", sa.String, comment="opaque for the reader: a cursor or an ISO time"),
    _col("recorded_at", UtcDateTime),
)

# Return numbers that a seller bought ahead; each may be used once.
return_numbers = sa.Table(
    "return_numbers",
    metadata,
    _col("carrier", sa.String, primary_key=True),
    _col("number", sa.String, primary_key=True),
    _col("parcel_id", sa.String, null=True, unique=True),
    _col("taken_at", UtcDateTime, null=True),
)

# What persons decided on exceptions; rows are only added, the latest of a subject counts.
exception_decisions = sa.Table(
    "exception_decisions",
    metadata,
    _col("id", _BIG_ID, primary_key=True, autoincrement=True),
    _col("subject", sa.String, index=True, comment="what it is about, our own key"),
    _col("exception_id", sa.String, index=True, comment="as lists show it"),
    _col("kind", sa.String, comment="assets.exceptions.kinds"),
    _col("content_hash", sa.String, comment="of what was wrong at that moment"),
    _col("action", sa.String, comment="ignore | reopen"),
    _col("reason", sa.Text),
    _col("decided_by", sa.String),
    _col("decided_at", UtcDateTime, comment="real time"),
)

# One row per synchronisation of a flow: the last ten are what operations look at first.
sync_runs = sa.Table(
    "sync_runs",
    metadata,
    _col("id", _BIG_ID, primary_key=True, autoincrement=True),
    _col("flow", sa.String, index=True),
    _col("started_at", UtcDateTime),
    _col("finished_at", UtcDateTime, null=True),
    _col("result", sa.String, comment="running | success | failure"),
    _col("counts", sa.Text, comment="JSON object of numbers"),
    _col("transport", sa.Text, comment="JSON object: transport fault kind to count"),
    _col("error", sa.Text, null=True),
)

# Key figures as they were, for charts.
kpi_history = sa.Table(
    "kpi_history",
    metadata,
    _col("taken_at", UtcDateTime, primary_key=True, comment="business time"),
    _col("figures", sa.Text, comment="JSON object: name to number, null where there was none"),
)
