"""The command `order`: where an order is, in words for customer care."""

import json
from typing import Annotated

import typer

from assets.customer_care.lookup import CareOrder, CareUnit, look_up
from otto_pipelines.commands.opening import console, explained, model, operations
from resources.bindings import open_clock


def order(
    number: Annotated[str, typer.Argument(help="OTTO's order number or sales order id.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Show where each unit of an order is, what happens next, and what a buyer may be told."""
    with explained(), operations() as db:
        found = look_up(db, model(), number, open_clock().now())
    if as_json:
        typer.echo(json.dumps([each.shown() for each in found], indent=2))
        return
    for each in found:
        for line in _lines(each):
            console.print(line, markup=False, highlight=False, soft_wrap=True)


def _lines(found: CareOrder) -> list[str]:
    head = found.head
    lines = [
        f"order {head.order_number} ({head.sales_order_id}), ordered "
        f"{head.ordered_at:%Y-%m-%d %H:%M} UTC"
    ]
    for unit in found.units:
        lines += ["", *_lines_of_unit(unit)]
    for row in found.exceptions:
        lines += ["", f"open exception {row.id}: {row.kind}, {row.state}, owner {row.owner}"]
        lines += [f"  why:      {row.cause}", f"  remedy:   {row.remedy}"]
    return lines


def _lines_of_unit(unit: CareUnit) -> list[str]:
    row, status, parcel = unit.row, unit.status, unit.row.parcel
    lines = [
        f"{row.position_item_id}  {row.sku}  {row.title or ''}".rstrip(),
        f"  status:   {status.status}{' (late)' if unit.is_late else ''}: {status.meaning}",
        f"  next:     {status.next_step}",
        f"  to buyer: {status.tell_buyer}",
    ]
    if status.escalate_to:
        lines.append(f"  who:      {status.escalate_to}")
    lines.append(f"  OTTO:     {row.otto_status}; warehouse: {row.wms_status or 'nothing yet'}")
    if parcel is not None:
        lines.append(
            f"  parcel:   {parcel.parcel_id}, {parcel.carrier or 'no carrier'} "
            f"{parcel.number or 'without a number'}, left {parcel.shipped_at:%Y-%m-%d %H:%M} UTC"
        )
        lines.append(f"  link:     {parcel.link or 'none: the number is not released'}")
    dates = (("expected", row.expected_delivery_at), ("ship by", row.ship_by_at))
    known = [f"{name} {moment:%Y-%m-%d %H:%M} UTC" for name, moment in dates if moment]
    if known:
        lines.append(f"  dates:    {', '.join(known)}")
    return lines
