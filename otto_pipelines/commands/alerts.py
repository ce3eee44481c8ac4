"""Commands `alerts list|ack|close|test`: what is wrong, who takes it on, do routes deliver."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from otto_pipelines.commands.opening import (
    ByOption,
    console,
    explained,
    model,
    operations,
    person,
    table,
)
from resources.bindings import open_channels, open_clock
from resources.operations import alert_messages, alerts
from resources.operations.alerts import Alert

app = typer.Typer(no_args_is_help=True, help="What is wrong now, and who takes it on.")

_NEWEST = 100


@app.command("list")
def list_alerts(
    over: Annotated[
        bool, typer.Option("--all", help="The newest alerts, also those that are over.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List open alerts, and channels that do not deliver."""
    with explained(), operations() as db, db.read() as conn:
        found = alerts.recent_alerts(conn, _NEWEST) if over else alerts.open_alerts(conn)
        channels = {
            name: alert_messages.health(conn, name) for name in alert_messages.channels_used(conn)
        }
    if as_json:
        typer.echo(json.dumps([asdict(alert) for alert in found], indent=2, default=str))
        return
    for alert in found:
        console.print(
            f"[bold]#{alert.id} {alert.severity}[/bold] {alert.title}",
            highlight=False,
            soft_wrap=True,
        )
        for name, value in _details(alert).items():
            console.print(f"  {name:>9}: {value}", highlight=False, soft_wrap=True, markup=False)
    console.print(f"{len(found)} alert(s)")
    for name, health in channels.items():
        if health.failures:
            console.print(
                f"[red]channel {name}:[/red] {health.failures} message(s) in a row did not arrive: "
                f"{health.error or 'outcome unknown'}",
                highlight=False,
                soft_wrap=True,
            )


@app.command()
def ack(
    alert_id: Annotated[int, typer.Argument(help="Its number in the list.")],
    by: ByOption = None,
    note: Annotated[str, typer.Option(help="What you do about it; it is kept.")] = "",
) -> None:
    """Take an alert on: it is escalated no further."""
    with explained(), operations() as db, db.write() as conn:
        taken = alerts.acknowledge(conn, alert_id, person(by), note, open_clock().now())
    console.print(f"taken on: {taken.title}", highlight=False)


@app.command()
def close(
    alert_id: Annotated[int, typer.Argument(help="Its number in the list.")],
    reason: Annotated[str, typer.Option(help="Why it is over; it is kept.")],
    by: ByOption = None,
) -> None:
    """End an alert that does not end by itself; if it fails again, it is opened anew."""
    with explained(), operations() as db, db.write() as conn:
        closed = alerts.close(conn, alert_id, person(by), reason, open_clock().now())
    console.print(f"closed: {closed.title}", highlight=False)


@app.command("test")
def send_trials(
    route: Annotated[
        str | None, typer.Option(help="Only this route; default: all of them.")
    ] = None,
) -> None:
    """Send a trial message to each channel of the routes (code 1: one did not arrive)."""
    from assets.alerting.trial import send_to_routes  # noqa: PLC0415

    with explained(), operations() as db:
        policy = model().alerts
        trials = send_to_routes(db, policy, open_channels(), route, open_clock().now())
    rows: list[list[object]] = [[t.route, t.channel, t.outcome] for t in trials]
    console.print(table("trials", ["route", "channel", "outcome"], rows))
    raise typer.Exit(0 if all(trial.good for trial in trials) else 1)


def _details(alert: Alert) -> dict[str, object]:
    found = {
        "what": alert.what,
        "to do": alert.remedy if alert.resolved_at is None else None,
        "rows": alert.failing_rows,
        "examples": "; ".join(alert.examples) or None,
        "owner": alert.owner,
        "since": _time(alert.opened_at),
        "deadline": _time(alert.deadline_at),
        "taken on": alert.acknowledged_at and f"by {alert.acknowledged_by}: {alert.note}",
        "over": alert.resolved_at and f"{_time(alert.resolved_at)}, {alert.resolution}",
    }
    return {name: value for name, value in found.items() if value is not None}


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(sep=" ", timespec="minutes")
