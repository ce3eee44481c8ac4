"""Commands `returns list|accept|reject`: units that came back and wait for a person."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from assets import return_desk
from otto_pipelines.commands.opening import (
    ByOption,
    console,
    explained,
    model,
    operations,
    person,
)
from resources.bindings import open_clock

app = typer.Typer(no_args_is_help=True, help="Returned units that wait for a decision.")

OrderArgument = Annotated[str, typer.Argument(help="Sales order id.", metavar="ORDER")]
ItemArgument = Annotated[str, typer.Argument(help="Position item id.", metavar="ITEM")]
ConditionOption = Annotated[
    str,
    typer.Option(
        help="A original packaging, B mint, C slightly used, D heavily used, E incomplete."
    ),
]
NoteOption = Annotated[
    str | None, typer.Option(help="For our own books; OTTO is not told. Name no buyer.")
]


@app.command("list")
def list_returns(
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List units that came back and that no rule decides, oldest first."""
    with explained(), operations() as db:
        waiting = return_desk.waiting_units(db, model())
    if as_json:
        typer.echo(json.dumps([asdict(unit) for unit in waiting], indent=2, default=str))
        return
    for unit in waiting:
        whose = f"{unit.sales_order_id} {unit.position_item_id}" if unit.is_owned else "owner ?"
        console.print(f"[bold]{whose}[/bold]  SKU {unit.sku}", soft_wrap=True)
        console.print(
            f"  {unit.condition}, {unit.disposition}, reason {unit.reason or 'none'}, received "
            f"{unit.received_at:%Y-%m-%d %H:%M} UTC by {unit.receipt_id}",
            highlight=False,
            soft_wrap=True,
        )
        console.print(f"  why: {unit.why}", highlight=False, soft_wrap=True)
    console.print(f"{len(waiting)} unit(s) wait for a person")


@app.command()
def accept(
    sales_order_id: OrderArgument,
    position_item_id: ItemArgument,
    condition: ConditionOption,
    reason: Annotated[
        str, typer.Option(help=f"One of {', '.join(return_desk.REASONS['ACCEPT'])}.")
    ] = "RETURN_RECEIVED",
    by: ByOption = None,
    note: NoteOption = None,
) -> None:
    """Accept a return: final, and OTTO refunds the unit's full price at once."""
    _decide(
        return_desk.PersonDecision(
            sales_order_id=sales_order_id,
            position_item_id=position_item_id,
            decision="ACCEPT",
            condition=condition,
            reason=reason,
            decided_by=person(by),
            note=note,
        )
    )


@app.command()
def reject(
    sales_order_id: OrderArgument,
    position_item_id: ItemArgument,
    condition: ConditionOption,
    reason: Annotated[
        str, typer.Option(help=f"One of {', '.join(return_desk.REASONS['REJECT'])}.")
    ],
    by: ByOption = None,
    note: NoteOption = None,
) -> None:
    """Reject a return; it may still be accepted later."""
    _decide(
        return_desk.PersonDecision(
            sales_order_id=sales_order_id,
            position_item_id=position_item_id,
            decision="REJECT",
            condition=condition,
            reason=reason,
            decided_by=person(by),
            note=note,
        )
    )


def _decide(wanted: return_desk.PersonDecision) -> None:
    with explained(), operations() as db:
        new = return_desk.decide_all(db, [wanted], open_clock().now())
    if new:
        console.print(
            "decided; the sensor outbox_due takes it to OTTO, at once: otto-pipelines sync returns"
        )
    else:
        console.print("it was decided so before; what became of it: otto-pipelines errors list")
