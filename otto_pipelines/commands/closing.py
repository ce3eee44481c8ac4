"""Commands for closing periods: `close day|month|status|reopen|verify`, on the finance file."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from otto_pipelines.commands.opening import (
    ByOption,
    FileOption,
    console,
    explained,
    finance_file,
    person,
    table,
)
from resources.bindings import open_clock
from resources.finance import FinanceDatabase
from resources.settings import finance_signing_key

app = typer.Typer(no_args_is_help=True, help="Close days and months, and prove that they stay.")

JsonOption = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
_STATES = (
    "day",
    "state",
    "order_lines",
    "in_progress",
    "open_breaks",
    "material_breaks",
    "open_at_risk",
    "rows_changed",
    "amounts_changed",
)
_CHANGES = ("period", "table_name", "row_key", "change", "nature", "what_changed", "why")
_CHANGES_SHOWN = 20


@app.command()
def day(
    period: Annotated[str, typer.Argument(help="The day, as 2026-11-20.", metavar="DAY")],
    by: ByOption = None,
    file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Close a day: refused while a material break of it is open."""
    _close(period, 10, by, file, as_json)


@app.command()
def month(
    period: Annotated[str, typer.Argument(help="The month, as 2026-11.", metavar="MONTH")],
    by: ByOption = None,
    file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Close a month: refused while a day of it is open or differs from its close."""
    _close(period, 7, by, file, as_json)


@app.command()
def status(file: FileOption = None, as_json: JsonOption = False) -> None:
    """Show where each day and each closed month stands."""
    with explained(), FinanceDatabase(finance_file(file)).read() as con:
        days = con.execute(f"SELECT {', '.join(_STATES)} FROM reports.period_status").fetchall()
        months = con.execute(
            "SELECT period, state, decided_by FROM reports.closed_periods WHERE kind = 'month'"
        ).fetchall()
    if as_json:
        found = {
            "days": [dict(zip(_STATES, row, strict=True)) for row in days],
            "months": [
                dict(zip(("month", "state", "decided_by"), row, strict=True)) for row in months
            ],
        }
        typer.echo(json.dumps(found, indent=2, default=str))
        return
    names = [name.replace("_", " ") for name in _STATES]
    console.print(table("days", names, [list(row) for row in days]))
    console.print(table("months", ["month", "state", "by"], [list(row) for row in months]))


@app.command()
def reopen(
    period: Annotated[str, typer.Argument(help="A day or a month.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept with the period.")],
    by: ByOption = None,
    file: FileOption = None,
) -> None:
    """Open a closed period again; its close stays on disk."""
    from assets.closing.close import reopen_period  # noqa: PLC0415

    with explained():
        finance = FinanceDatabase(finance_file(file))
        reopen_period(finance, period, by=person(by), reason=reason, now=open_clock().now())
    console.print(f"{period} is open again")


@app.command()
def verify(
    period: Annotated[str | None, typer.Argument(help="A day or a month; default: all.")] = None,
    file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge closes by hash, signature and chain; show what changed since (code 1: a fault)."""
    from assets.closing.verify import verify_closes  # noqa: PLC0415

    with explained():
        finance = FinanceDatabase(finance_file(file))
        verdicts = verify_closes(finance, name=period, key=finance_signing_key(os.environ))
        with finance.read() as con:
            rows = con.execute(
                f"SELECT {', '.join(_CHANGES)} FROM reconciliation.changes_after_close "
                "WHERE $period IS NULL OR period[:length($period)] = $period "
                "ORDER BY nature, period, table_name, row_key",
                {"period": period},
            ).fetchall()
    changes = [dict(zip(_CHANGES, row, strict=True)) for row in rows]
    if as_json:
        found = {
            "closes": [
                {
                    "period": verdict.period,
                    "sequence": verdict.sequence,
                    "folder": str(verdict.folder),
                    "signature": verdict.signature,
                    "faults": list(verdict.faults),
                }
                for verdict in verdicts
            ],
            "changes": changes,
        }
        typer.echo(json.dumps(found, indent=2, default=str))
    else:
        for verdict in verdicts:
            mark = "[red]FAULTY[/red]" if verdict.faults else "[green]whole[/green]"
            console.print(
                f"{verdict.period} close {verdict.sequence}: {mark}, "
                f"signature {verdict.signature}, {verdict.folder}",
                soft_wrap=True,
            )
            for fault in verdict.faults:
                console.print(f"    {fault}", highlight=False, soft_wrap=True)
        for change in changes[:_CHANGES_SHOWN]:
            console.print(
                f"{change['period']} {change['table_name']} {change['row_key']} "
                f"{change['change']}: {change['what_changed']}"
                + (f" ({change['why']})" if change["why"] else ""),
                highlight=False,
                soft_wrap=True,
            )
        console.print(
            f"{len(verdicts)} close(s), {len(changes)} row(s) changed since"
            + (f"; the first {_CHANGES_SHOWN} are shown" if len(changes) > _CHANGES_SHOWN else "")
        )
    if any(verdict.faults for verdict in verdicts):
        raise typer.Exit(1)


def _close(period: str, length: int, by: str | None, file: Path | None, as_json: bool) -> None:
    if len(period) != length:
        raise typer.BadParameter(
            f"{period} is none: a day is written as 2026-11-20, a month as 2026-11"
        )
    # Excel and charts load only where they are used.
    from assets.closing.close import close_period  # noqa: PLC0415

    with explained():
        close = close_period(
            FinanceDatabase(finance_file(file)),
            period,
            by=person(by),
            now=open_clock().now(),
            key=finance_signing_key(os.environ),
        )
    if as_json:
        found = {"folder": str(close.folder), "is_new": close.is_new, "manifest": close.manifest}
        typer.echo(json.dumps(found, indent=2))
        return
    if close.is_new:
        console.print(f"{period} is closed; signature: {close.manifest['signature']['method']}")
    else:
        closed_by, at = close.manifest["closed_by"], close.manifest["closed_at"]
        console.print(f"{period} was closed by {closed_by} at {at}; nothing changed")
    for path in (close.report, close.workbook):
        console.print(f"  {path}", soft_wrap=True)
