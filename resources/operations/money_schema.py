"""Tables of money in the operations database: receipts, returns, price reductions, prices.

Belongs here: definitions of these tables and the meaning of their columns. Amounts are whole cents
beside a currency. Nothing here is personal data: what a receipt says of the buyer is dropped when
it is imported.

Does not belong here: tables of orders, warehouse and outbox (`schema`), queries (the modules beside
this one).
"""

import sqlalchemy as sa

from resources.operations.columns import UtcDateTime, metadata
from resources.operations.columns import column as _col

# One row per receipt of OTTO. Whether an amount is charged or given back follows from the type.
receipts = sa.Table(
    "receipts",
    metadata,
    _col("receipt_number", sa.String, primary_key=True),
    _col("receipt_type", sa.String, comment="PURCHASE | REFUND | PARTIAL_REFUND"),
    _col("created_at", UtcDateTime),
    _col("sales_order_id", sa.String, index=True),
    _col("order_number", sa.String),
    _col("currency", sa.String),
    _col("gross_cents", sa.BigInteger, comment="as stated, else the sum of the lines"),
    _col("amount_due_cents", sa.BigInteger, null=True),
    _col("voucher_cents", sa.BigInteger, comment="paid by voucher"),
    _col("refund_type", sa.String, null=True),
    _col("partial_refund_type", sa.String, null=True),
    _col("linked_receipt_number", sa.String, null=True),
    _col("is_real", sa.Boolean),
    _col("fulfilled_at", UtcDateTime, null=True),
    _col("page_ref", sa.String, null=True, comment="raw page that holds the evidence"),
    _col("recorded_at", UtcDateTime, index=True, comment="when this row last changed, our clock"),
)

# One row per unit, where a line is about units; OTTO's lines group equal ones.
receipt_lines = sa.Table(
    "receipt_lines",
    metadata,
    _col("receipt_number", sa.String, primary_key=True),
    _col("line_no", sa.Integer, primary_key=True, comment="our own count"),
    _col(
        "kind",
        sa.String,
        comment="item | item_partial_refund | service | service_partial_refund | delivery_cost | "
        "delivery_fee_partial_refund",
    ),
    _col("sales_order_id", sa.String),
    _col("position_item_id", sa.String, null=True),
    _col("sku", sa.String, null=True),
    _col("unit_price_cents", sa.BigInteger, comment="before discounts"),
    _col("amount_cents", sa.BigInteger, comment="charged or given back for this unit, positive"),
    _col("tax_rate", sa.String),
    _col("net_cents", sa.BigInteger, null=True, comment="of the amount, where OTTO states it"),
    _col("tax_cents", sa.BigInteger, null=True, comment="of the amount, where OTTO states it"),
    _col("currency", sa.String),
    _col("recorded_at", UtcDateTime, index=True),
    sa.Index("ix_receipt_lines_item", "sales_order_id", "position_item_id"),
)

# Discounts and compensations of a line, spread over its units to the cent.
receipt_modifications = sa.Table(
    "receipt_modifications",
    metadata,
    _col("receipt_number", sa.String, primary_key=True),
    _col("line_no", sa.Integer, primary_key=True),
    _col("sequence", sa.Integer, primary_key=True),
    _col("modification_type", sa.String),
    _col("details_type", sa.String, null=True, comment="PARTNER_DISCOUNT | PLATFORM_DISCOUNT"),
    _col("reason", sa.String, null=True),
    _col("amount_cents", sa.BigInteger, comment="this unit's part, positive"),
    _col("recorded_at", UtcDateTime, index=True),
)

# Units whose discounts could be read in two ways, and what their receipts settled. What the import
# had said stays beside it; the first settlement stands.
settled_prices = sa.Table(
    "settled_prices",
    metadata,
    _col("sales_order_id", sa.String, primary_key=True),
    _col("position_item_id", sa.String, primary_key=True),
    _col("discount_reading", sa.String, comment="included | on_top"),
    _col("order_discount_share_cents", sa.BigInteger),
    _col("buyer_price_cents", sa.BigInteger),
    _col("imported_share_cents", sa.BigInteger, comment="before it was settled"),
    _col("imported_price_cents", sa.BigInteger, comment="before it was settled"),
    _col("recorded_at", UtcDateTime, index=True, comment="when it was settled"),
)

# What OTTO says of each returned unit.
otto_returns = sa.Table(
    "otto_returns",
    metadata,
    _col("sales_order_id", sa.String, primary_key=True),
    _col("position_item_id", sa.String, primary_key=True),
    _col("status", sa.String, comment="ANNOUNCED | ACCEPTED | REJECTED | MISDIRECTED"),
    _col("occurred_at", UtcDateTime, comment="of this status"),
    _col("condition", sa.String, null=True, comment="A to E"),
    _col("reason", sa.String, null=True),
    _col("tracking_carrier", sa.String, null=True),
    _col("tracking_numbers", sa.Text, null=True, comment="JSON list"),
    _col("otto_warehouse_id", sa.String, null=True, comment="where a misdirected unit lies"),
    _col("announced_at", UtcDateTime, null=True),
    _col("decided_at", UtcDateTime, null=True, comment="accepted or rejected at OTTO"),
    _col("recorded_at", UtcDateTime, index=True),
)

