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

from resources.finance_staging import NOTES, STAGING
from resources.finance_table import Table, columns

SCHEMA_VERSION = 4


ORDER_LINES = Table(
    "reconciliation",
    "order_lines",
    "Both sides of every position item; also lines of the WMS that OTTO does not know.",
    columns(
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
        carrier           VARCHAR       carrier in OTTO's words: the parcel's, else the one that OTTO holds
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
    columns(
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
    "Buyer's price at OTTO against the unit price of the WMS and OTTO's receipts, one row per position item.",
    columns(
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
        purchase_receipt           VARCHAR       OTTO's purchase receipt with this unit; null: none was read
        charged_cents              BIGINT        what it charges for this unit, in cents
        receipt_discount_cents     BIGINT        order-level discounts that it states for this unit, in cents
        delivery_fee_cents         BIGINT        delivery fee of the order, on its first unit once a receipt was read, in cents
        delivery_fee_charged_cents BIGINT        what the order's purchase receipts charge for delivery, on its first unit, in cents
        charged                    DECIMAL(18,2) what the purchase receipt charges for this unit
        delivery_fee_charged       DECIMAL(18,2) what the order's purchase receipts charge for delivery
        difference_class           VARCHAR       matched, in_progress (the WMS gave no price yet) or break
        difference_kind            VARCHAR       kind of the break
        """
    ),
)

REFUNDS = Table(
    "reconciliation",
    "refunds",
    "Every position item of which money went back or may have to; also returned units without an owner.",
    columns(
        """
        sales_order_id           VARCHAR       OTTO's salesOrderId; empty: nobody knows whose the returned units are
        position_item_id         VARCHAR       OTTO's positionItemId; without an order the WMS's receipt of the return
        order_day                DATE          day of the order in Europe/Berlin; null: without an order
        sku                      VARCHAR       SKU at OTTO; without an order the WMS's
        otto_status              VARCHAR       fulfilment status at OTTO
        return_status            VARCHAR       the return at OTTO: ANNOUNCED, ACCEPTED, REJECTED, MISDIRECTED; null: none
        return_reason            VARCHAR       reason of its acceptance or rejection
        return_status_at         TIMESTAMPTZ   since when it has this status
        wms_receipt_id           VARCHAR       the WMS's receipt of the unit, the latest; null: the warehouse received nothing
        received_at              TIMESTAMPTZ   when the warehouse received the unit first
        wms_condition            VARCHAR       in which condition: NEW, MINT, USED_LIGHT, USED_HEAVY, DEFECT, MISSING, UNKNOWN
        wms_disposition          VARCHAR       what became of it: RESTOCK, QUARANTINE, SCRAP
        decision                 VARCHAR       our decision: ACCEPT or REJECT; null: none
        decision_basis           VARCHAR       on what it rests: a receipt of the warehouse, or person
        decided_at               TIMESTAMPTZ   when we decided
        decision_state           VARCHAR       state of its transmission to OTTO: pending, sent, confirmed, retrying, blocked, failed, ignored
        currency                 VARCHAR       currency of the amounts
        charged_cents            BIGINT        what the purchase receipt charged, in cents; null: none was read
        refunded_cents           BIGINT        what refund receipts gave back, in cents; null: none was read
        partially_refunded_cents BIGINT        what partial refund receipts gave back, in cents
        reduced_cents            BIGINT        price reductions that OTTO processed, in cents
        kept_cents               BIGINT        what the buyer paid in the end: charged less all refunds, in cents
        charged                  DECIMAL(18,2) what the purchase receipt charged
        refunded                 DECIMAL(18,2) what refund receipts gave back
        partially_refunded       DECIMAL(18,2) what partial refund receipts gave back
        kept                     DECIMAL(18,2) what the buyer paid in the end
        refund_receipt           VARCHAR       number of the refund receipt
        refunded_at              TIMESTAMPTZ   when it was written
        difference_class         VARCHAR       matched, in_progress (announced, or a reduction waits), expected or break, as in order_lines
        difference_kind          VARCHAR       kind of the expected difference or break
        """
    ),
)

FULFILMENT_STATUS = Table(
    "reconciliation",
    "fulfilment_status",
    "One row per position item for customer care: what is so, what happens next, and its parcel.",
    columns(
        """
        order_number         VARCHAR     order number that the buyer sees
        sales_order_id       VARCHAR     OTTO's salesOrderId
        position_item_id     VARCHAR     OTTO's positionItemId
        order_day            DATE        day of the order in Europe/Berlin
        sku                  VARCHAR     SKU at OTTO
        status               VARCHAR     status of the unit, see docs/customer-care.md
        meaning              VARCHAR     the status in words
        next_step            VARCHAR     what happens next, or what to do
        tell_buyer           VARCHAR     what a buyer may be told
        escalate_to          VARCHAR     who has to act; empty: nobody
        otto_status          VARCHAR     what OTTO says: its fulfilment status
        wms_status           VARCHAR     what the warehouse says: state of the line; null: it never had it
        parcel_id            VARCHAR     the WMS's parcel; null: none left
        carrier              VARCHAR     carrier in OTTO's words, else in the WMS's
        tracking_number      VARCHAR     tracking number of the WMS, corrected where it corrected it
        tracking_link        VARCHAR     the buyer's link; null where the tracking gate holds the number
        dispatched_at        TIMESTAMPTZ when the unit left the warehouse
        expected_delivery_at TIMESTAMPTZ what OTTO promised the buyer
        ship_by_at           TIMESTAMPTZ latest dispatch that keeps this promise
        """
    ),
)

STOCK = Table(
    "reconciliation",
    "stock",
    "The stock of every SKU of OTTO: what the WMS has, every term of our figure, and what OTTO shows.",
    columns(
        """
        sku               VARCHAR       SKU at OTTO
        wms_sku           VARCHAR       the WMS's SKU, after the SKU map
        locations         BIGINT        locations at which the WMS has it
        on_hand           BIGINT        units at the WMS, over all locations; null: the WMS told of none
        reserved          BIGINT        of these, promised to orders that the WMS accepted
        blocked           BIGINT        of these, not to be sold
        sellable          BIGINT        units that the WMS may still promise: its own figure, else on hand less reserved and blocked
        level_at          TIMESTAMPTZ   when this was true, by the WMS's clock; the oldest of its locations
        level_age_minutes BIGINT        how long ago that was when this table was made
        not_counted       BIGINT        units that OTTO sold and the WMS's level did not allow for when our figure was made
        safety_stock      BIGINT        units that are never offered
        percentage        INTEGER       share of the rest that is offered, in percent
        share             BIGINT        that share, in units
        cap               BIGINT        most units that are offered; null: no limit
        min_to_list       BIGINT        less than this is offered as 0
        quantity          BIGINT        our figure for OTTO
        frozen_reason     VARCHAR       why our figure is not what its terms give
        owed_since        TIMESTAMPTZ   since when OTTO lacks our newest figure; null: it has it
        accepted_quantity BIGINT        figure that OTTO accepted last; null: none yet
        accepted_at       TIMESTAMPTZ   when OTTO accepted a figure last
        refused_at        TIMESTAMPTZ   when OTTO refused our figure; null: it did not, or accepted one since
        seen_quantity     BIGINT        what OTTO showed when its figures were last read back; null: nothing
        seen_at           TIMESTAMPTZ   when they were last read back
        otto_quantity     BIGINT        what OTTO shows, by the later of acceptance and read-back; null: nothing
        waiting           BIGINT        units that OTTO sold and the warehouse has not picked
        oversold          BIGINT        of these, more than the warehouse can supply
        last_price_cents  BIGINT        what the buyer paid who ordered this SKU last, in cents; null: never sold
        last_price        DECIMAL(18,2) what the buyer paid who ordered this SKU last
        currency          VARCHAR       currency of that price
        difference_class  VARCHAR       matched, expected or break, as in order_lines
        difference_kind   VARCHAR       kind of the expected difference or break
        """
    ),
)

BREAKS = Table(
    "reconciliation",
    "breaks",
    "Every difference that outlived its time of grace: one per item (or SKU) and area, with its root cause.",
    columns(
        """
        break_id             VARCHAR       stable name: the same difference has the same id in every rebuild
        kind                 VARCHAR       what kind of difference it is
        rule                 VARCHAR       the rule that found it, where several find the same kind
        area                 VARCHAR       orders, shipments, prices, refunds or stock
        sales_order_id       VARCHAR       OTTO's salesOrderId, which is the WMS's order reference; empty: a break of stock, or a return without an owner
        position_item_id     VARCHAR       OTTO's positionItemId; empty: the whole order, or a break of stock; without an order the WMS's receipt of a return
        sku                  VARCHAR       SKU at OTTO, or the WMS's where OTTO knows none
        carrier              VARCHAR       carrier in OTTO's words; null: none yet
        order_day            DATE          day of the order in Europe/Berlin; null: no order
        otto_value           VARCHAR       what OTTO says
        wms_value            VARCHAR       what the WMS says; of receipts, refunds and stock what follows for OTTO
        amount_at_risk_cents BIGINT        buyer's price, for price breaks the difference, for refunds the money in question, for stock units times the SKU's last price, in cents
        amount_at_risk       DECIMAL(18,2) the same as an amount
        currency             VARCHAR       currency of the amount
        severity             VARCHAR       high from the material amount of the operating model, medium from a tenth of it, else low
        owner                VARCHAR       who has to act
        since_at             TIMESTAMPTZ   when the difference began, in business time
        age_days             BIGINT        whole days from then to the last reconciliation, or to its end
        age_bucket           VARCHAR       that age in days as a range: 0-1, 2-7, 8-30, 31-90, >90
        overdue              BOOLEAN       open for longer than its severity allows (reconciliation.overdue_after_days)
        materiality_rank     BIGINT        1 is the largest amount at risk of all open breaks; null: not open
        effective_at         TIMESTAMPTZ   from when on it is as it stands here, in business time
        fact_at              TIMESTAMPTZ   when, in business time, something last happened to the item
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
    columns(
        """
        break_id             VARCHAR     the break in reconciliation.breaks
        event                VARCHAR     opened, value_changed, resolved, reopened, accepted, explained
        happened_at          TIMESTAMPTZ when we knew (load time)
        effective_at         TIMESTAMPTZ from when on it is true (business time), earlier than load time where we learned of it late; null: from then on
        kind                 VARCHAR     kind of the break
        otto_value           VARCHAR     what OTTO said then
        wms_value            VARCHAR     what the WMS said then
        amount_at_risk_cents BIGINT      amount at risk then, in cents
        currency             VARCHAR     currency of the amount
        note                 VARCHAR     what a person wrote: the reason, or an explanation
        decided_by           VARCHAR     who wrote it; null: a reconciliation found it
        """
    ),
    derived=False,
)

DAILY_SUMMARY = Table(
    "reconciliation",
    "daily_summary",
    "One row per order day: how far both systems are, and what is open.",
    columns(
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
        refunds_at_risk_cents   BIGINT        the same in area refunds
        orders_at_risk          DECIMAL(18,2) amount at risk of open breaks in area orders
        shipments_at_risk       DECIMAL(18,2) the same in area shipments
        prices_at_risk          DECIMAL(18,2) the same in area prices
        refunds_at_risk         DECIMAL(18,2) the same in area refunds
        """
    ),
)

ATTRIBUTION = Table(
    "reconciliation",
    "attribution",
    "Which SKU, carrier, day, kind or owner carries the open breaks; only what is material.",
    columns(
        """
        dimension            VARCHAR       sku, carrier, day (of the order), kind or owner
        value                VARCHAR       which one
        currency             VARCHAR       currency of the amount
        breaks               BIGINT        open breaks of it
        amount_at_risk_cents BIGINT        their amount at risk, in cents
        amount_at_risk       DECIMAL(18,2) their amount at risk
        lines                BIGINT        all its lines, with and without a break; null: kinds and owners have none
        share_of_breaks      DECIMAL(9,4)  its share of all open breaks, in percent
        share_of_amount      DECIMAL(9,4)  its share of the amount at risk, in percent
        share_of_lines       DECIMAL(9,4)  its share of all lines, in percent
        lift                 DECIMAL(18,2) share of breaks over share of lines: 1 is as expected, 10 is ten times as many
        """
    ),
)

RECONCILIATION: tuple[Table, ...] = (
    ORDER_LINES,
    SHIPMENTS,
    PRICES,
    REFUNDS,
    FULFILMENT_STATUS,
    STOCK,
    BREAKS,
    BREAK_HISTORY,
    ATTRIBUTION,
    DAILY_SUMMARY,
)
TABLES = STAGING + NOTES + RECONCILIATION
