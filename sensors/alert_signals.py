"""What Dagster knows to be wrong, as signals: checks, runs, ticks, daemons.

Belongs here: reading Dagster's log from a cursor on, and its present state. Nothing is decided here
and nothing is written. From a check only counts and keys are taken, from an error only its type:
neither texts of rows nor messages of exceptions, which might quote a person's data.
"""

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import msgspec

from assets.alerting.signals import Event, Failing, Passing, Signal
from assets.rules.alerting import owner_name
from resources.alerts_policy import AlertsPolicy, Severity
from resources.operations.alerts import Alert

_PAGE = 500
# What is not read for lack of time is read by the next tick.
_PAGES_PER_TICK = 20
# PostgreSQL hands out ids before it commits, so that an event may appear behind a later one.
_OVERLAP = 100
_ASSET_JOB = "__ASSET_JOB"
_TICK = "tick:"
_MATERIALISATION = "materialisation of "
_NO_KEY = re.compile(r"[^\w .:/+#-]")
_ENDED_FROM_OUTSIDE = "its process ended"
_EXAMPLES = 5
# Tags of runs that no person started.
_BY_ITSELF = frozenset({"dagster/schedule_name", "dagster/sensor_name"})
_KEYS = (
    "sales_order_id",
    "position_item_id",
    "parcel_id",
    "sku",
    "receipt_number",
    "business_key",
    "key",
)
_DEADLINES = ("deadline", "deadline_at", "ship_by", "ship_by_at")
_RUN_REMEDY = "Look at the run, then at docs/operations.md, When a run fails."


@dataclass(frozen=True)
class Position:
    """Ids of the last events read; a new shape gets a new version."""

    checks: int
    failures: int
    version: int = 1

    @classmethod
    def of(cls, cursor: str | None) -> "Position | None":
        """Read a sensor's cursor; None where it is empty or of another version."""
        kept = msgspec.json.decode(cursor or "{}")
        return cls(**kept) if kept.get("version") == cls.version else None

    def __str__(self) -> str:
        """The cursor."""
        return msgspec.json.encode(asdict(self)).decode()


