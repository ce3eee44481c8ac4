"""Money: receipts, returns on both sides, price reductions, prices of products."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_TABLES = (
    "receipts",
    "receipt_lines",
    "receipt_modifications",
    "settled_prices",
    "otto_returns",
    "return_shipments",
    "return_shipment_items",
    "price_reductions",
    "price_reduction_requests",
    "products",
    "wms_returns",
    "wms_return_units",
    "return_decisions",
)


def upgrade() -> None:
    """Add the tables of money."""
    _receipts()
    _returns()
    _prices()


def downgrade() -> None:
    """Take them away."""
    for table in _TABLES:
        op.drop_table(table)


def _receipts() -> None:
    op.create_table(
        "receipts",
        sa.Column("receipt_number", sa.String(), nullable=False),
        sa.Column(
            "receipt_type",
            sa.String(),
            nullable=False,
            comment="PURCHASE | REFUND | PARTIAL_REFUND",
        ),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("sales_order_id", sa.String(), nullable=False),
        sa.Column("order_number", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column(
            "gross_cents",
            sa.BigInteger(),
            nullable=False,
            comment="as stated, else the sum of the lines",
        ),
        sa.Column("amount_due_cents", sa.BigInteger(), nullable=True),
        sa.Column("voucher_cents", sa.BigInteger(), nullable=False, comment="paid by voucher"),
        sa.Column("refund_type", sa.String(), nullable=True),
        sa.Column("partial_refund_type", sa.String(), nullable=True),
        sa.Column("linked_receipt_number", sa.String(), nullable=True),
        sa.Column("is_real", sa.Boolean(), nullable=False),
        sa.Column("fulfilled_at", _TIME, nullable=True),
        sa.Column(
            "page_ref",
            sa.String(),
            nullable=True,
            comment="raw page that holds the evidence",
        ),
        sa.Column(
            "recorded_at",
            _TIME,
            nullable=False,
            comment="when this row last changed, our clock",
        ),
        sa.PrimaryKeyConstraint("receipt_number", name="pk_receipts"),
    )
    op.create_index("ix_receipts_recorded_at", "receipts", ["recorded_at"])
    op.create_index("ix_receipts_sales_order_id", "receipts", ["sales_order_id"])
    op.create_table(
        "receipt_lines",
        sa.Column("receipt_number", sa.String(), nullable=False),
        sa.Column("line_no", sa.Integer(), nullable=False, comment="our own count"),
        sa.Column(
            "kind",
            sa.String(),
            nullable=False,
            comment="item | item_partial_refund | service | service_partial_refund | "
            "delivery_cost | delivery_fee_partial_refund",
        ),
        sa.Column("sales_order_id", sa.String(), nullable=False),
        sa.Column("position_item_id", sa.String(), nullable=True),
        sa.Column("sku", sa.String(), nullable=True),
        sa.Column("unit_price_cents", sa.BigInteger(), nullable=False, comment="before discounts"),
        sa.Column(
            "amount_cents",
            sa.BigInteger(),
            nullable=False,
            comment="charged or given back for this unit, positive",
        ),
        sa.Column("tax_rate", sa.String(), nullable=False),
        sa.Column(
            "net_cents",
            sa.BigInteger(),
            nullable=True,
            comment="of the amount, where OTTO states it",
        ),
        sa.Column(
            "tax_cents",
            sa.BigInteger(),
            nullable=True,
            comment="of the amount, where OTTO states it",
        ),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("receipt_number", "line_no", name="pk_receipt_lines"),
    )
    op.create_index(
        "ix_receipt_lines_item", "receipt_lines", ["sales_order_id", "position_item_id"]
    )
    op.create_index("ix_receipt_lines_recorded_at", "receipt_lines", ["recorded_at"])
    op.create_table(
        "receipt_modifications",
        sa.Column("receipt_number", sa.String(), nullable=False),
        sa.Column("line_no", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("modification_type", sa.String(), nullable=False),
        sa.Column(
            "details_type",
            sa.String(),
            nullable=True,
            comment="PARTNER_DISCOUNT | PLATFORM_DISCOUNT",
        ),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column(
            "amount_cents",
            sa.BigInteger(),
            nullable=False,
            comment="this unit's part, positive",
        ),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint(
            "receipt_number", "line_no", "sequence", name="pk_receipt_modifications"
        ),
    )
    op.create_index(
        "ix_receipt_modifications_recorded_at", "receipt_modifications", ["recorded_at"]
    )
    op.create_table(
        "settled_prices",
        sa.Column("sales_order_id", sa.String(), nullable=False),
        sa.Column("position_item_id", sa.String(), nullable=False),
        sa.Column("discount_reading", sa.String(), nullable=False, comment="included | on_top"),
        sa.Column("order_discount_share_cents", sa.BigInteger(), nullable=False),
        sa.Column("buyer_price_cents", sa.BigInteger(), nullable=False),
        sa.Column(
            "imported_share_cents",
            sa.BigInteger(),
            nullable=False,
            comment="before it was settled",
        ),
        sa.Column(
            "imported_price_cents",
            sa.BigInteger(),
            nullable=False,
            comment="before it was settled",
        ),
        sa.Column("recorded_at", _TIME, nullable=False, comment="when it was settled"),
        sa.PrimaryKeyConstraint("sales_order_id", "position_item_id", name="pk_settled_prices"),
    )
    op.create_index("ix_settled_prices_recorded_at", "settled_prices", ["recorded_at"])


def _returns() -> None:
    op.create_table(
        "otto_returns",
        sa.Column("sales_order_id", sa.String(), nullable=False),
        sa.Column("position_item_id", sa.String(), nullable=False),
        sa.Column(
            "status",
            sa.String(),
            nullable=False,
            comment="ANNOUNCED | ACCEPTED | REJECTED | MISDIRECTED",
        ),
        sa.Column("occurred_at", _TIME, nullable=False, comment="of this status"),
        sa.Column("condition", sa.String(), nullable=True, comment="A to E"),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("tracking_carrier", sa.String(), nullable=True),
        sa.Column("tracking_numbers", sa.Text(), nullable=True, comment="JSON list"),
        sa.Column(
            "otto_warehouse_id",
            sa.String(),
            nullable=True,
            comment="where a misdirected unit lies",
        ),
        sa.Column("announced_at", _TIME, nullable=True),
        sa.Column("decided_at", _TIME, nullable=True, comment="accepted or rejected at OTTO"),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("sales_order_id", "position_item_id", name="pk_otto_returns"),
    )
    op.create_index("ix_otto_returns_recorded_at", "otto_returns", ["recorded_at"])
    op.create_table(
        "return_shipments",
        sa.Column("return_shipment_id", sa.String(), nullable=False),
        sa.Column("carrier", sa.String(), nullable=False),
        sa.Column("tracking_number", sa.String(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column(
            "state",
            sa.String(),
            nullable=False,
            comment="ANNOUNCED | ON_THE_WAY | DELIVERED",
        ),
        sa.Column("state_at", _TIME, nullable=False),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("return_shipment_id", name="pk_return_shipments"),
    )
    op.create_index("ix_return_shipments_recorded_at", "return_shipments", ["recorded_at"])
    op.create_index("ix_return_shipments_tracking_number", "return_shipments", ["tracking_number"])
    op.create_table(
        "return_shipment_items",
        sa.Column("return_shipment_id", sa.String(), nullable=False),
        sa.Column("sales_order_id", sa.String(), nullable=False),
        sa.Column("position_item_id", sa.String(), nullable=False),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint(
            "return_shipment_id",
            "sales_order_id",
            "position_item_id",
            name="pk_return_shipment_items",
        ),
    )
    op.create_index(
        "ix_return_shipment_items_recorded_at", "return_shipment_items", ["recorded_at"]
    )
    op.create_table(
        "wms_returns",
        sa.Column("receipt_id", sa.String(), nullable=False),
        sa.Column("order_ref", sa.String(), nullable=True),
        sa.Column("return_tracking_number", sa.String(), nullable=True),
        sa.Column("received_at", _TIME, nullable=False),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("receipt_id", name="pk_wms_returns"),
    )
    op.create_index("ix_wms_returns_recorded_at", "wms_returns", ["recorded_at"])
    op.create_table(
        "wms_return_units",
        sa.Column("receipt_id", sa.String(), nullable=False),
        sa.Column("unit_no", sa.Integer(), nullable=False, comment="our own count"),
        sa.Column(
            "sales_order_id",
            sa.String(),
            nullable=True,
            comment="null: nobody knows yet whose it is",
        ),
        sa.Column("position_item_id", sa.String(), nullable=True),
        sa.Column(
            "line_id",
            sa.String(),
            nullable=True,
            comment="the unit that the warehouse names itself",
        ),
        sa.Column("sku", sa.String(), nullable=False, comment="the warehouse's"),
        sa.Column("condition", sa.String(), nullable=False, comment="resources.wms.port.Condition"),
        sa.Column(
            "disposition",
            sa.String(),
            nullable=False,
            comment="resources.wms.port.Disposition",
        ),
        sa.Column("reason", sa.String(), nullable=True, comment="the warehouse's own code"),
        sa.Column("withdrawn_at", _TIME, nullable=True, comment="a later grading names it no more"),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("receipt_id", "unit_no", name="pk_wms_return_units"),
    )
    op.create_index(
        "ix_wms_return_units_item", "wms_return_units", ["sales_order_id", "position_item_id"]
    )
    op.create_index("ix_wms_return_units_recorded_at", "wms_return_units", ["recorded_at"])
    op.create_table(
        "return_decisions",
        sa.Column("sales_order_id", sa.String(), nullable=False),
        sa.Column("position_item_id", sa.String(), nullable=False),
        sa.Column("decision", sa.String(), nullable=False, comment="ACCEPT | REJECT"),
        sa.Column("condition", sa.String(), nullable=False, comment="A to E"),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column(
            "basis",
            sa.String(),
            nullable=False,
            comment="receipt id of the warehouse, or `person`",
        ),
        sa.Column("decided_by", sa.String(), nullable=False),
        sa.Column("decided_at", _TIME, nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("sales_order_id", "position_item_id", name="pk_return_decisions"),
    )
    op.create_index("ix_return_decisions_recorded_at", "return_decisions", ["recorded_at"])


def _prices() -> None:
    op.create_table(
        "price_reductions",
        sa.Column("sales_order_id", sa.String(), nullable=False),
        sa.Column("position_item_id", sa.String(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column(
            "status",
            sa.String(),
            nullable=False,
            comment="INITIATED | PROCESSED | REJECTED",
        ),
        sa.Column("receipt_number", sa.String(), nullable=True),
        sa.Column(
            "total_cents",
            sa.BigInteger(),
            nullable=True,
            comment="of all reductions of the unit",
        ),
        sa.Column(
            "invoice_cents",
            sa.BigInteger(),
            nullable=True,
            comment="what was invoiced for the unit",
        ),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint(
            "sales_order_id",
            "position_item_id",
            "created_at",
            "sequence",
            name="pk_price_reductions",
        ),
    )
    op.create_index("ix_price_reductions_recorded_at", "price_reductions", ["recorded_at"])
    op.create_table(
        "price_reduction_requests",
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("sales_order_id", sa.String(), nullable=False),
        sa.Column("position_item_id", sa.String(), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("requested_by", sa.String(), nullable=False),
        sa.Column("requested_at", _TIME, nullable=False),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("request_id", name="pk_price_reduction_requests"),
    )
    op.create_index(
        "ix_price_reduction_requests_recorded_at", "price_reduction_requests", ["recorded_at"]
    )
    op.create_index(
        "ix_price_reduction_requests_sales_order_id", "price_reduction_requests", ["sales_order_id"]
    )
    op.create_table(
        "products",
        sa.Column("sku", sa.String(), nullable=False),
        sa.Column("standard_price_cents", sa.BigInteger(), nullable=True),
        sa.Column("sale_price_cents", sa.BigInteger(), nullable=True),
        sa.Column("sale_from", _TIME, nullable=True),
        sa.Column("sale_to", _TIME, nullable=True),
        sa.Column("currency", sa.String(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=True),
        sa.Column(
            "marketplace_status",
            sa.String(),
            nullable=True,
            comment="PENDING | ONLINE | RESTRICTED | REJECTED | INACTIVE",
        ),
        sa.Column("status_errors", sa.Text(), nullable=True, comment="JSON list of {code, title}"),
        sa.Column("status_at", _TIME, nullable=True),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("sku", name="pk_products"),
    )
    op.create_index("ix_products_recorded_at", "products", ["recorded_at"])
