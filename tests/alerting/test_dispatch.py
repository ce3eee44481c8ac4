"""From signals to messages: once per cause, few in a storm, at least once, come what may."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from assets.alerting import intake
from assets.alerting.dispatch import Dispatcher, Report
from assets.alerting.messages import DIGEST_LINES, Message, Writer
from assets.alerting.signals import Event, Failing, Passing, Signal
from assets.alerting.trial import UnknownRoute, send_to_routes
from resources.alerts.channels import ChannelError, Channels
from resources.alerts_policy import AlertsPolicy, Severity
from resources.operations import alert_messages, alerts
from resources.operations.alerts import AlertRefusal
from resources.operations.database import OperationsDatabase
from tests.alerting.servers import http_hook, smtp_server

NOON = datetime(2026, 6, 8, 10, tzinfo=UTC)
ROUTES: dict[str, Any] = {"operations": {"error": ["mail"], "warning": []}}


def failing(name: str = "gate", severity: Severity = "error", **more: Any) -> Failing:
    return Failing(
        **{
            "key": f"check:parcels/{name}",
            "kind": "check",
            "owner": "operations",
            "severity": severity,
            "title": f"parcels: {name}",
            "what": "Not true: every parcel has a number.",
            "remedy": "Enter the number in the WMS.",
            **more,
        }
    )


def passing(name: str = "gate", **more: Any) -> Passing:
    return Passing(f"check:parcels/{name}", **more)


@dataclass
class Recorder:
    """A sender that remembers; channels in `broken` fail, `crash` ends the process in mid-send."""

    sent: list[tuple[str, Message]] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    crash: bool = False

    def send(self, channel: str, title: str, body: str, severity: Severity) -> None:
        if channel in self.broken:
            raise ChannelError(f"channel {channel}: connection refused")
        self.sent.append((channel, Message(title, body, severity)))
        if self.crash:
            raise KeyboardInterrupt

    def take(self) -> list[tuple[str, str]]:
        """Channel and title of each message since the last time."""
        taken, self.sent = self.sent, []
        return [(channel, message.title) for channel, message in taken]


@dataclass
class Desk:
    """One operations database, one policy, one moment."""

    db: OperationsDatabase
    sender: Recorder
    policy: AlertsPolicy
    now: datetime = NOON

    def tick(self, *signals: Signal, **later: float) -> list[tuple[str, str]]:
        """Time passes, signals come, what is due is sent; returns what was."""
        self.report(*signals, **later)
        return self.sender.take()

    def report(self, *signals: Signal, **later: float) -> Report:
        self.now += timedelta(**later)
        with self.db.write() as conn:
            intake.take(conn, self.policy, signals, self.now)
            intake.escalate(conn, self.policy, self.now)
        writer = Writer(ZoneInfo("Europe/Berlin"), "http://ui.example")
        return Dispatcher(self.db, self.policy, self.sender, writer).send_due(self.now)

    def use(self, **policy: Any) -> None:
        self.policy = AlertsPolicy.model_validate({"routes": ROUTES, **policy})


@pytest.fixture
def desk(operations_db: OperationsDatabase) -> Desk:
    return Desk(operations_db, Recorder(), AlertsPolicy.model_validate({"routes": ROUTES}))


def test_one_cause_is_told_once_however_often_it_fails(desk: Desk) -> None:
    [(channel, title)] = desk.tick(failing(failing_rows=2))
    assert (channel, title) == ("mail", "[otto_pipelines] ERROR: parcels: gate (2 rows)")
    for _ in range(20):
        assert desk.tick(failing(failing_rows=3), minutes=10) == []
    [(_, title)] = desk.tick(passing(), minutes=10)
    assert title == "[otto_pipelines] Recovered: parcels: gate"
    assert desk.tick(passing(), minutes=10) == []


def test_what_gets_much_worse_is_told_again(desk: Desk) -> None:
    desk.use(urgent_checks=["gate"])
    assert len(desk.tick(failing(failing_rows=2))) == 1
    assert len(desk.tick(failing(failing_rows=40), minutes=5)) == 1
    assert len(desk.tick(failing(severity="urgent", failing_rows=40), minutes=5)) == 1
    assert desk.tick(failing(severity="error", failing_rows=41), minutes=5) == []
    assert desk.tick(failing(severity="urgent", failing_rows=42), minutes=5) == []


def test_what_comes_and_goes_is_told_once_an_hour_at_most(desk: Desk) -> None:
    told = []
    for _ in range(30):
        told += desk.tick(failing(), minutes=1)
        told += desk.tick(passing(), minutes=1)
    assert len(told) == 2


def test_an_event_that_is_read_twice_or_late_changes_nothing(desk: Desk) -> None:
    at = NOON - timedelta(minutes=1)
    assert len(desk.tick(failing(event=Event(7, at)))) == 1
    assert len(desk.tick(passing(event=Event(9, at)))) == 1
    later = [failing(event=Event(7, at)), failing(event=Event(8, at)), passing(event=Event(9, at))]
    assert desk.tick(*later, hours=3) == []
    with desk.db.read() as conn:
        assert alerts.open_alerts(conn) == []
    assert len(desk.tick(failing(event=Event(10, at)))) == 1


def test_a_storm_of_five_hundred_is_one_digest_per_channel(desk: Desk) -> None:
    finance = {"error": ["books"]}
    desk.use(routes={**ROUTES, "finance": finance})
    storm = [
        failing(f"rule_{n}", owner="finance" if n % 5 == 0 else "operations") for n in range(500)
    ]
    told = desk.tick(*storm)
    assert sorted(told) == [
        ("books", "[otto_pipelines] 100 alerts, 100 of them open"),
        ("mail", "[otto_pipelines] 400 alerts, 400 of them open"),
    ]
    desk.tick(*(failing(f"late_{n}") for n in range(300)), minutes=1)
    assert desk.sender.take() == [], "the rest waits for the next digest"
    [(_, title)] = desk.tick(minutes=15)
    assert "300 alerts" in title
    [(_, title)] = desk.tick(*(passing(f"late_{n}") for n in range(300)), minutes=20)
    assert "300 alerts, 0 of them open" in title


def test_a_digest_is_short_and_says_how_many_more_there_are(desk: Desk) -> None:
    desk.tick(*(failing(f"rule_{n}") for n in range(100)))
    desk.report(*(failing(f"more_{n}") for n in range(100)), minutes=20)
    [(_, message)] = desk.sender.sent
    assert message.body.count("parcels: ") == DIGEST_LINES
    assert f"and {100 - DIGEST_LINES} more" in message.body


def test_quiet_hours_hold_back_and_the_morning_brings_one_message(desk: Desk) -> None:
    quiet = {"start": "20:00", "end": "07:00"}
    desk.use(routes={"operations": {"error": ["mail"], "quiet_hours": quiet}})
    evening = timedelta(hours=10)  # 22:00 in Berlin
    assert desk.tick(failing("stays"), hours=evening.total_seconds() / 3600) == []
    assert desk.tick(failing("heals"), minutes=5) == []
    assert desk.tick(passing("heals"), hours=2) == []
    [urgent] = desk.tick(failing("oversold", severity="urgent"), hours=1)
    assert "URGENT" in urgent[1]
    told = []
    for _ in range(8):
        told += desk.tick(hours=1)
    assert sorted(title for _, title in told) == [
        "[otto_pipelines] ERROR: parcels: stays",
        "[otto_pipelines] Was wrong, is in order again: parcels: heals",
    ]


def test_nobody_answers_so_others_are_told_and_an_acknowledgement_ends_that(desk: Desk) -> None:
    steps = [{"after_minutes": 30, "to": "boss"}, {"after_minutes": 120, "to": "boss"}]
    boss = {"error": ["phone"]}
    desk.use(routes={"operations": {"error": ["mail"], "escalate": steps}, "boss": boss})
    desk.tick(failing("a"), failing("b"))
    with desk.db.write() as conn:
        taken = alerts.acknowledge(conn, 2, "Eva", "on it", desk.now)
    assert taken.key == "check:parcels/b"
    told = [message for _ in range(30) for message in desk.tick(minutes=10)]
    assert told == [("phone", "[otto_pipelines] ESCALATED ERROR: parcels: a")] * 2
    told = desk.tick(passing("a"), passing("b"))
    assert sorted(channel for channel, _ in told) == ["mail", "mail", "phone"]


def test_a_channel_that_fails_is_tried_again_less_and_less_and_others_stand_in(
    desk: Desk,
) -> None:
    desk.use(fallback=["phone"])
    desk.sender.broken = {"mail"}
    report = desk.report(failing())
    assert report.errors == ["channel mail: connection refused"]
    assert "connection refused" in str(report)
    told = [message for _ in range(60) for message in desk.tick(minutes=1)]
    assert sorted(told) == [
        ("phone", "[otto_pipelines] ERROR: alert channel mail does not deliver"),
        ("phone", "[otto_pipelines] ERROR: parcels: gate"),
    ]
    with desk.db.read() as conn:
        assert 5 <= alert_messages.health(conn, "mail").failures <= 7
    desk.sender.broken = set()
    told = [message for _ in range(90) for message in desk.tick(minutes=1)]
    assert ("mail", "[otto_pipelines] ERROR: parcels: gate") in told
    assert ("phone", "[otto_pipelines] Recovered: alert channel mail does not deliver") in told
    assert len(told) == 2


def test_after_a_crash_in_mid_send_the_message_leaves_once_more(desk: Desk) -> None:
    desk.sender.crash = True
    with pytest.raises(KeyboardInterrupt):
        desk.tick(failing())
    desk.sender.crash = False
    told = [message for _ in range(60) for message in desk.tick(minutes=1)]
    assert len(told) == 2, "the one whose outcome is unknown, and one more"


def test_a_channel_that_no_route_names_any_more_is_forgotten(desk: Desk) -> None:
    desk.sender.broken = {"mail"}
    for _ in range(20):
        desk.tick(failing(), minutes=5)
    desk.use(routes={"operations": {"error": ["chat"]}})
    assert desk.tick(minutes=5) == []
    with desk.db.read() as conn:
        assert [alert.key for alert in alerts.open_alerts(conn)] == ["check:parcels/gate"]
        assert alert_messages.due_alerts(conn, desk.now) == {}


def test_a_message_says_what_where_since_when_how_much_and_what_to_do(desk: Desk) -> None:
    desk.report(
        failing(
            failing_rows=3,
            at_risk_cents=12_345,
            examples=("sales_order_id o1, sku S", "sales_order_id o2"),
            deadline_at=NOON + timedelta(hours=4),
            place="/assets/parcels",
        )
    )
    [(_, message)] = desk.sender.sent
    assert message.body.splitlines() == [
        "What: Not true: every parcel has a number.",
        "Where: http://ui.example/assets/parcels",
        "Since: 2026-06-08 12:00 CEST",
        "Rows: 3",
        "At risk: 123.45 EUR",
        "For example: sales_order_id o1, sku S; sales_order_id o2",
        "To do: Enter the number in the WMS.",
        "Owner: operations",
        "Deadline: 2026-06-08 16:00 CEST",
        "Take it on: otto-pipelines alerts ack 1",
    ]


def test_without_routes_alerts_are_listed_and_nothing_is_sent(desk: Desk) -> None:
    desk.policy = AlertsPolicy()
    assert desk.tick(failing()) == []
    assert desk.tick(failing(), days=3) == []
    with desk.db.read() as conn:
        [alert] = alerts.open_alerts(conn)
    assert (alert.times, alert.opened_at) == (2, NOON)


def test_a_closed_alert_tells_nobody_and_opens_anew(desk: Desk) -> None:
    desk.tick(failing())
    with desk.db.write() as conn:
        alerts.close(conn, 1, "Eva", "sold out for good", desk.now)
    assert desk.tick(minutes=5) == []
    assert len(desk.tick(failing(), hours=2)) == 1
    with desk.db.write() as conn:
        with pytest.raises(AlertRefusal, match="over already: closed by Eva: sold out for good"):
            alerts.acknowledge(conn, 1, "Eva", "", desk.now)
        with pytest.raises(AlertRefusal, match="no alert 99"):
            alerts.close(conn, 99, "Eva", "", desk.now)


def test_the_test_button_names_routes_and_lets_a_mended_channel_deliver_at_once(
    desk: Desk,
) -> None:
    desk.use(fallback=["phone"])
    desk.sender.broken = {"mail"}
    for _ in range(30):
        desk.tick(failing(), minutes=5)
    trials = send_to_routes(desk.db, desk.policy, desk.sender, None, desk.now)
    assert [(t.route, t.channel, t.good) for t in trials] == [
        ("operations", "mail", False),
        ("fallback", "phone", True),
    ]
    desk.sender.broken = set()
    send_to_routes(desk.db, desk.policy, desk.sender, "operations", desk.now)
    desk.sender.take()
    assert ("mail", "[otto_pipelines] ERROR: parcels: gate") in desk.tick(seconds=1)
    with pytest.raises(UnknownRoute, match="no route 'sales'; routes: operations, fallback"):
        send_to_routes(desk.db, desk.policy, desk.sender, "sales", desk.now)


def test_a_storm_of_five_hundred_arrives_as_one_mail_and_one_post(
    sqlite_template: Path, tmp_path: Path
) -> None:
    path = tmp_path / "operations.sqlite"
    path.write_bytes(sqlite_template.read_bytes())
    db = OperationsDatabase(f"sqlite:///{path}")
    routes = {"operations": {"error": ["mail", "hook"]}}
    with smtp_server() as mailbox, http_hook() as hook:
        sender: Any = Channels({"ALERT_URL_MAIL": mailbox.address, "ALERT_URL_HOOK": hook.address})
        desk = Desk(db, sender, AlertsPolicy.model_validate({"routes": routes}))
        for minute in range(3):
            desk.report(*(failing(f"rule_{n}") for n in range(500)), minutes=minute)
        assert [mail.title for mail in mailbox.take()] == [
            "[otto_pipelines] 500 alerts, 500 of them open"
        ]
        assert len(hook.take()) == 1
    with db.read() as conn:
        assert {alert.times for alert in alerts.open_alerts(conn)} == {3}
    db.close()
