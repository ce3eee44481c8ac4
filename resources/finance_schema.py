"""Tables of the finance database, each column with its type and its meaning.

Belongs here: what the tables look like, in one place for the database's comments and for docs. The
schema `staging` holds copies of the operations database without personal data; `reconciliation` is
what finance reads. How rows come about stands in `assets.reconciliation`, opening the file in
`resources.finance`.

Tables marked `derived` can be computed again at any time, so a change of `SCHEMA_VERSION` drops and
refills them. The others hold what cannot be computed again (when a break was first seen, who
accepted it); they only ever gain columns.
"""

# ruff: noqa: E501 - one column is one line, read as a table

from dataclasses import dataclass

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Column:
    """One column; `type` is DuckDB's, cents are BIGINT and never a floating-point number."""

    name: str
    type: str
    meaning: str = ""


@dataclass(frozen=True)
class Table:
    """One table; no key constraints, uniqueness is the one writer's task."""

    schema: str
    name: str
    meaning: str
    columns: tuple[Column, ...]
    derived: bool = True

    @property
    def full_name(self) -> str:
        """Schema and name, as SQL writes it."""
        return f"{self.schema}.{self.name}"


def _columns(text: str) -> tuple[Column, ...]:
    """One column a line: name, type, meaning."""
    lines = (line.split(maxsplit=2) for line in text.strip().splitlines())
    return tuple(Column(*(part.strip() for part in parts)) for parts in lines)


def _staging(name: str, text: str) -> Table:
    return Table("staging", name, f"copy of the operations table {name}", _columns(text))


STAGING: tuple[Table, ...] = (
    _staging(
        "orders",
        """
        sales_order_id       VARCHAR
        order_number         VARCHAR
        ordered_at           TIMESTAMPTZ
        order_day            DATE
        lifecycle_changed_at TIMESTAMPTZ
        discount_reading     VARCHAR
        page_ref             VARCHAR
        first_seen_at        TIMESTAMPTZ
        recorded_at          TIMESTAMPTZ
        """,
    ),
    _staging(
        "position_items",
        """
        sales_order_id             VARCHAR
        position_item_id           VARCHAR
        sku                        VARCHAR
        currency                   VARCHAR
        gross_cents                BIGINT
        order_discount_share_cents BIGINT
        buyer_price_cents          BIGINT
        fulfilment_status          VARCHAR
        processable_at             TIMESTAMPTZ
        sent_at                    TIMESTAMPTZ
        returned_at                TIMESTAMPTZ
        cancelled_at               TIMESTAMPTZ
        otto_carrier               VARCHAR
        otto_tracking_number       VARCHAR
        ship_by_at                 TIMESTAMPTZ
        recorded_at                TIMESTAMPTZ
        """,
    ),
    _staging(
        "wms_orders",
        """
        order_ref     VARCHAR
        wms_order_id  VARCHAR
        submitted_at  TIMESTAMPTZ
        last_event_at TIMESTAMPTZ
        audited_at    TIMESTAMPTZ
        present       BOOLEAN
        recorded_at   TIMESTAMPTZ
        """,
    ),
    _staging(
        "wms_order_lines",
        """
        order_ref         VARCHAR
        line_id           VARCHAR
        state             VARCHAR
        sku_sent          VARCHAR
        price_sent_cents  BIGINT
        sku_seen          VARCHAR
        price_seen_cents  BIGINT
        currency_seen     VARCHAR
        quantity_shipped  INTEGER
        short_discrepancy VARCHAR
        recorded_at       TIMESTAMPTZ
        """,
    ),
    _staging(
        "parcels",
        """
        parcel_id                 VARCHAR
        order_ref                 VARCHAR
        carrier_raw               VARCHAR
        carrier                   VARCHAR
        tracking_number           VARCHAR
        corrected_tracking_number VARCHAR
        shipped_at                TIMESTAMPTZ
        state                     VARCHAR
        parked_rules              VARCHAR[]
        deadline_at               TIMESTAMPTZ
        recorded_at               TIMESTAMPTZ
        """,
    ),
    _staging(
        "parcel_lines",
        """
        parcel_id   VARCHAR
        line_id     VARCHAR
        quantity    INTEGER
        order_ref   VARCHAR
        recorded_at TIMESTAMPTZ
        """,
    ),
    _staging(
        "outbox",
        """
        id           BIGINT
        kind         VARCHAR
        business_key VARCHAR
        order_ref    VARCHAR
        state        VARCHAR
        attempts     INTEGER
        shipment_id  VARCHAR
        created_at   TIMESTAMPTZ
        recorded_at  TIMESTAMPTZ
        """,
    ),
)

