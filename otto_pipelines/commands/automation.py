"""Commands `automation list|enable|disable`: what runs by itself, switched in groups.

Belongs here: reading and changing the state that Dagster itself keeps of schedules and sensors, so
that a switch in the UI and one here are the same switch.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from otto_pipelines.commands.opening import console, dagster_home, errors, explained, table
from sensors.groups import GROUP_TAG, GROUPS

if TYPE_CHECKING:
    from dagster import DagsterInstance

app = typer.Typer(no_args_is_help=True, help="What runs by itself: schedules and sensors.")

EVERYTHING = "all"
# As in workspace.yaml: Dagster finds a stored switch by location, repository and name.
_LOCATION = "otto_pipelines"
_MODULE = "otto_pipelines.definitions"

GroupsArgument = Annotated[
    list[str] | None,
    typer.Argument(help=f"Groups ({', '.join(GROUPS)}), or {EVERYTHING}: the master switch."),
]
NamesOption = Annotated[
    list[str] | None,
    typer.Option("--name", help="One schedule or sensor by its name; may be repeated."),
]


@dataclass(frozen=True)
class Switch:
    """One schedule or sensor; `last_tick_at` is None if it never ran."""

    group: str
    name: str
    kind: str
    when: str
    running: bool
    last_tick_at: datetime | None
    last_result: str | None


@app.command("list")
def list_switches(
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List every schedule and sensor by group, whether it runs, and its last tick."""
    with explained(), _opened() as (instance, instigators):
        found = sorted(
            (_switch(instance, each) for each in instigators),
            key=lambda one: (list(GROUPS).index(one.group), one.kind, one.name),
        )
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], indent=2, default=str))
        return
    rows: list[list[object]] = [
        [
            one.group,
            one.name,
            one.when,
            "on" if one.running else "OFF",
            "never" if one.last_tick_at is None else f"{one.last_tick_at:%d %b %H:%M} UTC",
            one.last_result,
        ]
        for one in found
    ]
    columns = ["group", "name", "when", "state", "last tick", "result"]
    console.print(table("what runs by itself", columns, rows))


@app.command()
def enable(groups: GroupsArgument = None, names: NamesOption = None) -> None:
    """Switch groups on, or everything with `all`."""
    _turn(groups or [], names or [], on=True)


@app.command()
def disable(groups: GroupsArgument = None, names: NamesOption = None) -> None:
    """Switch groups off, or everything with `all`; runs that are under way go on to their end."""
    _turn(groups or [], names or [], on=False)


def _turn(groups: list[str], names: list[str], *, on: bool) -> None:
    unknown = set(groups) - {*GROUPS, EVERYTHING}
    if unknown:
        raise typer.BadParameter(
            f"no such group: {', '.join(sorted(unknown))}; known: {', '.join(GROUPS)}, {EVERYTHING}"
        )
    if not groups and not names:
        raise typer.BadParameter("name a group, `all`, or a schedule or sensor with --name")
    with explained(), _opened() as (instance, instigators):
        known = {each.name for each in instigators}
        if missing := set(names) - known:
            errors.print(f"[red]no such schedule or sensor:[/red] {', '.join(sorted(missing))}")
            raise typer.Exit(2)
        chosen = [
            each
            for each in instigators
            if EVERYTHING in groups or each.tags.get(GROUP_TAG) in groups or each.name in names
        ]
        changed = [each.name for each in chosen if _switch(instance, each).running is not on]
        for each in chosen:
            if each.name in changed:
                _set(instance, each, on=on)
    state = "on" if on else "off"
    for name in sorted(changed):
        console.print(f"{name} is {state}")
    if len(changed) < len(chosen):
        console.print(f"{len(chosen) - len(changed)} were {state} before")


@contextmanager
def _opened() -> Iterator[tuple["DagsterInstance", list[Any]]]:
    """Open the instance of DAGSTER_HOME and load what the daemon loads, in this process."""
    import dagster as dg  # noqa: PLC0415 - other commands need not wait for it
    from dagster._core.remote_origin import InProcessCodeLocationOrigin  # noqa: PLC0415
    from dagster._core.types.loadable_target_origin import (  # noqa: PLC0415
        LoadableTargetOrigin,
    )

    dagster_home()
    target = LoadableTargetOrigin(module_name=_MODULE, working_directory=os.getcwd())  # noqa: PTH109
    origin = InProcessCodeLocationOrigin(target, location_name=_LOCATION)
    with dg.DagsterInstance.get() as instance:
        location = origin.create_location(instance)
        repository = next(iter(location.get_repositories().values()))
        yield instance, [*repository.get_schedules(), *repository.get_sensors()]


def _switch(instance: "DagsterInstance", each: Any) -> Switch:
    stored = instance.get_instigator_state(each.get_remote_origin_id(), each.selector_id)
    ticks = instance.get_ticks(each.get_remote_origin_id(), each.selector_id, limit=1)
    is_schedule = hasattr(each, "cron_schedule")
    return Switch(
        group=each.tags[GROUP_TAG],
        name=each.name,
        kind="schedule" if is_schedule else "sensor",
        when=str(each.cron_schedule) if is_schedule else "news",
        running=each.get_current_instigator_state(stored).is_running,
        last_tick_at=datetime.fromtimestamp(ticks[0].timestamp, UTC) if ticks else None,
        last_result=ticks[0].status.value.lower() if ticks else None,
    )


def _set(instance: "DagsterInstance", each: Any, *, on: bool) -> None:
    is_schedule = hasattr(each, "cron_schedule")
    if on:
        (instance.start_schedule if is_schedule else instance.start_sensor)(each)
    else:
        stop = instance.stop_schedule if is_schedule else instance.stop_sensor
        stop(each.get_remote_origin_id(), each.selector_id, each)