class DagsterLook:
    """One look at a Dagster instance.

    Args:
        instance: whose log and state are read.
        repository: the definitions, which name checks, their owners and their meanings.
        policy: which checks are urgent, and who owns failed runs.
    """

    def __init__(
        self,
        instance: dg.DagsterInstance,
        repository: dg.RepositoryDefinition,
        policy: AlertsPolicy,
    ) -> None:
        self._instance = instance
        self._log = instance.event_log_storage
        self._graph = repository.asset_graph
        sensors, schedules = repository.sensor_defs, repository.schedule_defs
        self._automation = {s.name for s in sensors} | {s.name for s in schedules}
        self._policy = policy

    def may_go_on_from(self, position: Position) -> bool:
        """Whether this is the log that `position` was read from, as far as can be told."""
        newest = self._log.get_maximum_record_id() or 0
        return max(position.checks, position.failures) <= newest

    def present(self) -> tuple[list[Signal], Position]:
        """The state of every check now, for a first look, and where to go on reading."""
        newest = self._log.get_maximum_record_id() or 0
        keys = sorted(self._graph.asset_check_keys)
        found = self._log.get_latest_asset_check_execution_by_key(keys)
        signals = [
            self._of_check(record.event.dagster_event.event_specific_data, None)
            for record in found.values()
            if record.event is not None
            and record.event.dagster_event is not None
            and record.event.dagster_event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
        ]
        return signals, Position(newest, newest)

    def since(self, position: Position) -> tuple[list[Signal], Position]:
        """Checks evaluated and runs failed after `position`, in the order of the log.

        Not a run that refused what a person asked for: whoever started it was told.
        """
        checks = self._events(dg.DagsterEventType.ASSET_CHECK_EVALUATION, position.checks)
        failures = self._events(dg.DagsterEventType.RUN_FAILURE, position.failures)
        signals: list[Signal] = [
            self._of_check(entry.dagster_event.event_specific_data, event)
            for event, entry in checks
        ]
        signals += [
            self._of_failure(entry, event)
            for event, entry in failures
            if not self._refused_a_person(entry)
        ]
        reached = Position(
            max([position.checks, *(event.id for event, _ in checks)]),
            max([position.failures, *(event.id for event, _ in failures)]),
        )
        return signals, reached

    def recovered(self, open_alerts: Sequence[Alert]) -> Iterator[Signal]:
        """Open alerts of runs that a good one followed, and of what is no longer defined."""
        known = {_check_key(key.asset_key, key.name) for key in self._graph.asset_check_keys}
        for alert in open_alerts:
            if alert.kind == "run" and self._succeeded_since(alert):
                yield Passing(alert.key, why="a later run succeeded")
            elif alert.kind == "check" and alert.key.partition("@")[0] not in known:
                yield Passing(alert.key, why="there is no such check any more")
            elif alert.kind == "tick" and alert.key.removeprefix(_TICK) not in self._automation:
                yield Passing(alert.key, why="there is no such sensor or schedule any more")

    def automation(self) -> Iterator[Signal]:
        """Daemons, and ticks of sensors and schedules; nothing where no daemon ever ran."""
        if self._instance.get_daemon_heartbeats():
            yield from self._daemons()
            yield from self._ticks()

    def _ticks(self) -> Iterator[Signal]:
        """Whether the latest tick of each sensor and schedule that runs failed."""
        for state in self._instance.all_instigator_state():
            name = state.instigator_name
            if name not in self._automation:
                continue
            key = f"{_TICK}{name}"
            ticks = self._instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=3)
            ended = [tick.status.value for tick in ticks if tick.status.value != "STARTED"]
            if state.status.value == "STOPPED" or not ended or ended[0] != "FAILURE":
                yield Passing(key)
                continue
            yield Failing(
                key=key,
                kind="tick",
                owner=self._policy.system_owner,
                severity="error",
                title=f"{name} cannot look",
                what=f"The latest tick of {name} failed, so nothing is started by it.",
                remedy="Look at its last tick, then: otto-pipelines check-connection",
                place=f"/automation?search={name}",
            )

    def _daemons(self) -> Iterator[Signal]:
        """Whether each daemon that is needed gives signs of life."""
        for name, status in self._instance.get_daemon_statuses().items():
            key = f"daemon:{name}"
            if not status.required or status.healthy:
                yield Passing(key)
                continue
            yield Failing(
                key=key,
                kind="daemon",
                owner=self._policy.system_owner,
                severity="error",
                title=f"Dagster's daemon {name.lower()} is not well",
                what="It gave no sign of life lately, or its last one told of an error.",
                remedy="Look at Deployment, Daemons in the UI, and restart dagster-daemon.",
                place="/deployment/daemons",
            )

    def _events(self, kind: dg.DagsterEventType, after: int) -> list[tuple[Event, Any]]:
        # Events of all runs in one order: also on SQLite, which keeps a file per run.
        start = after if self._log.is_run_sharded else max(after - _OVERLAP, -1)
        found: list[tuple[Event, Any]] = []
        for _ in range(_PAGES_PER_TICK):
            page = self._log.get_logs_for_all_runs_by_log_id(start, kind, limit=_PAGE)
            for event_id, entry in page.items():
                at = datetime.fromtimestamp(entry.timestamp, UTC)
                found.append((Event(event_id, at), entry))
            if len(page) < _PAGE:
                break
            start = max(page)
        return found

    def _of_check(self, evaluation: Any, event: Event | None) -> Signal:
        key = _check_key(evaluation.asset_key, evaluation.check_name)
        if evaluation.partition is not None:
            key = f"{key}@{evaluation.partition}"
        if evaluation.passed:
            return Passing(key, event)
        metadata = {name: value.value for name, value in evaluation.metadata.items()}
        rows = _rows(evaluation.metadata.get("rows"))
        name, asset = evaluation.check_name, evaluation.asset_key
        owner, meaning = self._owner_and_meaning(asset, name)
        partition = f" of {evaluation.partition}" if evaluation.partition else ""
        failing_rows = metadata.get("failing_rows") or metadata.get("warned_rows")
        # The table shows the first rows only; of a part no sum is given.
        at_risk = _at_risk(rows) if failing_rows == len(rows) else None
        return Failing(
            key=key,
            kind="check",
            owner=owner,
            severity=self._severity(evaluation),
            title=f"{asset.to_user_string()}: {name}{partition}",
            what=f"Not true: {meaning}",
            remedy=str(metadata.get("remedy") or "Look at the check in the UI."),
            place=f"/assets/{'/'.join(asset.path)}?view=checks&checkDetail={name}",
            failing_rows=failing_rows,
            at_risk_cents=metadata.get("amount_at_risk_cents", at_risk),
            examples=tuple(filter(None, map(_example, rows[:_EXAMPLES]))),
            deadline_at=_deadline(rows),
            event=event,
        )

    def _owner_and_meaning(self, asset: dg.AssetKey, name: str) -> tuple[str, str]:
        key = dg.AssetCheckKey(asset, name)
        if key not in self._graph.asset_check_keys:
            return owner_name(self._policy.system_owner), name
        check, owners = self._graph.get(key), self._graph.get(asset).owners
        said = check.metadata or {}
        owner = said.get("owner") or next(iter(owners), self._policy.system_owner)
        return owner_name(str(owner)), str(said.get("meaning") or check.description or name)

    def _severity(self, evaluation: Any) -> Severity:
        if evaluation.severity is dg.AssetCheckSeverity.WARN:
            return "warning"
        return "urgent" if evaluation.check_name in self._policy.urgent_checks else "error"

    def _of_failure(self, entry: Any, event: Event) -> Failing:
        job = entry.job_name or _ASSET_JOB
        run = self._instance.get_run_by_id(entry.run_id) if job == _ASSET_JOB else None
        name = _run_name(job, None if run is None else run.asset_selection)
        return Failing(
            key=f"run:{name}",
            kind="run",
            owner=self._policy.system_owner,
            severity="error",
            title=f"run of {name}",
            what=f"A run failed ({_error_type(entry.dagster_event)}), and none was good after it.",
            remedy=_RUN_REMEDY,
            place=f"/runs/{entry.run_id}",
            event=event,
        )

    def _refused_a_person(self, entry: Any) -> bool:
        data = entry.dagster_event.event_specific_data
        step = None if data is None else data.first_step_failure_event
        # Steps raise `dg.Failure` for a refusal alone.
        if step is None or step.step_failure_data.user_failure_data is None:
            return False
        run = self._instance.get_run_by_id(entry.run_id)
        return run is not None and _BY_ITSELF.isdisjoint(run.tags)

    def _succeeded_since(self, alert: Alert) -> bool:
        name = alert.key.removeprefix("run:")
        job = _ASSET_JOB if name.startswith(_MATERIALISATION) else name
        succeeded = dg.RunsFilter(
            job_name=job, statuses=[dg.DagsterRunStatus.SUCCESS], updated_after=alert.event_at
        )
        runs = self._instance.get_runs(succeeded, limit=_PAGE)
        return any(_run_name(job, run.asset_selection) == name for run in runs)


