"""Commands for finance: `breaks list|explain|accept|reopen`, on the finance file."""

import json
from typing import Annotated

import typer

from assets.closing.periods import period_named
from assets.reconciliation import decisions
from otto_pipelines.commands.opening import (
    ByOption,
    FileOption,
    console,
    explained,
    finance_file,
    person,
)
from resources.bindings import open_clock
from resources.finance import FinanceDatabase

app = typer.Typer(no_args_is_help=True, help="Differences between OTTO and the warehouse.")

_COLUMNS = (
    "break_id",
    "kind",
    "area",
    "sales_order_id",
    "sku",
    "otto_value",
    "wms_value",
    "amount_at_risk",
    "currency",
    "explanation",
    "severity",
    "owner",
    "status",
    "first_seen_at",
)
# A filter that is not given lets everything pass.
_FILTERS = {
    "status": "status = $status",
    "kind": "kind = $kind",
    "area": "area = $area",
    "owner": "owner = $owner",
    "severity": "severity = $severity",
    "older_than_days": "age_days > $older_than_days",
    "first_day": "coalesce(order_day, timezone('Europe/Berlin', first_seen_at)::DATE) "
    "BETWEEN $first_day AND $last_day",
}
ReasonOption = Annotated[str, typer.Option(help="Why; it is kept in the history. Name no buyer.")]


@app.command("list")
def list_breaks(
    file: FileOption = None,
    kind: Annotated[str | None, typer.Option(help="Only this kind.")] = None,
    area: Annotated[str | None, typer.Option(help="Only this area.")] = None,
    owner: Annotated[str | None, typer.Option(help="Only what this owner must do.")] = None,
    severity: Annotated[str | None, typer.Option(help="Only high, medium or low.")] = None,
    period: Annotated[
        str | None, typer.Option(help="Only this order day (2026-11-20) or month (2026-11).")
    ] = None,
    older_than_days: Annotated[
        int | None, typer.Option(help="Only breaks open for more days than this.")
    ] = None,
    status: Annotated[str, typer.Option(help="open, resolved or accepted.")] = "open",
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List breaks, the most money first."""
    with explained():
        given: dict[str, object] = {
            "status": status,
            "kind": kind,
            "area": area,
            "owner": owner,
            "severity": severity,
            "older_than_days": older_than_days,
        }
        values = {name: value for name, value in given.items() if value is not None}
        if period is not None:
            days = period_named(period)
            values |= {"first_day": days.first_day, "last_day": days.last_day}
        conditions = [text for name, text in _FILTERS.items() if name in values]
        with FinanceDatabase(finance_file(file)).read() as con:
            rows = con.execute(
                f"SELECT {', '.join(_COLUMNS)} FROM reconciliation.breaks "
                f"WHERE {' AND '.join(conditions)} ORDER BY amount_at_risk_cents DESC, break_id",
                values,
            ).fetchall()
    if as_json:
        records = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
        typer.echo(json.dumps(records, indent=2, default=str))
        return
    for row in rows:
        found = dict(zip(_COLUMNS, row, strict=True))
        console.print(
            f"[bold]{found['amount_at_risk']:>10} {found['currency']}[/bold]  "
            f"{found['kind']}  {found['severity']}, {found['owner']}  {found['break_id']}",
            soft_wrap=True,
        )
        console.print(f"{'':14}  {found['explanation']}", highlight=False, soft_wrap=True)
        console.print(
            f"{'':14}  order {found['sales_order_id']}, SKU {found['sku']}", soft_wrap=True
        )
    console.print(f"{len(rows)} {status} break(s)")


@app.command()
def explain(
    break_id: str,
    note: Annotated[str, typer.Option(help="What is known; kept in the history. Name no buyer.")],
    by: ByOption = None,
    file: FileOption = None,
) -> None:
    """Write down what is known about a break; its status stays."""
    with explained():
        finance = FinanceDatabase(finance_file(file))
        decisions.explain_break(finance, break_id, note, open_clock().now(), by=person(by))
        finance.publish()
    console.print(f"break {break_id} is explained")


@app.command()
def accept(
    break_id: str, reason: ReasonOption, by: ByOption = None, file: FileOption = None
) -> None:
    """Accept a break; it stays accepted while its values stay as they are."""
    with explained():
        finance = FinanceDatabase(finance_file(file))
        decisions.accept_break(finance, break_id, reason, open_clock().now(), by=person(by))
        finance.publish()
    console.print(f"break {break_id} is accepted")


@app.command()
def reopen(
    break_id: str, reason: ReasonOption, by: ByOption = None, file: FileOption = None
) -> None:
    """Open an accepted break again."""
    with explained():
        finance = FinanceDatabase(finance_file(file))
        decisions.reopen_break(finance, break_id, reason, open_clock().now(), by=person(by))
        finance.publish()
    console.print(f"break {break_id} is open again")
