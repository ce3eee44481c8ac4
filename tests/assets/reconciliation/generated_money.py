"""Money of many generated lines, put straight into the staged tables: mostly right, some planted.

Builds on `benchmarks.reconciliation_data`: its sent lines get receipts, discounts, delivery fees,
returns, refunds and reductions. One line in 200 carries a break about money; the faults take turns.
"""

import duckdb

from benchmarks.reconciliation_data import LINES_PER_BREAK, NOW

# Fault to the kind of break that it must become.
FAULTS = {
    "no_receipt": "receipt_missing",
    "overcharged": "receipt_amount_mismatch",
    "fee_twice": "receipt_amount_mismatch",
    "misstated": "discount_mismatch",
    "undecided": "return_not_decided",
    "no_refund": "refund_missing",
    "refund_unasked": "refund_without_return",
    "refund_short": "refund_amount_mismatch",
    "rejected_refunded": "rejected_but_refunded",
    "reduction_lost": "price_reduction_mismatch",
    "reduction_cent": "price_reduction_mismatch",
    "partial_unasked": "price_reduction_mismatch",
    "request_failed": "price_reduction_mismatch",
    "blind": "return_not_decided",
}


def generate_money(con: duckdb.DuckDBPyConnection) -> None:
    """Fill the staged tables of money; adds to `planted` what must be found."""
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE unit AS
        SELECT *, buyer_price_cents AS price, 'R' || sales_order_id || (n % 2) AS receipt,
            sent_at + INTERVAL 5 minute AS charged_at, sent_at + INTERVAL 1 day AS back_at,
            CASE fault WHEN 'misstated' THEN 100 ELSE 50 * (hash(n) % 3) END AS share,
            fault IN ('no_refund', 'refund_short') OR story IN ('returned', 'both') AS returned,
            CASE WHEN story IN ('reduced', 'both') OR fault LIKE 'reduction%' THEN 200 ELSE 0 END
                AS reduced
        FROM (
            SELECT *, CASE
                WHEN n % $rarity = 13 AND NOT other AND sent_at < $now - INTERVAL 10 day
                THEN list_extract($faults, CAST(n // $rarity % len($faults) + 1 AS INTEGER))
                ELSE '' END AS fault,
                CASE WHEN fault <> '' OR other THEN '' ELSE list_extract(
                    ['returned', 'reduced', 'both', 'rejected', 'announced', '', '', '', '', ''],
                    CAST(n % 10 + 1 AS INTEGER)
                ) END AS story
            FROM (
                SELECT i.*, row_number() OVER (ORDER BY sales_order_id, position_item_id) AS n,
                    sales_order_id IN (SELECT sales_order_id FROM planted) AS other
                FROM staging.position_items AS i
                WHERE fulfilment_status = 'SENT'
            )
        )
        """,
        {"rarity": LINES_PER_BREAK, "now": NOW, "faults": list(FAULTS)},
    )
    for statement in _TABLES:
        con.execute(statement, {"now": NOW} if "$now" in statement else None)
    con.execute("CREATE OR REPLACE TEMP TABLE kinds (fault VARCHAR, kind VARCHAR)")
    con.executemany("INSERT INTO kinds VALUES (?, ?)", list(FAULTS.items()))
    con.execute(
        """
        INSERT INTO planted
        SELECT kind, CASE fault WHEN 'blind' THEN '' ELSE sales_order_id END,
            CASE fault WHEN 'fee_twice' THEN '' WHEN 'blind' THEN 'RR' || n
                ELSE position_item_id END
        FROM unit JOIN kinds USING (fault)
        """
    )


_UNIT = "sales_order_id, position_item_id, order_day, order_key"
_LINES = f"""
    INSERT INTO staging.receipt_lines BY NAME
    SELECT {_UNIT}, row_number() OVER (PARTITION BY receipt_number ORDER BY position_item_id)
            AS line_no,
        receipt_number, receipt_type, created_at, kind, 'EUR' AS currency, sku,
        amount_cents AS unit_price_cents, amount_cents, '19.0' AS tax_rate,
        created_at AS recorded_at
    FROM (SELECT *, {{columns}} FROM unit WHERE {{condition}})
"""
_TABLES = (
    """
    UPDATE staging.position_items AS i SET
        fulfilment_status = CASE WHEN u.returned THEN 'RETURNED' ELSE 'SENT' END,
        returned_at = CASE WHEN u.returned THEN u.back_at END,
        order_discount_share_cents = u.share, gross_cents = u.price + u.share
    FROM unit AS u
    WHERE i.sales_order_id = u.sales_order_id AND i.position_item_id = u.position_item_id
    """,
    """
    UPDATE staging.orders AS o SET delivery_fee_cents = CASE
        WHEN hash(sales_order_id) % 3 = 0 OR EXISTS (
            FROM unit AS u WHERE u.sales_order_id = o.sales_order_id AND fault = 'fee_twice'
        ) THEN 495 ELSE 0 END
    """,
    # Purchases: one receipt per order and parcel, some orders have two; the discount as a line's.
    """
    INSERT INTO staging.receipt_lines BY NAME
    SELECT sales_order_id, position_item_id, order_day, order_key, receipt AS receipt_number,
        n AS line_no, 'PURCHASE' AS receipt_type, charged_at AS created_at, 'item' AS kind,
        'EUR' AS currency, sku, '19.0' AS tax_rate,
        price + share - CASE fault WHEN 'misstated' THEN 40 ELSE 0 END AS unit_price_cents,
        price + CASE fault WHEN 'overcharged' THEN 100 ELSE 0 END AS amount_cents,
        charged_at AS recorded_at
    FROM unit WHERE fault <> 'no_receipt'
    """,
    """
    INSERT INTO staging.receipt_modifications BY NAME
    SELECT sales_order_id, order_day, order_key, receipt AS receipt_number, n AS line_no,
        1 AS sequence, 'PARTNER_DISCOUNT' AS modification_type,
        'PLATFORM_DISCOUNT' AS details_type,
        share - CASE fault WHEN 'misstated' THEN 40 ELSE 0 END AS amount_cents,
        charged_at AS recorded_at
    FROM unit WHERE fault <> 'no_receipt' AND share > 0
    """,
    """
    INSERT INTO staging.receipt_lines BY NAME
    SELECT sales_order_id, o.order_day, o.order_key, receipt AS receipt_number,
        -place AS line_no, 'PURCHASE' AS receipt_type, charged_at AS created_at,
        'delivery_cost' AS kind, 'EUR' AS currency, 495 AS unit_price_cents,
        495 AS amount_cents, charged_at AS recorded_at
    FROM staging.orders AS o
    JOIN (
        SELECT sales_order_id, min(receipt) AS receipt, min(charged_at) AS charged_at,
            CASE WHEN bool_or(fault = 'fee_twice') THEN [1, 2] ELSE [1] END AS places
        FROM unit WHERE fault <> 'no_receipt' GROUP BY sales_order_id
    ) USING (sales_order_id), unnest(places) AS t(place)
    WHERE delivery_fee_cents > 0
    """,
    _LINES.format(
        columns="'E' || n AS receipt_number, 'REFUND' AS receipt_type, back_at AS created_at, "
        "'item' AS kind, price - reduced - CASE fault WHEN 'refund_short' THEN 100 ELSE 0 END "
        "AS amount_cents",
        condition="(returned AND fault <> 'no_refund') "
        "OR fault IN ('refund_unasked', 'rejected_refunded')",
    ),
    _LINES.format(
        columns="'P' || n AS receipt_number, 'PARTIAL_REFUND' AS receipt_type, "
        "charged_at + INTERVAL 1 hour AS created_at, 'item_partial_refund' AS kind, "
        "200 + CASE fault WHEN 'reduction_cent' THEN 1 ELSE 0 END AS amount_cents",
        condition="(reduced > 0 AND fault <> 'reduction_lost') OR fault = 'partial_unasked'",
    ),
    """
    INSERT INTO staging.receipts BY NAME
    SELECT receipt_number, any_value(receipt_type) AS receipt_type,
        any_value(created_at) AS created_at, any_value(sales_order_id) AS sales_order_id,
        'EUR' AS currency, CAST(sum(amount_cents) AS BIGINT) AS gross_cents,
        0 AS voucher_cents, any_value(order_day) AS order_day, any_value(order_key) AS order_key
    FROM staging.receipt_lines GROUP BY receipt_number
    """,
    f"""
    INSERT INTO staging.price_reductions BY NAME
    SELECT {_UNIT}, charged_at AS created_at, 1 AS sequence, 200 AS amount_cents,
        'EUR' AS currency, 'PROCESSED' AS status, 'P' || n AS receipt_number
    FROM unit WHERE reduced > 0
    """,
    f"""
    INSERT INTO staging.otto_returns BY NAME
    SELECT {_UNIT}, back_at AS occurred_at,
        CASE WHEN returned THEN 'ACCEPTED' WHEN story = 'announced' THEN 'ANNOUNCED'
            ELSE 'REJECTED' END AS status
    FROM unit
    WHERE returned OR story IN ('announced', 'rejected') OR fault = 'rejected_refunded'
    """,
    """
    INSERT INTO staging.wms_return_units BY NAME
    SELECT 'RR' || n AS receipt_id, 1 AS unit_no, back_at AS received_at,
        CASE WHEN fault <> 'blind' THEN sales_order_id END AS sales_order_id,
        CASE WHEN fault <> 'blind' THEN position_item_id END AS position_item_id,
        CASE WHEN fault = 'blind' THEN unknown_day() ELSE order_day END AS order_day,
        CASE WHEN fault <> 'blind' THEN order_key END AS order_key,
        sku, 'MINT' AS condition, 'RESTOCK' AS disposition
    FROM unit WHERE returned OR story = 'rejected' OR fault IN ('undecided', 'blind')
    """,
    f"""
    INSERT INTO staging.price_reduction_requests BY NAME
    SELECT {_UNIT}, 'Q' || n AS request_id, 200 AS amount_cents, 'EUR' AS currency,
        charged_at AS requested_at
    FROM unit WHERE reduced > 0 OR fault = 'request_failed'
    """,
    """
    INSERT INTO staging.outbox BY NAME
    SELECT 100000000 + n AS id, 'otto_price_reduction' AS kind, 'Q' || n AS business_key,
        sales_order_id AS order_ref, order_day, order_key, 1 AS attempts,
        CASE fault WHEN 'request_failed' THEN 'failed' ELSE 'confirmed' END AS state
    FROM unit WHERE reduced > 0 OR fault = 'request_failed'
    """,
    """
    INSERT INTO staging.sync_runs BY NAME
    SELECT flow, $now - INTERVAL 400 day AS first_read_at, $now AS last_read_at
    FROM (VALUES ('receipts'), ('returns'), ('price_reductions')) AS t(flow)
    """,
)
