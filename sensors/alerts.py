"""Sensors of alerts: what failed is told to people, and a sign of life goes outside.

Belongs here: the order of one tick (look, take, escalate, send). A channel that fails never fails a
tick: the tick's message and the list of alerts say so. Messages leave from the tick and not from a
run, since they must also leave when no run can start.
"""

import os
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from assets.alerting import intake
from assets.alerting.dispatch import Dispatcher
from assets.alerting.messages import Writer
from resources.alerts.channels import Sender
from resources.alerts.heartbeat import Heartbeat, HeartbeatError
from resources.alerts_policy import AlertsPolicy
from resources.clock import Clock
from resources.operating_model import Automation, OperatingModel
from resources.operations import alerts as rows
from resources.operations import sync_log, watermarks
from resources.operations.database import OperationsDatabase
from resources.settings import dagster_ui_url
from sensors.alert_signals import DagsterLook, Position
from sensors.groups import in_group

# Set by each tick of `alerts`; while it is older, the sign of life stays away.
LOOKED = "alerts_looked"
_LOOK_AGE = timedelta(minutes=10)


def build_alert_sensors(automation: Automation, policy: AlertsPolicy) -> list[dg.SensorDefinition]:
    """Build both, running or stopped as the operating model says."""
    status = (
        dg.DefaultSensorStatus.RUNNING if automation.enabled else dg.DefaultSensorStatus.STOPPED
    )

    @dg.sensor(
        name="alerts",
        tags=in_group("operations"),
        minimum_interval_seconds=15,
        default_status=status,
        description=(
            "Tells people of failed checks and runs, of sensors that cannot look and daemons that "
            "stand still, once each, and when they are in order again."
        ),
    )
    def alerts(
        context: dg.SensorEvaluationContext,
        operations: dg.ResourceParam[OperationsDatabase],
        model: dg.ResourceParam[OperatingModel],
        clock: dg.ResourceParam[Clock],
        alert_channels: dg.ResourceParam[Sender],
    ) -> dg.SkipReason:
        now = clock.now()
        opened, resolved = _take(context, operations, model.alerts, now)
        writer = Writer(ZoneInfo(model.alerts.timezone), dagster_ui_url(os.environ))
        sent = Dispatcher(operations, model.alerts, alert_channels, writer).send_due(now)
        return dg.SkipReason(f"{opened} alert(s) opened, {resolved} resolved; {sent}")

    @dg.sensor(
        name="heartbeat",
        tags=in_group("operations"),
        minimum_interval_seconds=policy.heartbeat.every_minutes * 60,
        default_status=status,
        description=(
            "Gives a sign of life to HEARTBEAT_URL while daemon, alerts and synchronisations are "
            "well; a switch outside tells when it stays away."
        ),
    )
    def heartbeat(
        context: dg.SensorEvaluationContext,
        operations: dg.ResourceParam[OperationsDatabase],
        model: dg.ResourceParam[OperatingModel],
        clock: dg.ResourceParam[Clock],
        outside: dg.ResourceParam[Heartbeat],
    ) -> dg.SkipReason:
        if not outside.wanted:
            return dg.SkipReason("HEARTBEAT_URL is not set: nobody outside waits for a sign")
        ailing = unwell(context.instance, operations, model.alerts, clock.now())
        if ailing:
            return dg.SkipReason("no sign of life given: " + "; ".join(ailing))
        try:
            outside.beat()
        except HeartbeatError as error:
            return dg.SkipReason(f"no sign of life given: {error}")
        return dg.SkipReason("a sign of life was given")

    return [alerts, heartbeat]


def unwell(
    instance: dg.DagsterInstance, db: OperationsDatabase, policy: AlertsPolicy, now: datetime
) -> list[str]:
    """Why no sign of life may be given; empty where all is well."""
    found = [
        f"daemon {name.lower()} is not well"
        for name, status in instance.get_daemon_statuses().items()
        if status.required and not status.healthy
    ]
    with db.read() as conn:
        looked = watermarks.get(conn, LOOKED)
        if looked is None or now - datetime.fromisoformat(looked) > _LOOK_AGE:
            found.append("the sensor `alerts` has not looked lately")
        for flow, minutes in policy.heartbeat.flows.items():
            latest = sync_log.last_success(conn, flow)
            if latest is None or now - latest > timedelta(minutes=minutes):
                found.append(f"the last good synchronisation of {flow} is too old")
    return found


def _take(
    context: dg.SensorEvaluationContext,
    db: OperationsDatabase,
    policy: AlertsPolicy,
    now: datetime,
) -> tuple[int, int]:
    """Read what is new, write alerts and notices; the cursor moves when that is stored."""
    if context.repository_def is None:
        raise dg.DagsterInvariantViolationError("the sensor `alerts` needs the code location")
    look = DagsterLook(context.instance, context.repository_def, policy)
    position = Position.of(context.cursor)
    if position and not look.may_go_on_from(position):
        position = None
    found, reached = look.since(position) if position else look.present()
    with db.read() as conn:
        found += look.recovered(rows.open_alerts(conn, ("run", "check", "tick")))
    found += look.automation()
    with db.write() as conn:
        if position is None:
            rows.forget_events(conn)
        counts = intake.take(conn, policy, found, now)
        intake.escalate(conn, policy, now)
        watermarks.set(conn, LOOKED, now.isoformat(), now)
    context.update_cursor(str(reached))
    return counts
