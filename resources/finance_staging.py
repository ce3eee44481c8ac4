"""Tables of schema `staging`: copies of the operations database, and what is kept beside them.

Belongs here: the columns of the copies, without personal data, and of the notes that keep a
reconciliation from reading its whole history. What finance reads stands in
`resources.finance_schema`.
"""

from datetime import date

from resources.finance_table import Table, columns

# Tables are kept in the order of `order_day`, so that a day is found without reading the others.
# Rows of orders that OTTO does not know (yet) stand under this day.
UNKNOWN_DAY = date(1970, 1, 1)


def _staging(name: str, text: str) -> Table:
    return Table("staging", name, f"copy of the operations table {name}", columns(text))


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
        delivery_fee_cents   BIGINT
        page_ref             VARCHAR
        first_seen_at        TIMESTAMPTZ
        order_key            UBIGINT
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
        expected_delivery_at       TIMESTAMPTZ
        sent_at                    TIMESTAMPTZ
        returned_at                TIMESTAMPTZ
        cancelled_at               TIMESTAMPTZ
        otto_carrier               VARCHAR
        otto_tracking_number       VARCHAR
        ship_by_at                 TIMESTAMPTZ
        order_day                  DATE
        order_key                  UBIGINT
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
        order_day     DATE
        order_key     UBIGINT
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
        order_day         DATE
        order_key         UBIGINT
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
        tracking_url              VARCHAR
        shipped_at                TIMESTAMPTZ
        state                     VARCHAR
        parked_rules              VARCHAR[]
        deadline_at               TIMESTAMPTZ
        order_day                 DATE
        order_key                 UBIGINT
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
        order_day   DATE
        order_key   UBIGINT
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
        order_day    DATE
        order_key    UBIGINT
        recorded_at  TIMESTAMPTZ
        """,
    ),
    _staging(
        "stock_levels",
        """
        sku         VARCHAR
        location    VARCHAR
        on_hand     BIGINT
        reserved    BIGINT
        blocked     BIGINT
        sellable    BIGINT
        as_of       TIMESTAMPTZ
        recorded_at TIMESTAMPTZ
        """,
    ),
    _staging(
        "availability",
        """
        sku               VARCHAR
        quantity          BIGINT
        terms             VARCHAR
        otto_open         BIGINT
        frozen_reason     VARCHAR
        owed_since        TIMESTAMPTZ
        accepted_quantity BIGINT
        accepted_at       TIMESTAMPTZ
        refused_at        TIMESTAMPTZ
        seen_quantity     BIGINT
        seen_at           TIMESTAMPTZ
        recorded_at       TIMESTAMPTZ
        """,
    ),
    _staging(
        "receipts",
        """
        receipt_number        VARCHAR
        receipt_type          VARCHAR
        created_at            TIMESTAMPTZ
        sales_order_id        VARCHAR
        currency              VARCHAR
        gross_cents           BIGINT
        amount_due_cents      BIGINT
        voucher_cents         BIGINT
        refund_type           VARCHAR
        partial_refund_type   VARCHAR
        linked_receipt_number VARCHAR
        order_day             DATE
        order_key             UBIGINT
        recorded_at           TIMESTAMPTZ
        """,
    ),
    _staging(
        "receipt_lines",
        """
        receipt_number      VARCHAR
        line_no             INTEGER
        receipt_type        VARCHAR
        created_at          TIMESTAMPTZ
        partial_refund_type VARCHAR
        kind                VARCHAR
        sales_order_id      VARCHAR
        position_item_id    VARCHAR
        sku                 VARCHAR
        unit_price_cents    BIGINT
        amount_cents        BIGINT
        tax_rate            VARCHAR
        currency            VARCHAR
        order_day           DATE
        order_key           UBIGINT
        recorded_at         TIMESTAMPTZ
        """,
    ),
    _staging(
        "receipt_modifications",
        """
        receipt_number    VARCHAR
        line_no           INTEGER
        sequence          INTEGER
        sales_order_id    VARCHAR
        modification_type VARCHAR
        details_type      VARCHAR
        amount_cents      BIGINT
        order_day         DATE
        order_key         UBIGINT
        recorded_at       TIMESTAMPTZ
        """,
    ),
    _staging(
        "otto_returns",
        """
        sales_order_id   VARCHAR
        position_item_id VARCHAR
        status           VARCHAR
        occurred_at      TIMESTAMPTZ
        condition        VARCHAR
        return_reason    VARCHAR
        order_day        DATE
        order_key        UBIGINT
        recorded_at      TIMESTAMPTZ
        """,
    ),
    _staging(
        "return_decisions",
        """
        sales_order_id   VARCHAR
        position_item_id VARCHAR
        decision         VARCHAR
        condition        VARCHAR
        basis            VARCHAR
        decided_at       TIMESTAMPTZ
        order_day        DATE
        order_key        UBIGINT
        recorded_at      TIMESTAMPTZ
        """,
    ),
    _staging(
        "price_reductions",
        """
        sales_order_id   VARCHAR
        position_item_id VARCHAR
        created_at       TIMESTAMPTZ
        sequence         INTEGER
        amount_cents     BIGINT
        currency         VARCHAR
        status           VARCHAR
        receipt_number   VARCHAR
        order_day        DATE
        order_key        UBIGINT
        recorded_at      TIMESTAMPTZ
        """,
    ),
    _staging(
        "price_reduction_requests",
        """
        request_id       VARCHAR
        sales_order_id   VARCHAR
        position_item_id VARCHAR
        amount_cents     BIGINT
        currency         VARCHAR
        requested_at     TIMESTAMPTZ
        order_day        DATE
        order_key        UBIGINT
        recorded_at      TIMESTAMPTZ
        """,
    ),
    _staging(
        "wms_return_units",
        """
        receipt_id       VARCHAR
        unit_no          INTEGER
        sales_order_id   VARCHAR
        position_item_id VARCHAR
        sku              VARCHAR
        condition        VARCHAR
        disposition      VARCHAR
        received_at      TIMESTAMPTZ
        withdrawn_at     TIMESTAMPTZ
        order_day        DATE
        order_key        UBIGINT
        recorded_at      TIMESTAMPTZ
        """,
    ),
    _staging(
        "products",
        """
        sku                  VARCHAR
        standard_price_cents BIGINT
        sale_price_cents     BIGINT
        sale_from            TIMESTAMPTZ
        sale_to              TIMESTAMPTZ
        currency             VARCHAR
        active               BOOLEAN
        marketplace_status   VARCHAR
        status_at            TIMESTAMPTZ
        recorded_at          TIMESTAMPTZ
        """,
    ),
    Table(
        "staging",
        "sync_runs",
        "when each flow first and last came to a good end, of the operations table sync_runs",
        columns(
            """
            flow          VARCHAR
            first_read_at TIMESTAMPTZ
            last_read_at  TIMESTAMPTZ
            recorded_at   TIMESTAMPTZ
            """
        ),
    ),
)


def _note(name: str, meaning: str, text: str) -> Table:
    return Table("staging", name, meaning, columns(text))


_FINGERPRINT = """
    order_day DATE
    order_key UBIGINT
    line_hash UBIGINT
    """

NOTES: tuple[Table, ...] = (
    _note(
        "otto_fingerprints",
        "one hash per item of OTTO that is not cancelled: its identity and all that is compared",
        _FINGERPRINT,
    ),
    _note(
        "wms_fingerprints",
        "the same of each line of the WMS that is not closed; equal where both sides are settled",
        _FINGERPRINT,
    ),
    _note(
        "open_orders",
        "orders that must be judged again at a known time, since time alone will change them",
        """
        order_ref  VARCHAR
        order_day  DATE
        order_key  UBIGINT
        recheck_at TIMESTAMPTZ
        """,
    ),
    _note(
        "waiting_units",
        "units that OTTO expects and that the warehouse may still have to take off a shelf",
        """
        sales_order_id   VARCHAR
        position_item_id VARCHAR
        sku              VARCHAR
        ordered_at       TIMESTAMPTZ
        """,
    ),
    _note(
        "last_prices",
        "what the buyer paid who ordered a SKU last",
        """
        sku              VARCHAR
        ordered_at       TIMESTAMPTZ
        sales_order_id   VARCHAR
        position_item_id VARCHAR
        price_cents      BIGINT
        currency         VARCHAR
        """,
    ),
    _note(
        "line_counts",
        "lines of reconciliation.order_lines by SKU, carrier and day, kept up with each change",
        """
        dimension VARCHAR
        value     VARCHAR
        lines     BIGINT
        """,
    ),
)