ORDER_LINES = Table(
    "reconciliation",
    "order_lines",
    "Both sides of every position item; also lines of the WMS that OTTO does not know.",
    _columns(
        """
        sales_order_id    VARCHAR       OTTO's salesOrderId, which is the WMS's order reference
        position_item_id  VARCHAR       OTTO's positionItemId: one physical unit; empty: a whole WMS order without lines
        order_number      VARCHAR       order number that the buyer sees; null: OTTO does not know the order
        order_day         DATE          day of the order in Europe/Berlin; for orders unknown to OTTO the day the WMS got them
        otto_status       VARCHAR       fulfilment status at OTTO; null: OTTO does not know the item
        wms_status        VARCHAR       state of the line in the WMS; null: never sent to the WMS
        wms_order_id      VARCHAR       the WMS's own order number
        sku               VARCHAR       SKU at OTTO
        sku_sent          VARCHAR       SKU we sent to the WMS, after the SKU map
        sku_wms           VARCHAR       SKU that the WMS holds
        currency          VARCHAR       currency of the buyer's price
        buyer_price_cents BIGINT        what the buyer pays for this unit, in cents
        buyer_price       DECIMAL(18,2) what the buyer pays for this unit
        wms_price_cents   BIGINT        unit price that the WMS holds, in cents; null: it gave none yet
        wms_price         DECIMAL(18,2) unit price that the WMS holds
        processable_at    TIMESTAMPTZ   when OTTO released the item for dispatch
        submitted_at      TIMESTAMPTZ   when we sent the order to the WMS
        dispatched_at     TIMESTAMPTZ   when the item left the warehouse
        sent_at           TIMESTAMPTZ   when OTTO took the item as sent
        cancelled_at      TIMESTAMPTZ   when OTTO cancelled the item
        ship_by_at        TIMESTAMPTZ   latest dispatch that keeps OTTO's delivery promise
        evidence_page     VARCHAR       raw page on which OTTO gave this order
        difference_class  VARCHAR       matched: settled on both sides; in_progress: work goes on, nothing differs; expected: differs within its time of grace; break: differs
        difference_kinds  VARCHAR       kinds of the expected differences and breaks, comma separated
        """
    ),
)

SHIPMENTS = Table(
    "reconciliation",
    "shipments",
    "One row per position item and parcel; also items that OTTO takes as sent without any parcel.",
    _columns(
        """
        sales_order_id        VARCHAR     OTTO's salesOrderId
        position_item_id      VARCHAR     OTTO's positionItemId
        parcel_id             VARCHAR     the WMS's parcel; null: OTTO says sent, the WMS has no parcel
        order_day             DATE        day of the order in Europe/Berlin
        sku                   VARCHAR     SKU at OTTO
        dispatched_at         TIMESTAMPTZ when the parcel left the warehouse
        wms_carrier           VARCHAR     carrier code as the WMS wrote it
        carrier               VARCHAR     that carrier in OTTO's words, by the carrier map
        wms_tracking_number   VARCHAR     tracking number of the WMS, corrected where it corrected it
        otto_carrier          VARCHAR     carrier that OTTO holds
        otto_tracking_number  VARCHAR     tracking number that OTTO holds
        parcel_state          VARCHAR     received, parked by the tracking gate, or released to OTTO
        parked_rules          VARCHAR     rules of the tracking gate that hold the parcel back, comma separated
        deadline_at           TIMESTAMPTZ until when the parcel must be reported
        confirmation_state    VARCHAR     state of our confirmation to OTTO: pending, sent, confirmed, retrying, blocked, failed, ignored
        confirmation_attempts INTEGER     how often we tried to confirm
        otto_shipment_id      VARCHAR     OTTO's shipment, from its answer
        otto_status           VARCHAR     fulfilment status at OTTO
        sent_at               TIMESTAMPTZ when OTTO took the item as sent
        difference_class      VARCHAR     matched, in_progress, expected or break, as in order_lines; of the item's shipment only
        difference_kind       VARCHAR     kind of the expected difference or break
        """
    ),
)

