"""Commands `reductions create|list`: price reductions that we ask OTTO for."""

import json
import uuid
from typing import Annotated

import typer

from assets.outbound.otto_price_reduction import KIND
from assets.reduction_desk import WantedReduction, request_all
from otto_pipelines.commands.opening import ByOption, console, explained, operations, person, table
from otto_pipelines.commands.returns import ItemArgument, OrderArgument
from resources.bindings import open_clock
from resources.operations.price_reductions import requests_with_state

app = typer.Typer(no_args_is_help=True, help="Price reductions, paid back to buyers by OTTO.")


@app.command()
def create(
    sales_order_id: OrderArgument,
    position_item_id: ItemArgument,
    amount: Annotated[str, typer.Option(help="In euro, exact to the cent, such as 5.00.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept. Name no buyer.")],
    by: ByOption = None,
    request_id: Annotated[
        str | None, typer.Option(help="The same id is the same reduction; default: a new one.")
    ] = None,
) -> None:
    """Ask for a reduction of a SENT unit's price, below what is left of it."""
    wanted = WantedReduction(
        request_id=request_id or uuid.uuid4().hex,
        sales_order_id=sales_order_id,
        position_item_id=position_item_id,
        amount=amount,
        reason=reason,
        requested_by=person(by),
    )
    with explained(), operations() as db:
        new = request_all(db, [wanted], open_clock().now())
    said = "written down; the sensor outbox_due takes it to OTTO" if new else "asked for before"
    console.print(f"reduction {wanted.request_id}: {said}", soft_wrap=True)


@app.command("list")
def list_reductions(
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List what we asked for, the newest first, and what became of it."""
    with explained(), operations() as db, db.read() as conn:
        rows = requests_with_state(conn, KIND)
    if as_json:
        typer.echo(json.dumps(rows, indent=2, default=str))
        return
    columns = ["request_id", "sales_order_id", "position_item_id", "amount_cents", "state", "why"]
    console.print(table("Price reductions", columns, [[row[c] for c in columns] for row in rows]))
