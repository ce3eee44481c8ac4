"""Commands for finance: `breaks list|accept|reopen`, on the finance file and its workflow."""

import json
from pathlib import Path
from typing import Annotated

import typer

from assets.reconciliation import decisions
from otto_pipelines.commands.opening import console, errors, explained, finance_file
from resources.bindings import open_clock
from resources.finance import FinanceDatabase

app = typer.Typer(no_args_is_help=True, help="Differences between OTTO and the warehouse.")

_COLUMNS = (
    "break_id",
    "kind",
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
)
FileOption = Annotated[
    Path | None, typer.Option("--file", help="The finance file; default FINANCE_DATABASE_PATH.")
]


@app.command("list")
def list_breaks(
    file: FileOption = None,
    kind: Annotated[str | None, typer.Option(help="Only this kind.")] = None,
    status: Annotated[str, typer.Option(help="open, resolved or accepted.")] = "open",
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List breaks, the most money first."""
    with explained():
        path = finance_file(file)
        if not path.exists():
            errors.print(f"there is no finance file at {path}: run otto-pipelines reconcile first")
            raise typer.Exit(2)
        with FinanceDatabase(path).read() as con:
            rows = con.execute(
                f"SELECT {', '.join(_COLUMNS)} FROM reconciliation.breaks "
                "WHERE status = $status AND ($kind IS NULL OR kind = $kind) "
                "ORDER BY amount_at_risk_cents DESC, break_id",
                {"status": status, "kind": kind},
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
def accept(
    break_id: str,
    reason: Annotated[str, typer.Option(help="Why; it is kept in the history.")],
    file: FileOption = None,
) -> None:
    """Accept a break; it stays accepted while its values stay as they are."""
    with explained():
        finance = FinanceDatabase(finance_file(file))
        decisions.accept_break(finance, break_id, reason, open_clock().now())
        finance.publish()
    console.print(f"break {break_id} is accepted")


@app.command()
def reopen(
    break_id: str,
    reason: Annotated[str, typer.Option(help="Why; it is kept in the history.")],
    file: FileOption = None,
) -> None:
    """Open an accepted break again."""
    with explained():
        finance = FinanceDatabase(finance_file(file))
        decisions.reopen_break(finance, break_id, reason, open_clock().now())
        finance.publish()
    console.print(f"break {break_id} is open again")
