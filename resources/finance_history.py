"""What was true when, as known when: views and table macros over the history of breaks.

Belongs here: how `reconciliation.break_history` is read as of two times. Business time says from
when on something is true, load time since when we know. The history is only ever added to: a later
event that is true from an earlier time on overrules what was known of the time after it, and what
was known before stays as it was. Rows of the history come from `assets.reconciliation`.
"""

from collections.abc import Iterator

from resources.finance_table import Table, columns

_STATUS = """CASE event WHEN 'accepted' THEN 'accepted' WHEN 'resolved' THEN 'resolved'
        ELSE 'open' END"""

_EVENTS = f"""
    SELECT *, {_STATUS} AS status, coalesce(effective_at, happened_at) AS valid_from,
        row_number() OVER (PARTITION BY break_id ORDER BY happened_at, rowid) AS number
    FROM reconciliation.break_history
    WHERE event <> 'explained'
"""

BREAK_VERSIONS = Table(
    "reconciliation",
    "break_versions",
    "Each state of each break: true from valid_from to valid_to in business time, "
    "as known from known_from to known_to in load time; null: no end yet.",
    columns(
        """
        break_id             VARCHAR     the break in reconciliation.breaks
        kind                 VARCHAR     kind of the break
        status               VARCHAR     open or accepted; a break that is gone has no state
        otto_value           VARCHAR     what OTTO said
        wms_value            VARCHAR     what the WMS said
        amount_at_risk_cents BIGINT      amount at risk, in cents
        currency             VARCHAR     currency of the amount
        valid_from           TIMESTAMPTZ from when on this was true
        valid_to             TIMESTAMPTZ until when it was true
        known_from           TIMESTAMPTZ since when we knew so
        known_to             TIMESTAMPTZ until when we believed so
        """
    ),
)
_TIMES = "business_time, known_time := TIMESTAMPTZ '9999-12-31 00:00:00+00'"
BREAKS_AS_OF = Table(
    "reconciliation",
    "breaks_as_of",
    "Macro (business_time, known_time): breaks that were open or accepted at business_time, "
    "as known at known_time.",
    columns(
        """
        break_id             VARCHAR       the break in reconciliation.breaks
        area                 VARCHAR       orders, shipments, prices, refunds or stock
        kind                 VARCHAR       kind of the break
        status               VARCHAR       open or accepted
        sales_order_id       VARCHAR       OTTO's salesOrderId
        position_item_id     VARCHAR       OTTO's positionItemId
        sku                  VARCHAR       SKU at OTTO
        order_day            DATE          day of the order in Europe/Berlin
        otto_value           VARCHAR       what OTTO said
        wms_value            VARCHAR       what the WMS said
        amount_at_risk_cents BIGINT        amount at risk, in cents
        amount_at_risk       DECIMAL(18,2) amount at risk
        currency             VARCHAR       currency of the amount
        owner                VARCHAR       who has to act
        true_since           TIMESTAMPTZ   from when on this was true
        known_since          TIMESTAMPTZ   since when we knew so
        """
    ),
)
AMOUNTS_AS_OF = Table(
    "reconciliation",
    "amounts_as_of",
    "Macro (business_time, known_time): how much was open and accepted at business_time, "
    "as known at known_time.",
    columns(
        """
        area             VARCHAR       orders, shipments, prices, refunds or stock
        currency         VARCHAR       currency of the amounts
        open_breaks      BIGINT        breaks that were open
        open_at_risk     DECIMAL(38,2) their amount at risk
        accepted_breaks  BIGINT        breaks that a person had accepted
        accepted_at_risk DECIMAL(38,2) their amount at risk
        """
    ),
)
HISTORY: tuple[Table, ...] = (BREAK_VERSIONS, BREAKS_AS_OF, AMOUNTS_AS_OF)

