"""Commands `errors ...`: what waits for a person, and what a person does about it."""

import json
from typing import Annotated

import typer

from assets.exceptions import desk, listing
from assets.exceptions.model import OpenException
from assets.exceptions.pull import pull_orders
from otto_pipelines.commands.opening import (
    ByOption,
    console,
    explained,
    model,
    operations,
    person,
    settings,
)
from resources.bindings import open_clock, open_otto
from resources.operations import exception_decisions

app = typer.Typer(no_args_is_help=True, help="What waits for a person, and what to do about it.")

_Ids = Annotated[list[str], typer.Argument(help="Ids as `errors list` shows them.")]
_Reason = Annotated[str, typer.Option(help="Why; it is kept.")]


@app.command("list")
def list_errors(
    owner: Annotated[str | None, typer.Option(help="Only what is this owner's.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Only this kind; may be repeated.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List all that waits for a person, what costs most soonest first."""
    with explained(), operations() as db:
        rows = listing.open_exceptions(
            db, model(), open_clock().now(), owner=owner, kinds=kind or ()
        )
    shown = rows[:limit]
    if as_json:
        typer.echo(json.dumps([row.shown() for row in shown], indent=2))
        return
    if not rows:
        console.print("nothing waits for a person")
        return
    for row in shown:
        _print(row)
    console.print(_totals(rows, len(shown)), highlight=False, soft_wrap=True)


@app.command()
def retry(
    ids: Annotated[list[str] | None, typer.Argument(help="Messages by id; none means all.")] = None,
    kind: Annotated[
        list[str] | None, typer.Option(help="Only messages of this kind, such as otto_shipment.")
    ] = None,
) -> None:
    """Make messages due now; the next run of their flow delivers them."""
    with explained(), operations() as db:
        count = desk.retry(db, ids or (), kind or ())
    console.print(f"{count} row(s) are due now")


@app.command()
def ignore(ids: _Ids, reason: _Reason, by: ByOption = None) -> None:
    """Let exceptions be as they are; what goes wrong in another way is shown again."""
    with explained(), operations() as db:
        who = desk.Person(name=person(by), reason=reason)
        desk.ignore(db, model(), ids, who, open_clock().now())
    console.print(f"ignored: {', '.join(ids)}")


@app.command()
def reopen(ids: _Ids, reason: _Reason, by: ByOption = None) -> None:
    """Take up again what was ignored; a message can then be retried."""
    with explained(), operations() as db:
        desk.reopen(db, ids, desk.Person(name=person(by), reason=reason))
    console.print(f"open again: {', '.join(ids)}")


@app.command()
def history(
    limit: Annotated[int, typer.Option(min=1, help="The latest so many.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Show what persons ignored and took up again, the newest first."""
    with explained(), operations() as db, db.read() as conn:
        decisions = exception_decisions.history(conn, limit)
    rows = [
        {
            "decided_at": each.decided_at.isoformat(timespec="minutes"),
            "action": each.action,
            "id": each.exception_id,
            "kind": each.kind,
            "subject": each.subject,
            "decided_by": each.decided_by,
            "reason": each.reason,
        }
        for each in decisions
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        console.print("  ".join(row.values()), markup=False, highlight=False, soft_wrap=True)
    console.print(f"{len(rows)} decision(s)")


@app.command()
def pull(
    sales_order_ids: Annotated[list[str], typer.Argument(help="OTTO's sales order ids.")],
) -> None:
    """Read orders anew from OTTO, judge and store them (code 1: one is not in order)."""
    with explained(), operations() as db:
        config, rules = settings(), model()
        with open_otto(config, rules) as otto:
            pulled = pull_orders(db, otto, rules, sales_order_ids, open_clock().now())
    for each in pulled:
        why = f": {each.why}" if each.why else ""
        console.print(
            f"{each.sales_order_id}  {each.result}{why}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    if any(not each.is_stored for each in pulled):
        raise typer.Exit(1)


def _print(row: OpenException) -> None:
    deadline = row.deadline_at
    by = "" if deadline is None else f" ({deadline:%Y-%m-%d %H:%M} UTC)"
    money = "unknown" if row.at_risk_cents is None else _euro(row.at_risk_cents)
    lines = [
        f"{row.id}  {row.kind}  {row.state}  {row.key}",
        f"  when:   {row.urgency}{by}, at risk {money}, owner {row.owner}",
        f"  why:    {row.cause}",
        f"  remedy: {row.remedy}",
    ]
    if row.actions:
        lines.append(f"  here:   {', '.join(_commands(row))}")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _commands(row: OpenException) -> list[str]:
    spelled = {
        "retry": f"errors retry {row.id}",
        "ignore": f"errors ignore {row.id} --reason ...",
        "pull": f"errors pull {row.sales_order_id}",
    }
    return [spelled[action] for action in row.actions]


def _totals(rows: list[OpenException], shown: int) -> str:
    found = listing.summary(rows)
    kinds = ", ".join(f"{kind} {count}" for kind, count in found.by_kind.items())
    some = "" if shown == found.total else f", {shown} shown"
    return f"{found.total} exception(s){some}; at risk {_euro(found.at_risk_cents)}; {kinds}"


def _euro(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d} EUR"
