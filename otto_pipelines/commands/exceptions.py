"""Commands `errors list|retry|ignore`: outbox rows, quarantine, parked parcels and open shorts."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from otto_pipelines.commands.opening import console, explained, model, operations
from resources.bindings import open_clock
from resources.operations import outbox, outbox_desk, quarantine

app = typer.Typer(no_args_is_help=True, help="What waits for a person, and what to do about it.")

_STUCK = ("failed", "blocked")


@app.command("list")
def list_errors(
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List failed and blocked messages, parked parcels, open short-picks and quarantined rows."""
    from assets import short_picks  # noqa: PLC0415
    from assets.parcel_gate import refused_rows  # noqa: PLC0415

    with explained(), operations() as db:
        shorts = short_picks.open_rows(db, model().short_pick, open_clock().now())
        parked = [r for r in refused_rows(db, datetime.now(UTC)) if r["state"] == "parked"]
        with db.read() as conn:
            stuck = outbox.rows(conn, states=_STUCK, limit=10_000)
            held = quarantine.open_rows(conn)
    found = [_of_outbox(row) for row in stuck]
    found += [_of_parcel(row) for row in parked]
    found += [_of_short(row) for row in shorts]
    found += [_of_quarantine(row) for row in held]
    if as_json:
        typer.echo(json.dumps(found, indent=2, default=str))
        return
    if not found:
        console.print("nothing waits for a person")
        return
    for row in found:
        number = f"#{row['id']}" if row["id"] is not None else ""
        console.print(
            f"[bold]{row['what']}[/bold]  {row['state']}  {row['key']} {number}", soft_wrap=True
        )
        console.print(f"  why:    {row['reason']}", highlight=False, soft_wrap=True)
        console.print(f"  remedy: {row['remedy']}", highlight=False, soft_wrap=True)
    console.print(f"{len(found)} exception(s)")


@app.command()
def retry(
    ids: Annotated[list[int] | None, typer.Argument(help="Rows by id; none means all.")] = None,
    kind: Annotated[
        list[str] | None, typer.Option(help="Only rows of this kind, such as otto_shipment.")
    ] = None,
) -> None:
    """Make rows due now; the next run of their flow delivers them."""
    with explained(), operations() as db, db.write() as conn:
        count = outbox_desk.retry_now(conn, ids or None, kind or None, datetime.now(UTC))
    console.print(f"{count} row(s) are due now")


@app.command()
def ignore(
    row_id: Annotated[int, typer.Argument(help="The row's id.")],
    reason: Annotated[str, typer.Option(help="Why it needs no delivery; it is kept.")],
) -> None:
    """Take one row out of delivery for good."""
    with explained(), operations() as db, db.write() as conn:
        outbox_desk.ignore(conn, row_id, reason, datetime.now(UTC))
    console.print(f"row {row_id} is ignored")


def _of_outbox(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "what": row["kind"],
        "key": row["business_key"],
        "state": row["state"],
        "reason": row["reason"],
        "remedy": "correct the cause, then: otto-pipelines errors retry " + str(row["id"]),
    }


def _of_parcel(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": None,
        "what": f"parcel: {row['rule']}",
        "key": row["parcel_id"],
        "state": "parked",
        "reason": row["reason"],
        "remedy": row["remedy"],
    }


def _of_short(row: dict[str, Any]) -> dict[str, Any]:
    now_or_never = row["overdue"] or row["next_step"] == "a person decides"
    return {
        "id": None,
        "what": f"short-pick of {row['sku']}",
        "key": f"{row['sales_order_id']}:{row['position_item_id']}",
        "state": "overdue" if row["overdue"] else "open",
        "reason": f"{row['why']}; ship by: {row['ship_by_at'] or 'OTTO promised no day'}",
        "remedy": "let the warehouse ship it, or cancel it in OTTO Partner Connect"
        if now_or_never
        else f"nothing yet; next, by itself: {row['next_step']}",
    }


def _of_quarantine(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": None,
        "what": f"{row['source']}: {row['rule']}",
        "key": row["business_key"],
        "state": "quarantined",
        "reason": f"{row['field']}: {row['shown']}",
        "remedy": row["remedy"],
    }
