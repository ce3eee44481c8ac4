"""What the finance file holds of closed periods, and the views that finance reads first.

Belongs here: the tables of the period close and the schema `reports`, each column with its meaning.
How a period is closed stands in `assets.closing`; the tables that are closed in
`resources.finance_schema`.

The views' schema is not called `finance`: the file is `finance.duckdb`, DuckDB names its catalogue
after it, and `finance.open_breaks` would then be ambiguous.
"""

# ruff: noqa: E501 - one column is one line, read as a table

from dataclasses import dataclass

from resources.finance_table import Column, Table, columns

PERIOD_CLOSE = Table(
    "reconciliation",
    "period_close",
    "Every close and every reopening of a day or month; rows are only added.",
    columns(
        """
        period          VARCHAR       the day (2026-11-20) or month (2026-11), by order day
        kind            VARCHAR       day or month
        sequence        INTEGER       1 for the first close of the period, 2 for the close after its first reopening
        event           VARCHAR       closed or reopened
        happened_at     TIMESTAMPTZ   when it happened
        decided_by      VARCHAR       who closed or reopened it
        reopen_reason   VARCHAR       why it was reopened; null for a close
        first_day       DATE          first order day of the period
        last_day        DATE          last order day of the period
        folder          VARCHAR       folder of the close below `closes`, beside the finance file
        manifest_sha256 VARCHAR       SHA-256 of the close's manifest.json
        previous_sha256 VARCHAR       SHA-256 of the manifest of the close before it; null: it is the first
        signature       VARCHAR       hmac-sha256, or none where no FINANCE_SIGNING_KEY was set
        open_breaks     BIGINT        breaks of the period that were open at the close, none of them material
        accepted_breaks BIGINT        breaks of the period that a person had accepted
        """
    ),
    derived=False,
)

CLOSED_TABLES = Table(
    "reconciliation",
    "closed_tables",
    "How many rows of each table a close holds, and their content hash.",
    columns(
        """
        period       VARCHAR       the closed day or month
        sequence     INTEGER       which close of the period
        table_name   VARCHAR       table in the schema reconciliation
        row_count    BIGINT        rows of the period
        content_hash VARCHAR       SHA-256 over the rows in an order of their own; equal rows give equal hashes
        hashed       VARCHAR       the columns that the hash covers, comma separated
        """
    ),
    derived=False,
)

CLOSED_AMOUNTS = Table(
    "reconciliation",
    "closed_amounts",
    "Totals of each close, one row per table, amount and currency.",
    columns(
        """
        period       VARCHAR       the closed day or month
        sequence     INTEGER       which close of the period
        table_name   VARCHAR       table in the schema reconciliation
        amount_name  VARCHAR       which amount: a column of the table; of breaks the open and the accepted amount at risk
        currency     VARCHAR       currency of the amount; empty where the table names none
        amount_cents BIGINT        total in cents
        amount       DECIMAL(18,2) total
        """
    ),
    derived=False,
)

LATE_FOR_PERIOD = Table(
    "reconciliation",
    "late_for_period",
    "What arrived after a day was closed, booked as a difference of a day that was open then; rows are only added.",
    columns(
        """
        late_for         VARCHAR       the closed day that the amount belongs to
        sequence         INTEGER       which close of that day
        booked_in        VARCHAR       the day in whose close the difference is counted
        booked_at        TIMESTAMPTZ   when it was booked
        table_name       VARCHAR       table in the schema reconciliation
        row_key          VARCHAR       the row: its identifying columns, joined by /
        sales_order_id   VARCHAR       OTTO's salesOrderId; null where the table has none
        position_item_id VARCHAR       OTTO's positionItemId; null where the table has none
        amount_name      VARCHAR       which amount, as in closed_amounts
        currency         VARCHAR       currency of the amount
        before_cents     BIGINT        the close's amount with all that was booked before, in cents
        after_cents      BIGINT        the amount as it was when this was booked, in cents
        difference_cents BIGINT        what is booked: after minus before, in cents
        difference       DECIMAL(18,2) what is booked
        explanation      VARCHAR       why: what changed, or that the day was closed again
        """
    ),
    derived=False,
)