PRICES = Table(
    "reconciliation",
    "prices",
    "Buyer's price at OTTO against the unit price that the WMS holds, one row per position item.",
    _columns(
        """
        sales_order_id             VARCHAR       OTTO's salesOrderId
        position_item_id           VARCHAR       OTTO's positionItemId
        order_day                  DATE          day of the order in Europe/Berlin
        sku                        VARCHAR       SKU at OTTO
        otto_status                VARCHAR       fulfilment status at OTTO; cancelled items are not compared
        discount_reading           VARCHAR       how order-level discounts were read: none, included, on_top, ambiguous
        currency                   VARCHAR       currency at OTTO
        wms_currency               VARCHAR       currency that the WMS holds
        gross_cents                BIGINT        price before discounts, in cents
        order_discount_share_cents BIGINT        this unit's share of order-level discounts, in cents
        buyer_price_cents          BIGINT        what the buyer pays for this unit, in cents
        price_sent_cents           BIGINT        price we sent to the WMS, in cents
        wms_price_cents            BIGINT        price that the WMS holds, in cents; null: it gave none yet
        difference_cents           BIGINT        WMS's price minus buyer's price, in cents; null: not comparable
        buyer_price                DECIMAL(18,2) what the buyer pays for this unit
        wms_price                  DECIMAL(18,2) price that the WMS holds
        difference                 DECIMAL(18,2) WMS's price minus buyer's price
        difference_class           VARCHAR       matched, in_progress (the WMS gave no price yet) or break
        difference_kind            VARCHAR       kind of the break
        """
    ),
)

BREAKS = Table(
    "reconciliation",
    "breaks",
    "Every difference that outlived its time of grace: one per item and area, with its root cause.",
    _columns(
        """
        break_id             VARCHAR       stable name: the same difference has the same id in every rebuild
        kind                 VARCHAR       what kind of difference it is
        area                 VARCHAR       orders, shipments or prices
        sales_order_id       VARCHAR       OTTO's salesOrderId, which is the WMS's order reference
        position_item_id     VARCHAR       OTTO's positionItemId; empty: the whole order
        sku                  VARCHAR       SKU at OTTO, or the WMS's where OTTO knows none
        order_day            DATE          day of the order in Europe/Berlin
        otto_value           VARCHAR       what OTTO says
        wms_value            VARCHAR       what the WMS says
        amount_at_risk_cents BIGINT        buyer's price, for price breaks the difference, in cents
        amount_at_risk       DECIMAL(18,2) buyer's price, for price breaks the difference
        currency             VARCHAR       currency of the amount
        severity             VARCHAR       high from the material amount of the operating model, medium from a tenth of it, else low
        owner                VARCHAR       who has to act
        first_seen_at        TIMESTAMPTZ   when it was first found
        last_seen_at         TIMESTAMPTZ   when it was last found
        resolved_at          TIMESTAMPTZ   when it was found gone; null while it lasts
        status               VARCHAR       open, resolved (gone by itself or by repair), accepted (a person lives with it as it is)
        explanation          VARCHAR       the difference in words, with both sides' values
        remedy               VARCHAR       what to do
        """
    ),
    derived=False,
)

BREAK_HISTORY = Table(
    "reconciliation",
    "break_history",
    "Everything that ever happened to a break; rows are only added.",
    _columns(
        """
        break_id             VARCHAR     the break in reconciliation.breaks
        event                VARCHAR     opened, value_changed, resolved, reopened, accepted
        happened_at          TIMESTAMPTZ when it happened
        kind                 VARCHAR     kind of the break
        otto_value           VARCHAR     what OTTO said then
        wms_value            VARCHAR     what the WMS said then
        amount_at_risk_cents BIGINT      amount at risk then, in cents
        currency             VARCHAR     currency of the amount
        note                 VARCHAR     reason that a person gave
        """
    ),
    derived=False,
)

DAILY_SUMMARY = Table(
    "reconciliation",
    "daily_summary",
    "One row per order day: how far both systems are, and what is open.",
    _columns(
        """
        order_day               DATE          day of the order in Europe/Berlin
        orders                  BIGINT        orders of that day
        items                   BIGINT        position items of that day
        cancelled               BIGINT        of these, cancelled at OTTO
        shipped                 BIGINT        of these, dispatched by the WMS
        confirmed               BIGINT        of these, taken as sent by OTTO
        expected                BIGINT        of these, differing within their time of grace
        open_breaks             BIGINT        open breaks of these items
        orders_at_risk_cents    BIGINT        amount at risk of open breaks in area orders, in cents
        shipments_at_risk_cents BIGINT        the same in area shipments
        prices_at_risk_cents    BIGINT        the same in area prices
        orders_at_risk          DECIMAL(18,2) amount at risk of open breaks in area orders
        shipments_at_risk       DECIMAL(18,2) the same in area shipments
        prices_at_risk          DECIMAL(18,2) the same in area prices
        """
    ),
)

RECONCILIATION: tuple[Table, ...] = (
    ORDER_LINES,
    SHIPMENTS,
    PRICES,
    BREAKS,
    BREAK_HISTORY,
    DAILY_SUMMARY,
)
TABLES = STAGING + RECONCILIATION
