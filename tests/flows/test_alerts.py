"""Alerts in the whole flow: a parked parcel reaches people once, and again when it is in order."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import pytest

from otto_pipelines.definitions import build_definitions
from otto_pipelines.sandbox.stories import Story
from resources.alerts.channels import Channels
from resources.otto.errors import OttoTransient
from tests.alerting.servers import Hook, Mail, Mailbox, http_hook, smtp_server
from tests.flows.conftest import QUIET
from tests.flows.test_tracking_gate import CANARY, shipped

ROUTES = {"warehouse": {"error": ["desk", "hook"]}, "operations": {"error": ["desk"]}}
UI = "http://dagster.seller.example"


@dataclass
class People:
    """Who is told, and the real sensor that tells them."""

    mailbox: Mailbox
    hook: Hook
    shop: Any
    cursor: str | None = None
    said: list[str] = field(default_factory=list)

    def tick(self, **later: float) -> list[Mail]:
        """Let time pass and the sensor look; returns the mails that came."""
        self.shop.advance(**later)
        repository = self.shop.definitions.get_repository_def()
        addresses = {"ALERT_URL_DESK": self.mailbox.address, "ALERT_URL_HOOK": self.hook.address}
        resources = {
            "operations": self.shop.db,
            "model": self.shop.model,
            "clock": self.shop.clock,
            "alert_channels": Channels(addresses),
        }
        with dg.build_sensor_context(
            instance=self.shop.instance,
            cursor=self.cursor,
            repository_def=repository,
            resources=resources,
        ) as context:
            skipped: Any = repository.get_sensor_def("alerts")(context)
            self.cursor = context.cursor
        self.said.append(skipped.skip_message)
        return self.mailbox.take()


@pytest.fixture
def people(open_shop: Any, sqlite_db: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[People]:
    monkeypatch.setenv("DAGSTER_UI_URL", UI)
    shop = open_shop(sqlite_db, alerts={"routes": ROUTES})
    with smtp_server() as mailbox, http_hook() as hook:
        yield People(mailbox, hook, shop)


def test_a_parked_parcel_is_told_once_and_its_recovery_once(people: People) -> None:
    shop = people.shop
    assert people.tick() == []
    order, parcel = shipped(shop, Story.TRACKING_MISSING)
    shop.sync_shipments()
    [mail] = people.tick(minutes=1)
    assert "ERROR: parcels: tracking_number_present (1 rows)" in mail.title
    for part in (
        f"{UI}/assets/parcels?view=checks",
        order.order_id,
        parcel.parcel_id,
        "Owner: warehouse",
        "Deadline: 2026-06-",
        "alerts ack 1",
    ):
        assert part in mail.body.replace("&amp;", "&"), part
    [body] = people.hook.take()
    assert body["title"] == mail.title
    assert CANARY not in str(body) + mail.body

    for _ in range(3):
        shop.sync_shipments()
        assert people.tick(minutes=10) == []

    with shop.world.turn() as world:
        world.warehouse.correct_tracking(parcel)
    shop.sync_shipments()
    [mail] = people.tick(minutes=10)
    assert "Recovered: parcels: tracking_number_present" in mail.title
    assert [b["title"] for b in people.hook.take()] == [mail.title]
    shop.sync_shipments()
    assert people.tick(hours=2) == []
    [alert] = shop.table("alerts")
    assert (alert["times"], alert["resolution"]) == (4, "in order again")


def test_what_fails_and_recovers_between_two_ticks_is_told_in_one_message(people: People) -> None:
    shop = people.shop
    people.tick()
    _, parcel = shipped(shop, Story.TRACKING_MISSING)
    shop.sync_shipments()
    with shop.world.turn() as world:
        world.warehouse.correct_tracking(parcel)
    shop.sync_shipments()
    [mail] = people.tick()
    assert "Was wrong, is in order again: parcels: tracking_number_present" in mail.title


def test_a_look_without_a_cursor_tells_what_fails_now_and_nothing_that_is_over(
    people: People,
) -> None:
    shop = people.shop
    _, mended = shipped(shop, Story.TRACKING_MALFORMED)
    shipped(shop, Story.CARRIER_UNKNOWN)
    shop.sync_shipments()
    with shop.world.turn() as world:
        world.warehouse.correct_tracking(mended)
    shop.sync_shipments()
    [mail] = people.tick()
    assert "carrier_known" in mail.title
    people.cursor = None
    assert people.tick(minutes=1) == []


def test_a_failed_run_is_told_only_when_no_good_one_follows_in_time(people: People) -> None:
    shop = people.shop
    people.tick()
    good = shop.otto.order_pages

    def broken(query: Any) -> Any:
        raise OttoTransient(f"GET /v4/orders: HTTP 503, {CANARY}")

    def round_of_orders() -> list[Mail]:
        shop.sync_orders(only=["otto_orders"], must_succeed=False)
        return people.tick(minutes=5)

    shop.otto.order_pages = broken
    assert round_of_orders() == []
    shop.otto.order_pages = good
    assert round_of_orders() == []
    assert people.tick(minutes=30) == [], "it was over before anybody had to know"

    shop.otto.order_pages = broken
    told = [round_of_orders() for _ in range(5)]
    [mail] = [mail for mails in told for mail in mails]
    assert told.index([mail]) == 3, "after 15 minutes"
    assert "ERROR: run of sync_orders" in mail.title
    assert "OttoTransient" in mail.body
    assert f"{UI}/runs/" in mail.body
    assert CANARY not in mail.body

    shop.otto.order_pages = good
    [mail] = round_of_orders()
    assert "Recovered: run of sync_orders" in mail.title


def test_the_test_button_of_the_ui_reaches_every_channel_and_names_one_that_does_not_deliver(
    people: People,
) -> None:
    shop = people.shop
    addresses = {"ALERT_URL_DESK": people.mailbox.address, "ALERT_URL_HOOK": people.hook.address}
    resources = {
        "operations": shop.db,
        "model": shop.model,
        "clock": shop.clock,
        "alert_channels": Channels(addresses),
    }
    job = build_definitions(resources=resources).resolve_job_def("test_alerts")
    result = job.execute_in_process(instance=shop.instance, run_config=QUIET)
    assert result.success
    assert len(people.mailbox.take()) == 2, "both routes have it"
    assert len(people.hook.take()) == 1
    people.hook.status = 500
    result = job.execute_in_process(instance=shop.instance, run_config=QUIET, raise_on_error=False)
    assert not result.success
    assert len(people.mailbox.take()) == 2, "the others are tried all the same"