def _check_key(asset: dg.AssetKey, name: str) -> str:
    return f"check:{asset.to_user_string()}/{name}"


def _run_name(job: str, selection: Set[dg.AssetKey] | None) -> str:
    """The job's name, or what was materialised where no job of ours was started."""
    if job != _ASSET_JOB:
        return job
    assets = sorted(key.to_user_string() for key in selection or ())
    more = f" and {len(assets) - 3} more" if len(assets) > 3 else ""
    return _MATERIALISATION + ", ".join(assets[:3]) + more


def _error_type(event: dg.DagsterEvent) -> str:
    """The type of the error that began it; messages of errors are not passed on."""
    if event.event_specific_data is None:
        return _ENDED_FROM_OUTSIDE
    failure = event.job_failure_data
    step = failure.first_step_failure_event
    error = failure.error if step is None else step.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return (error.cls_name if error is not None else None) or _ENDED_FROM_OUTSIDE


def _rows(table: dg.MetadataValue | None) -> list[Mapping[str, Any]]:
    if not isinstance(table, dg.TableMetadataValue):
        return []
    return [record.data for record in table.records]


def _example(row: Mapping[str, Any]) -> str:
    """The first two keys of a row; what does not look like a key is blanked."""
    found = [(name, str(row[name])[:60]) for name in _KEYS if row.get(name)]
    return ", ".join(f"{name} {re.sub(_NO_KEY, '?', value)}" for name, value in found[:2])


def _at_risk(rows: Sequence[Mapping[str, Any]]) -> int | None:
    """What the rows together put at risk; None: they do not say."""
    cents = [row["at_risk_cents"] for row in rows if isinstance(row.get("at_risk_cents"), int)]
    return sum(cents) if cents else None


def _deadline(rows: Sequence[Mapping[str, Any]]) -> datetime | None:
    """The earliest deadline of the rows that are shown."""
    found = []
    for value in (row.get(name) for row in rows for name in _DEADLINES):
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            continue
        if moment.tzinfo is not None:
            found.append(moment)
    return min(found, default=None)