return_shipments = sa.Table(
    "return_shipments",
    metadata,
    _col("return_shipment_id", sa.String, primary_key=True),
    _col("carrier", sa.String),
    _col("tracking_number", sa.String, index=True),
    _col("created_at", UtcDateTime),
    _col("state", sa.String, comment="ANNOUNCED | ON_THE_WAY | DELIVERED"),
    _col("state_at", UtcDateTime),
    _col("recorded_at", UtcDateTime, index=True),
)

return_shipment_items = sa.Table(
    "return_shipment_items",
    metadata,
    _col("return_shipment_id", sa.String, primary_key=True),
    _col("sales_order_id", sa.String, primary_key=True),
    _col("position_item_id", sa.String, primary_key=True),
    _col("recorded_at", UtcDateTime, index=True),
)

# OTTO gives a reduction no id: its unit, its time, and a count where these are equal.
price_reductions = sa.Table(
    "price_reductions",
    metadata,
    _col("sales_order_id", sa.String, primary_key=True),
    _col("position_item_id", sa.String, primary_key=True),
    _col("created_at", UtcDateTime, primary_key=True),
    _col("sequence", sa.Integer, primary_key=True),
    _col("amount_cents", sa.BigInteger),
    _col("currency", sa.String),
    _col("status", sa.String, comment="INITIATED | PROCESSED | REJECTED"),
    _col("receipt_number", sa.String, null=True),
    _col("total_cents", sa.BigInteger, null=True, comment="of all reductions of the unit"),
    _col("invoice_cents", sa.BigInteger, null=True, comment="what was invoiced for the unit"),
    _col("recorded_at", UtcDateTime, index=True),
)

# What we asked OTTO for; its way there is an outbox row of kind `otto_price_reduction`.
price_reduction_requests = sa.Table(
    "price_reduction_requests",
    metadata,
    _col("request_id", sa.String, primary_key=True),
    _col("sales_order_id", sa.String, index=True),
    _col("position_item_id", sa.String),
    _col("amount_cents", sa.BigInteger),
    _col("currency", sa.String),
    _col("reason", sa.String),
    _col("requested_by", sa.String),
    _col("requested_at", UtcDateTime),
    _col("recorded_at", UtcDateTime, index=True),
)

products = sa.Table(
    "products",
    metadata,
    _col("sku", sa.String, primary_key=True),
    _col("standard_price_cents", sa.BigInteger, null=True),
    _col("sale_price_cents", sa.BigInteger, null=True),
    _col("sale_from", UtcDateTime, null=True),
    _col("sale_to", UtcDateTime, null=True),
    _col("currency", sa.String, null=True),
    _col("active", sa.Boolean, null=True),
    _col(
        "marketplace_status",
        sa.String,
        null=True,
        comment="PENDING | ONLINE | RESTRICTED | REJECTED | INACTIVE",
    ),
    _col("status_errors", sa.Text, null=True, comment="JSON list of {code, title}"),
    _col("status_at", UtcDateTime, null=True),
    _col("recorded_at", UtcDateTime, index=True),
)

# Goods that came back, as the warehouse booked them in.
wms_returns = sa.Table(
    "wms_returns",
    metadata,
    _col("receipt_id", sa.String, primary_key=True),
    _col("order_ref", sa.String, null=True),
    _col("return_tracking_number", sa.String, null=True),
    _col("received_at", UtcDateTime),
    _col("recorded_at", UtcDateTime, index=True),
)

wms_return_units = sa.Table(
    "wms_return_units",
    metadata,
    _col("receipt_id", sa.String, primary_key=True),
    _col("unit_no", sa.Integer, primary_key=True, comment="our own count"),
    _col("sales_order_id", sa.String, null=True, comment="null: nobody knows yet whose it is"),
    _col("position_item_id", sa.String, null=True),
    _col("line_id", sa.String, null=True, comment="the unit that the warehouse names itself"),
    _col("sku", sa.String, comment="the warehouse's"),
    _col("condition", sa.String, comment="resources.wms.port.Condition"),
    _col("disposition", sa.String, comment="resources.wms.port.Disposition"),
    _col("reason", sa.String, null=True, comment="the warehouse's own code"),
    _col("withdrawn_at", UtcDateTime, null=True, comment="a later grading names it no more"),
    _col("recorded_at", UtcDateTime, index=True),
    sa.Index("ix_wms_return_units_item", "sales_order_id", "position_item_id"),
)

# What we decided; its way to OTTO is an outbox row of kind `otto_return`.
return_decisions = sa.Table(
    "return_decisions",
    metadata,
    _col("sales_order_id", sa.String, primary_key=True),
    _col("position_item_id", sa.String, primary_key=True),
    _col("decision", sa.String, comment="ACCEPT | REJECT"),
    _col("condition", sa.String, comment="A to E"),
    _col("reason", sa.String),
    _col("basis", sa.String, comment="receipt id of the warehouse, or `person`"),
    _col("decided_by", sa.String),
    _col("decided_at", UtcDateTime),
    _col("note", sa.Text, null=True),
    _col("recorded_at", UtcDateTime, index=True),
)
