"""Virtual time, working time, and sameness by seed."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from otto_pipelines.sandbox.clock import VirtualClock
from otto_pipelines.sandbox.config import SandboxConfig, SandboxError
from otto_pipelines.sandbox.generator import make_orders
from otto_pipelines.sandbox.otto_wire import order_json
from otto_pipelines.sandbox.stories import Story
from otto_pipelines.sandbox.worktime import add_shift_minutes, add_working_days

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 6, 8, tzinfo=BERLIN).astimezone(UTC)


def test_a_stepped_clock_stands_still_until_told_and_never_goes_back() -> None:
    clock = VirtualClock(START, 0)
    assert clock.now() == clock.now() == START
    clock.advance(START + timedelta(hours=3))
    assert clock.now() == START + timedelta(hours=3)
    with pytest.raises(SandboxError, match="never goes back"):
        clock.advance(START)


def test_a_running_clock_catches_up_with_the_machine_and_then_keeps_its_pace() -> None:
    passed = {"seconds": 0.0}
    real_start = START + timedelta(hours=2)
    clock = VirtualClock(
        START,
        3600,
        real_now=lambda: real_start + timedelta(seconds=passed["seconds"]),
        monotonic=lambda: passed["seconds"],
    )
    passed["seconds"] = 1
    assert clock.now() == START + timedelta(hours=1)
    passed["seconds"] = 10
    assert clock.now() == real_start + timedelta(seconds=10)
    passed["seconds"] = 11
    assert clock.now() == real_start + timedelta(seconds=11)
    with pytest.raises(SandboxError, match="runs by itself"):
        clock.advance(real_start + timedelta(days=1))


def test_a_running_clock_cannot_start_in_the_future() -> None:
    with pytest.raises(SandboxError, match="ahead of the machine"):
        VirtualClock(START, 1, real_now=lambda: START - timedelta(seconds=1))


def test_the_default_start_is_a_midnight_in_berlin_before_the_settling_days() -> None:
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    start = SandboxConfig(days=3).first_moment(noon).astimezone(BERLIN)
    assert (start.date(), start.hour) == (date(2026, 11, 14), 0)


def test_working_days_skip_the_weekend_in_both_directions() -> None:
    friday = date(2026, 6, 12)
    assert add_working_days(friday, 1) == date(2026, 6, 15)
    assert add_working_days(date(2026, 6, 15), -1) == friday


@pytest.mark.parametrize(
    ("begin", "minutes", "end"),
    [
        ((8, 10, 0), 30, (8, 10, 30)),
        ((8, 3, 0), 30, (8, 6, 30)),
        ((8, 19, 30), 60, (9, 6, 30)),
        ((13, 21, 0), 60, (15, 7, 0)),
    ],
    ids=["inside a shift", "before it", "over its end", "Saturday night to Monday"],
)
def test_warehouse_time_passes_only_in_shifts(
    begin: tuple[int, int, int], minutes: int, end: tuple[int, int, int]
) -> None:
    begun = datetime(2026, 6, *begin, tzinfo=BERLIN)
    assert add_shift_minutes(begun, minutes) == datetime(2026, 6, *end, tzinfo=BERLIN)


def test_equal_seeds_make_equal_orders_and_other_seeds_make_others() -> None:
    config = SandboxConfig(orders=100, days=2, seed=5)
    again = SandboxConfig(orders=100, days=2, seed=5)
    other = SandboxConfig(orders=100, days=2, seed=6)
    assert make_orders(config, START) == make_orders(again, START)
    assert make_orders(config, START) != make_orders(other, START)


def test_order_times_move_with_the_start_and_nothing_else_does() -> None:
    config = SandboxConfig(orders=100, days=2)
    here = make_orders(config, START)
    later = make_orders(config, START + timedelta(days=364))
    assert [order.order_id for order in here] == [order.order_id for order in later]
    assert {b.ordered_at - a.ordered_at for a, b in zip(here, later, strict=True)} == {
        timedelta(days=364)
    }
    assert [order.story for order in here] == [order.story for order in later]


def test_every_story_is_told_from_sixty_orders_on() -> None:
    orders = make_orders(SandboxConfig(orders=60, days=1), START)
    assert {order.story for order in orders} - {None} == set(Story)


def test_a_rate_of_zero_tells_no_story_of_its_kind() -> None:
    config = SandboxConfig(
        orders=200,
        data_fault_rate=0,
        customer_cancel_rate=0,
        short_pick_rate=0,
        split_rate=0,
        prepayment_rate=0,
    )
    assert {order.story for order in make_orders(config, START)} == {None}


def test_baskets_hold_what_german_orders_hold() -> None:
    orders = make_orders(SandboxConfig(orders=600), START)
    items = [item for order in orders for item in order.items]
    discounts = [
        (discount.cents, len(discount.item_ids)) for o in orders for discount in o.discounts
    ]
    assert any(len(order.items) > 1 for order in orders)
    assert any(len({i.product.sku for i in o.items}) < len(o.items) for o in orders)
    assert any(cents % count for cents, count in discounts)
    assert any(item.discount_cents for item in items)
    assert {0, 595} <= {order.fee_cents for order in orders}
    assert any("ü" in item.product.sku for item in items)
    assert {order.payment for order in orders} > {"PREPAYMENT"}
    ids = [item.item_id for item in items] + [order.order_id for order in orders]
    assert len(ids) == len(set(ids))


def test_amounts_are_written_with_two_decimals_whatever_the_cents() -> None:
    order = make_orders(SandboxConfig(orders=1, data_fault_rate=0), START)[0]
    order.order_id = order.order_id[:-1] + "1"
    order.items[0].gross_cents, order.items[0].discount_cents = 1990, 0
    assert b'{"amount":19.90,"currency":"EUR"}' in bytes(order_json(order))


@pytest.mark.parametrize(
    "settings",
    [
        {"host": "0.0.0.0"},  # noqa: S104  # this is what must be refused
        {"host": "localhost"},
        {"days": 0},
        {"speed": -1},
        {"split_rate": 1.1},
        {"scarce_share": 1.1},
        {"skus": 59},
        {"stock_moves_per_day": -1},
        {"start": datetime(2026, 6, 8)},  # noqa: DTZ001
    ],
)
def test_settings_that_make_no_world_are_refused_by_name(settings: dict[str, object]) -> None:
    with pytest.raises(SandboxError, match=next(iter(settings))):
        SandboxConfig(**settings)  # type: ignore[arg-type]


def test_secrets_are_not_shown_by_the_config() -> None:
    assert "s3cr3t" not in repr(SandboxConfig(client_secret="s3cr3t", wms_api_key="s3cr3t"))