# A state ends with the next one that is true from an earlier time on than all between them.
_VERSIONS_QUERY = f"""
    WITH state AS ({_EVENTS}),
    ending AS (
        SELECT s.break_id, s.number, l.happened_at AS known_from, l.number AS ended_by,
            l.valid_from AS valid_to
        FROM state AS s
        JOIN state AS l ON l.break_id = s.break_id AND l.number > s.number
        QUALIFY l.valid_from < coalesce(
            min(l.valid_from) OVER (
                PARTITION BY s.break_id, s.number ORDER BY l.number
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ),
            'infinity'
        )
    ),
    belief AS (
        SELECT break_id, number, happened_at AS known_from, number AS ended_by,
            CAST(NULL AS TIMESTAMPTZ) AS valid_to
        FROM state
        UNION ALL BY NAME
        FROM ending
    ),
    version AS (
        SELECT s.*, b.valid_to, b.known_from,
            lead(b.known_from) OVER (PARTITION BY b.break_id, b.number ORDER BY b.ended_by)
                AS known_to
        FROM belief AS b
        JOIN state AS s USING (break_id, number)
    )
    SELECT {", ".join(column.name for column in BREAK_VERSIONS.columns)}
    FROM version
    WHERE status <> 'resolved'
        AND valid_from < coalesce(valid_to, 'infinity')
        AND known_from < coalesce(known_to, 'infinity')
"""

_MACROS = (
    # A day without a time means the end of that day, as finance speaks of it.
    """
    reconciliation.moment(day_or_time) AS CASE
        WHEN strlen(CAST(day_or_time AS VARCHAR)) <= 10
        THEN timezone('Europe/Berlin', CAST(TRY_CAST(day_or_time AS DATE) + 1 AS TIMESTAMP))
            - INTERVAL 1 microsecond
        ELSE CAST(day_or_time AS TIMESTAMPTZ)
    END
    """,
    f"""
    {BREAKS_AS_OF.full_name}({_TIMES}) AS TABLE
    SELECT h.break_id, b.area, h.kind, h.status, b.sales_order_id, b.position_item_id, b.sku,
        b.order_day, h.otto_value, h.wms_value, h.amount_at_risk_cents,
        CAST(h.amount_at_risk_cents * 0.01 AS DECIMAL(18, 2)) AS amount_at_risk, h.currency,
        b.owner, h.valid_from AS true_since, h.happened_at AS known_since
    FROM (
        FROM ({_EVENTS})
        WHERE valid_from <= reconciliation.moment(business_time)
            AND happened_at <= reconciliation.moment(known_time)
        QUALIFY number = max(number) OVER (PARTITION BY break_id)
    ) AS h
    JOIN reconciliation.breaks AS b USING (break_id)
    WHERE h.status <> 'resolved'
    """,
    f"""
    {AMOUNTS_AS_OF.full_name}({_TIMES}) AS TABLE
    SELECT area, currency,
        count(*) FILTER (status = 'open') AS open_breaks,
        coalesce(sum(amount_at_risk) FILTER (status = 'open'), 0) AS open_at_risk,
        count(*) FILTER (status = 'accepted') AS accepted_breaks,
        coalesce(sum(amount_at_risk) FILTER (status = 'accepted'), 0) AS accepted_at_risk
    FROM reconciliation.breaks_as_of(business_time, known_time := known_time)
    GROUP BY area, currency
    ORDER BY area, currency
    """,
)


def history_statements() -> Iterator[str]:
    """SQL that makes the views and macros in the database in use."""
    versions = BREAK_VERSIONS.full_name
    yield f"CREATE OR REPLACE VIEW {versions} AS {_VERSIONS_QUERY}"
    yield f"COMMENT ON VIEW {versions} IS '{BREAK_VERSIONS.meaning}'"
    for column in BREAK_VERSIONS.columns:
        yield f"COMMENT ON COLUMN {versions}.{column.name} IS '{column.meaning}'"
    for macro in _MACROS:
        yield f"CREATE OR REPLACE MACRO {macro}"
    for table in (BREAKS_AS_OF, AMOUNTS_AS_OF):
        yield f"COMMENT ON MACRO TABLE {table.full_name} IS '{table.meaning}'"