CHANGES_AFTER_CLOSE = Table(
    "reconciliation",
    "changes_after_close",
    "Rows of closed days that are no longer what they were at the close, as of the last reconciliation.",
    columns(
        """
        period           VARCHAR     the closed day
        sequence         INTEGER     which close of the day
        table_name       VARCHAR     table in the schema reconciliation
        row_key          VARCHAR     the row: its identifying columns, joined by /
        sales_order_id   VARCHAR     OTTO's salesOrderId; null where the table has none
        position_item_id VARCHAR     OTTO's positionItemId; null where the table has none
        change           VARCHAR     added, changed or gone
        what_changed     VARCHAR     each column that changed, with its value then and now
        nature           VARCHAR     money: an amount changed; state: no amount changed
        why              VARCHAR     what happened to the item's breaks since the close; null: nothing
        """
    ),
)

CLOSING: tuple[Table, ...] = (
    PERIOD_CLOSE,
    CLOSED_TABLES,
    CLOSED_AMOUNTS,
    LATE_FOR_PERIOD,
    CHANGES_AFTER_CLOSE,
)


@dataclass(frozen=True)
class View:
    """One view of the schema `reports`, with the meaning of each of its columns."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    query: str

    @property
    def full_name(self) -> str:
        """Schema and name, as SQL writes it."""
        return f"reports.{self.name}"


OPEN_BREAKS = View(
    "open_breaks",
    "What is open now, the most money first.",
    columns(
        """
        break_id         VARCHAR       name of the break, for `otto-pipelines breaks`
        kind             VARCHAR       what kind of difference it is
        area             VARCHAR       area of the comparison
        owner            VARCHAR       who has to act
        severity         VARCHAR       high is material: it keeps its period from being closed
        amount_at_risk   DECIMAL(18,2) amount at risk
        currency         VARCHAR       currency of the amount
        sales_order_id   VARCHAR       OTTO's salesOrderId
        position_item_id VARCHAR       OTTO's positionItemId; empty: the whole order
        sku              VARCHAR       SKU
        order_day        DATE          day of the order; null where the break is of no order
        first_seen_at    TIMESTAMPTZ   when it was first found
        days_open        BIGINT        whole days from then to the last reconciliation
        explanation      VARCHAR       the difference in words, with both sides' values
        remedy           VARCHAR       what to do
        note             VARCHAR       the last note that a person wrote about it
        note_by          VARCHAR       who wrote it
        """
    ),
    """
    SELECT b.break_id, b.kind, b.area, b.owner, b.severity, b.amount_at_risk, b.currency,
        b.sales_order_id, b.position_item_id, b.sku, b.order_day, b.first_seen_at,
        b.age_days AS days_open, b.explanation, b.remedy,
        n.note, n.decided_by AS note_by
    FROM reconciliation.breaks AS b
    LEFT JOIN (
        SELECT break_id, arg_max(note, happened_at) AS note,
            arg_max(decided_by, happened_at) AS decided_by
        FROM reconciliation.break_history
        WHERE note IS NOT NULL
        GROUP BY break_id
    ) AS n USING (break_id)
    WHERE b.status = 'open'
    ORDER BY b.amount_at_risk_cents DESC, b.break_id
    """,
)

DRIFT_PER_DAY = View(
    "drift_per_day",
    "How much the two systems differ, per order day, area and currency.",
    columns(
        """
        day              DATE          order day; for breaks of no order the day they were first seen (Europe/Berlin)
        area             VARCHAR       area of the comparison
        currency         VARCHAR       currency of the amounts
        open_breaks      BIGINT        breaks that are open
        material_breaks  BIGINT        of these, breaks of severity high
        open_at_risk     DECIMAL(18,2) amount at risk of open breaks
        accepted_at_risk DECIMAL(18,2) amount at risk of breaks that a person accepted
        """
    ),
    """
    SELECT coalesce(order_day, timezone('Europe/Berlin', first_seen_at)::DATE) AS day, area,
        currency, count(*) FILTER (status = 'open') AS open_breaks,
        count(*) FILTER (status = 'open' AND severity = 'high') AS material_breaks,
        coalesce(sum(amount_at_risk) FILTER (status = 'open'), 0)::DECIMAL(18,2) AS open_at_risk,
        coalesce(sum(amount_at_risk) FILTER (status = 'accepted'), 0)::DECIMAL(18,2)
            AS accepted_at_risk
    FROM reconciliation.breaks
    WHERE status <> 'resolved'
    GROUP BY ALL
    ORDER BY ALL
    """,
)

AGING = View(
    "aging",
    "How old the open breaks are, per owner and currency.",
    columns(
        """
        age            VARCHAR       age in days as a range, by the operating model
        youngest_days  BIGINT        age of the youngest of them in days
        owner          VARCHAR       who has to act
        currency       VARCHAR       currency of the amount
        open_breaks    BIGINT        breaks of that age
        amount_at_risk DECIMAL(18,2) amount at risk
        """
    ),
    """
    SELECT age_bucket AS age, min(age_days) AS youngest_days, owner, currency,
        count(*) AS open_breaks, sum(amount_at_risk)::DECIMAL(18,2) AS amount_at_risk
    FROM reconciliation.breaks
    WHERE status = 'open'
    GROUP BY ALL
    ORDER BY youngest_days, owner, currency
    """,
)

FULFILMENT = View(
    "fulfilment_status",
    "Where each unit is, for customer care; the newest orders first.",
    columns(
        """
        order_number         VARCHAR     order number that the buyer sees
        sku                  VARCHAR     SKU
        status               VARCHAR     status of the unit, see docs/customer-care.md
        meaning              VARCHAR     the status in words
        next_step            VARCHAR     what happens next, or what to do
        tell_buyer           VARCHAR     what a buyer may be told
        escalate_to          VARCHAR     who has to act; empty: nobody
        carrier              VARCHAR     carrier of the parcel
        tracking_link        VARCHAR     the buyer's link to the parcel
        dispatched_at        TIMESTAMPTZ when the unit left the warehouse
        expected_delivery_at TIMESTAMPTZ what OTTO promised the buyer
        ship_by_at           TIMESTAMPTZ latest dispatch that keeps this promise
        sales_order_id       VARCHAR     OTTO's salesOrderId
        position_item_id     VARCHAR     OTTO's positionItemId
        """
    ),
    """
    SELECT order_number, sku, status, meaning, next_step, tell_buyer, escalate_to, carrier,
        tracking_link, dispatched_at, expected_delivery_at, ship_by_at, sales_order_id,
        position_item_id
    FROM reconciliation.fulfilment_status
    ORDER BY order_day DESC, order_number, position_item_id
    """,
)

CLOSED_PERIODS = View(
    "closed_periods",
    "Where each period stands that was ever closed.",
    columns(
        """
        period          VARCHAR     the day or month
        kind            VARCHAR     day or month
        state           VARCHAR     closed, or reopened and not closed again
        sequence        INTEGER     how often it was closed
        since           TIMESTAMPTZ when it was closed or reopened
        decided_by      VARCHAR     who did that
        reopen_reason   VARCHAR     why it was reopened
        signature       VARCHAR     hmac-sha256, or none
        open_breaks     BIGINT      breaks that were open at the last close, none of them material
        accepted_breaks BIGINT      breaks that were accepted at the last close
        rows_changed    BIGINT      rows that have changed since
        amounts_changed BIGINT      of these, rows with another amount
        """
    ),
    """
    SELECT e.period, e.kind, e.event AS state, e.sequence, e.happened_at AS since, e.decided_by,
        e.reopen_reason, e.signature, e.open_breaks, e.accepted_breaks,
        count(c.row_key) AS rows_changed,
        count(c.row_key) FILTER (c.nature = 'money') AS amounts_changed
    FROM (
        SELECT *
        FROM reconciliation.period_close
        -- Reopening follows the close of the same sequence.
        QUALIFY row_number() OVER (
            PARTITION BY period ORDER BY sequence DESC, event = 'reopened' DESC
        ) = 1
    ) AS e
    LEFT JOIN reconciliation.changes_after_close AS c USING (period, sequence)
    GROUP BY ALL
    ORDER BY period
    """,
)

PERIOD_STATUS = View(
    "period_status",
    "Where each order day stands, and what keeps it from being closed.",
    columns(
        """
        day             DATE          order day
        state           VARCHAR       open, closed, or reopened and not closed again
        order_lines     BIGINT        position items of the day
        in_progress     BIGINT        of these, not settled: work goes on, or differing within the time of grace
        open_breaks     BIGINT        open breaks of the day
        material_breaks BIGINT        of these, material: while there is one the day cannot be closed
        open_at_risk    DECIMAL(18,2) amount at risk of open breaks, over all currencies
        rows_changed    BIGINT        rows that have changed since the close
        amounts_changed BIGINT        of these, rows with another amount
        """
    ),
    """
    WITH lines AS (
        SELECT order_day AS day, count(*) AS order_lines,
            count(*) FILTER (difference_class IN ('in_progress', 'expected')) AS in_progress
        FROM reconciliation.order_lines
        GROUP BY day
    ),
    drift AS (
        SELECT day, sum(open_breaks)::BIGINT AS open_breaks,
            sum(material_breaks)::BIGINT AS material_breaks,
            sum(open_at_risk)::DECIMAL(18,2) AS open_at_risk
        FROM reports.drift_per_day
        GROUP BY day
    )
    SELECT day, coalesce(p.state, 'open') AS state, coalesce(l.order_lines, 0) AS order_lines,
        coalesce(l.in_progress, 0) AS in_progress, coalesce(d.open_breaks, 0) AS open_breaks,
        coalesce(d.material_breaks, 0) AS material_breaks,
        coalesce(d.open_at_risk, 0)::DECIMAL(18,2) AS open_at_risk,
        coalesce(p.rows_changed, 0) AS rows_changed,
        coalesce(p.amounts_changed, 0) AS amounts_changed
    FROM lines AS l
    FULL JOIN drift AS d USING (day)
    LEFT JOIN reports.closed_periods AS p ON p.period = day::VARCHAR
    ORDER BY day
    """,
)

LATE_DIFFERENCES = View(
    "late_differences",
    "What was booked late, per day it belongs to, day it was booked in, and amount.",
    columns(
        """
        late_for    VARCHAR       the closed day that the amount belongs to
        booked_in   VARCHAR       the day in whose close the difference is counted
        table_name  VARCHAR       table in the schema reconciliation
        amount_name VARCHAR       which amount
        currency    VARCHAR       currency of the amount
        bookings    BIGINT        how many
        difference  DECIMAL(18,2) their sum
        """
    ),
    """
    SELECT late_for, booked_in, table_name, amount_name, currency, count(*) AS bookings,
        sum(difference)::DECIMAL(18,2) AS difference
    FROM reconciliation.late_for_period
    GROUP BY ALL
    ORDER BY ALL
    """,
)

VIEWS: tuple[View, ...] = (
    OPEN_BREAKS,
    DRIFT_PER_DAY,
    AGING,
    FULFILMENT,
    CLOSED_PERIODS,
    PERIOD_STATUS,
    LATE_DIFFERENCES,
)
