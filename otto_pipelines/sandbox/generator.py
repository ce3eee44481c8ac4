"""Makes realistic German orders from a seed.

Belongs here: baskets, prices, discounts, fees, buyers, order times. Times are offsets from the
start of the run, so the same seed gives the same orders on any day. What happens to an order
afterwards belongs to `stories`.
"""

import random
import uuid
from datetime import date, datetime, timedelta
from typing import Any

from otto_pipelines.sandbox import catalogue, stories
from otto_pipelines.sandbox.config import SandboxConfig
from otto_pipelines.sandbox.model import Discount, Item, SalesOrder
from otto_pipelines.sandbox.stories import Story
from otto_pipelines.sandbox.worktime import BERLIN, add_working_days, at_berlin

_ITEM_COUNTS = (1, 2, 3, 4, 5)
_ITEM_WEIGHTS = (60, 23, 9, 5, 3)
_HOUR_WEIGHTS = (2, 1, 1, 1, 1, 1, 2, 3, 4, 5, 5, 5, 6, 5, 5, 5, 6, 7, 9, 10, 10, 8, 5, 3)
_DELIVERY_DAYS = (4, 4, 4, 5, 6)
_ALPHABET = "bcdfghjkmnpqrstvwxyz23456789"


def make_orders(config: SandboxConfig, start: datetime) -> list[SalesOrder]:
    """All orders of the run, oldest first, each with its story."""
    rng = random.Random(f"orders:{config.seed}")
    offsets = sorted(_moment(rng, config.days) for _ in range(config.orders))
    orders = [make_order(rng, start + offset) for offset in offsets]
    told = stories.plan(config, [len(order.items) for order in orders], rng)
    for order, story in zip(orders, told, strict=True):
        order.story = story
        if story in {Story.PREPAID, Story.PAYMENT_ABORTED}:
            order.payment = "PREPAYMENT"
        if story is Story.STALLED:
            for item in order.items:
                item.expected_delivery = delivery(order.ordered_at, _DELIVERY_DAYS[0])
    return orders


def make_order(
    rng: random.Random,
    ordered_at: datetime,
    item_count: int | None = None,
    sku: str | None = None,
) -> SalesOrder:
    """One order placed at `ordered_at`; of mixed articles, or all of `sku`."""
    count = item_count or rng.choices(_ITEM_COUNTS, _ITEM_WEIGHTS)[0]
    expected = delivery(ordered_at, rng.choice(_DELIVERY_DAYS))
    basket = [catalogue.product(sku)] * count if sku else _basket(rng, count)
    items = [_item(rng, product, expected) for product in basket]
    return SalesOrder(
        order_id=_uuid(rng),
        number="".join(rng.choices(_ALPHABET, k=10)),
        ordered_at=ordered_at,
        payment=rng.choice(catalogue.PAYMENTS),
        address=_address(rng),
        items=items,
        fee_cents=rng.choice((0, 0, 395, 595)),
        discounts=_discounts(rng, items),
        draw=rng.random(),
    )


def delivery(ordered_at: datetime, working_days: int) -> datetime:
    """The promised delivery: noon in Berlin that many working days later."""
    day: date = ordered_at.astimezone(BERLIN).date()
    return at_berlin(add_working_days(day, working_days), 12)


def _moment(rng: random.Random, days: int) -> timedelta:
    hour = rng.choices(range(24), _HOUR_WEIGHTS)[0]
    return timedelta(days=rng.randrange(days), hours=hour, milliseconds=rng.randrange(3_600_000))


def _uuid(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def _basket(rng: random.Random, count: int) -> list[catalogue.Product]:
    """`count` units; often several of one article, always one item per unit."""
    basket: list[catalogue.Product] = []
    while len(basket) < count:
        units = min(rng.choice((1, 1, 1, 2, 3)), count - len(basket))
        basket.extend([rng.choice(catalogue.PRODUCTS)] * units)
    return basket


def _item(rng: random.Random, product: catalogue.Product, expected: datetime) -> Item:
    reduced = rng.random() < 0.15
    discount = product.price_cents * rng.choice((5, 10, 15, 33)) // 100 if reduced else 0
    return Item(_uuid(rng), product, product.price_cents, discount, expected)


def _discounts(rng: random.Random, items: list[Item]) -> list[Discount]:
    """For every tenth order: an amount that rarely divides evenly over the items it is for."""
    if rng.random() >= 0.1:
        return []
    touched = items if rng.random() < 0.7 else items[: max(1, len(items) - 1)]
    worth = sum(item.reduced_cents for item in touched)
    cents = min(rng.choice((500, 997, 1000, 1501)), worth // 3)
    return [
        Discount(
            _uuid(rng), rng.choice(catalogue.CAMPAIGNS), cents, tuple(i.item_id for i in touched)
        )
    ]


def _address(rng: random.Random) -> dict[str, Any]:
    zip_code, city = rng.choice(catalogue.PLACES)
    address: dict[str, Any] = {
        "salutation": rng.choice(("MR", "MS", "UNKNOWN")),
        "firstName": rng.choice(catalogue.FIRST_NAMES),
        "lastName": rng.choice(catalogue.LAST_NAMES),
        "street": rng.choice(catalogue.STREETS),
        "houseNumber": f"{rng.randint(1, 140)}{rng.choice(('', '', '', 'a', ' b'))}",
        "zipCode": zip_code,
        "city": city,
        "countryCode": "DEU",
        "email": f"buyer-{rng.randrange(10**9)}@example.org",
    }
    if rng.random() < 0.2:
        address["addition"] = "Hinterhaus, 2. OG"
    if rng.random() < 0.5:
        address["phoneNumber"] = f"+49 30 {rng.randrange(10**6):06d}"
    return address
