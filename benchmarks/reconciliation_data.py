"""Both sides of many order lines, put straight into the staged tables of a finance database.

One line in 200 carries a break; the kinds take turns. The last day is still in work, 2 % of the
rest are cancelled on both sides, orders have one or two lines, and a year of days is filled evenly.
"""

from datetime import UTC, datetime, timedelta

import duckdb

DAYS = 365
LINES_PER_BREAK = 200
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
KINDS = (
    "unknown_to_otto",
    "cancelled_in_otto_open_in_wms",
    "cancelled_in_wms_open_in_otto",
    "missing_in_wms",
    "sku_mismatch",
    "tracking_missing",
    "tracking_invalid",
    "carrier_mismatch",
    "tracking_mismatch",
    "dispatched_not_confirmed",
    "confirmed_not_dispatched",
    "late_shipment",
    "currency_mismatch",
    "price_mismatch",
)


def generate(con: duckdb.DuckDBPyConnection, lines: int) -> None:
    """Fill schema `staging`; the temporary table `planted` says which line has which break."""
    con.execute(
        """
        CREATE OR REPLACE TEMP MACRO id(number) AS CAST(CAST(md5(number) AS UUID) AS VARCHAR);
        CREATE OR REPLACE TEMP MACRO never() AS CAST(NULL AS TIMESTAMPTZ);
        """
    )
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE line AS
        SELECT *, id('o' || order_no) AS order_ref, id('i' || i) AS line_id,
            hash(order_ref) AS order_key,
            CASE WHEN fault = 'unknown_to_otto' THEN DATE '1970-01-01' ELSE day END AS order_day,
            timezone('UTC', day + INTERVAL 9 hour) AS ordered_at,
            timezone('UTC', day + INTERVAL 19 hour) AS gone_at,
            'SKU-' || (hash(i) % 20000) AS sku, CAST(500 + hash(i) % 9500 AS BIGINT) AS price,
            list_extract(['DHL', 'HERMES', 'GLS'], CAST(hash(order_no) % 3 + 1 AS INTEGER))
                AS carrier,
            CAST(570000000000 + order_no AS VARCHAR) AS number,
            fault = '' AND hash(i + 1) % 50 = 0 AS cancelled,
            fault = '' AND day = $last_day AS in_work,
            CASE WHEN fault = '' THEN 'P' || order_no ELSE 'P' || order_no || '-' || i END
                AS parcel_id
        FROM (
            SELECT i, own AS fault,
                -- Every third line is alone, and so is what one side does not have.
                CASE WHEN own IN ('unknown_to_otto', 'missing_in_wms') THEN 1000000000 + i
                    ELSE (i * 2) // 3 END AS order_no,
                -- The day of the order's first line.
                CASE WHEN order_no < 1000000000 THEN (order_no * 3 + 1) // 2 ELSE i END AS first_i,
                CAST($last_day - CAST(364 - (first_i * 365) // $lines AS INTEGER) AS DATE) AS day
            FROM (
                SELECT range AS i,
                    CASE WHEN range % $rarity = 7 THEN list_extract(
                        $kinds, CAST(range // $rarity % len($kinds) + 1 AS INTEGER)
                    ) ELSE '' END AS own
                FROM range($lines)
            )
        );
        """,
        {
            "lines": lines,
            "rarity": LINES_PER_BREAK,
            "kinds": list(KINDS),
            "last_day": (NOW - timedelta(days=1)).date(),
        },
    )
    for statement in _TABLES:
        con.execute(statement, {"now": NOW} if "$now" in statement else None)
    con.execute(
        "CREATE OR REPLACE TEMP TABLE planted AS SELECT fault AS kind, "
        "order_ref AS sales_order_id, line_id AS position_item_id FROM line WHERE fault <> ''"
    )
    con.execute("DROP TABLE line")


# Lines that OTTO still waits for, and lines of which a parcel left.
_OPEN = """(in_work OR fault IN ('cancelled_in_wms_open_in_otto', 'missing_in_wms',
    'tracking_missing', 'tracking_invalid', 'dispatched_not_confirmed', 'late_shipment'))"""
_LEFT = """(NOT cancelled AND NOT in_work AND fault NOT IN ('unknown_to_otto',
    'cancelled_in_otto_open_in_wms', 'cancelled_in_wms_open_in_otto', 'missing_in_wms',
    'confirmed_not_dispatched', 'late_shipment'))"""

_TABLES = (
    """
    INSERT INTO staging.orders BY NAME
    SELECT order_ref AS sales_order_id, 'N' || order_no AS order_number, ordered_at, order_day,
        ordered_at AS lifecycle_changed_at, 'none' AS discount_reading, 'page' AS page_ref,
        ordered_at AS first_seen_at, order_key, gone_at AS recorded_at
    FROM line WHERE fault <> 'unknown_to_otto'
    QUALIFY i = min(i) OVER (PARTITION BY order_no)
    ORDER BY order_day
    """,
    f"""
    INSERT INTO staging.position_items BY NAME
    SELECT order_ref AS sales_order_id, line_id AS position_item_id, sku, 'EUR' AS currency,
        price AS gross_cents, 0 AS order_discount_share_cents, price AS buyer_price_cents,
        CASE WHEN cancelled OR fault = 'cancelled_in_otto_open_in_wms' THEN 'CANCELLED_BY_PARTNER'
            WHEN {_OPEN} THEN 'PROCESSABLE' ELSE 'SENT' END AS fulfilment_status,
        ordered_at AS processable_at,
        CASE WHEN fulfilment_status = 'SENT' THEN gone_at END AS sent_at,
        CASE WHEN fulfilment_status LIKE 'CANCELLED%' THEN gone_at END AS cancelled_at,
        CASE WHEN fulfilment_status = 'SENT' THEN
            CASE WHEN fault = 'carrier_mismatch' THEN 'UPS' ELSE carrier END END AS otto_carrier,
        CASE WHEN fulfilment_status = 'SENT' THEN
            CASE WHEN fault = 'tracking_mismatch' THEN 'X' || number ELSE number END END
            AS otto_tracking_number,
        CASE WHEN fault = 'late_shipment' THEN gone_at ELSE $now + INTERVAL 9 day END AS ship_by_at,
        order_day, order_key, gone_at AS recorded_at
    FROM line WHERE fault <> 'unknown_to_otto'
    ORDER BY order_day
    """,
    """
    INSERT INTO staging.wms_orders BY NAME
    SELECT order_ref, 'W' || order_no AS wms_order_id, ordered_at AS submitted_at,
        gone_at AS last_event_at, gone_at AS audited_at,
        NOT bool_or(fault = 'missing_in_wms') AS present, order_day, order_key,
        gone_at AS recorded_at
    FROM line GROUP BY ALL
    ORDER BY order_day
    """,
    f"""
    INSERT INTO staging.wms_order_lines BY NAME
    SELECT order_ref, line_id,
        CASE WHEN cancelled OR fault = 'cancelled_in_wms_open_in_otto' THEN 'CANCELLED'
            WHEN fault = 'missing_in_wms' THEN 'NEW'
            WHEN {_LEFT} THEN 'SHIPPED' ELSE 'ACCEPTED' END AS state,
        sku AS sku_sent, price AS price_sent_cents,
        CASE fault WHEN 'sku_mismatch' THEN 'another' WHEN 'missing_in_wms' THEN NULL ELSE sku END
            AS sku_seen,
        CASE fault WHEN 'price_mismatch' THEN price + 250 ELSE price END AS price_seen_cents,
        CASE fault WHEN 'currency_mismatch' THEN 'PLN' ELSE 'EUR' END AS currency_seen,
        CAST(state = 'SHIPPED' AS INTEGER) AS quantity_shipped,
        order_day, order_key, gone_at AS recorded_at
    FROM line
    -- The WMS has its own order within a day.
    ORDER BY order_day, line_id
    """,
    f"""
    INSERT INTO staging.parcels BY NAME
    SELECT parcel_id, order_ref, carrier || '-STD' AS carrier_raw, carrier,
        CASE WHEN fault <> 'tracking_missing' THEN number END AS tracking_number,
        gone_at AS shipped_at,
        CASE WHEN fault IN ('tracking_missing', 'tracking_invalid') THEN 'parked'
            ELSE 'released' END AS state,
        CASE fault WHEN 'tracking_missing' THEN ['tracking_number_present']
            WHEN 'tracking_invalid' THEN ['tracking_number_valid'] END AS parked_rules,
        gone_at + INTERVAL 1 day AS deadline_at, order_day, order_key, gone_at AS recorded_at
    FROM line WHERE {_LEFT}
    QUALIFY i = min(i) OVER (PARTITION BY parcel_id)
    ORDER BY order_day
    """,
    f"""
    INSERT INTO staging.parcel_lines BY NAME
    SELECT parcel_id, line_id, 1 AS quantity, order_ref, order_day, order_key,
        gone_at AS recorded_at
    FROM line WHERE {_LEFT}
    ORDER BY order_day
    """,
    """
    INSERT INTO staging.outbox BY NAME
    SELECT row_number() OVER () AS id, kind, business_key, order_ref, 'confirmed' AS state,
        1 AS attempts, created_at, order_day, order_key, recorded_at
    FROM (
        SELECT 'wms_order' AS kind, sales_order_id AS business_key, sales_order_id AS order_ref,
            ordered_at AS created_at, order_day, order_key, recorded_at
        FROM staging.orders
        UNION ALL
        SELECT 'otto_shipment', parcel_id, order_ref, shipped_at, order_day, order_key, recorded_at
        FROM staging.parcels WHERE state = 'released'
    )
    ORDER BY order_day
    """,
)
