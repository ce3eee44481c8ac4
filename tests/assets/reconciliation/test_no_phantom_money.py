"""Whatever the basket and whatever became of it: right receipts show no difference, and all ties.

Prices come from the product's rules, receipts from the sandbox's own arithmetic, written as OTTO
writes them and read as the product reads them.
"""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.money_judge import Judge
from assets.receipt_rows import receipt_rows
from assets.reconciliation.preparation import prepare
from assets.reconciliation.reconcile import finish, judge_everything
from assets.rules.discounts import OrderDiscount, PricedItem, Reading, settle, spread_discounts
from otto_pipelines.sandbox.billing import Billing
from otto_pipelines.sandbox.catalogue import PRODUCTS
from otto_pipelines.sandbox.clock import VirtualClock
from otto_pipelines.sandbox.config import SandboxConfig
from otto_pipelines.sandbox.generator import make_order
from otto_pipelines.sandbox.model import Discount, Item, SalesOrder, Shipment
from otto_pipelines.sandbox.money_faults import MoneyFaults
from otto_pipelines.sandbox.otto_wire import encode
from otto_pipelines.sandbox.pricing import take_in_discounts
from otto_pipelines.sandbox.receipts_wire import receipt_json
from otto_pipelines.sandbox.simulation import Simulation
from resources.finance_schema import TABLES
from resources.operating_model import Reconciliation
from resources.otto.receipts import Receipt

START = datetime(2026, 6, 8, tzinfo=UTC)
LATER = START + timedelta(days=60)
SHIP_FROM = {"zipCode": "01067", "countryCode": "DEU", "city": "Dresden"}
READINGS: tuple[Reading, ...] = ("on_top", "included")

Row = dict[str, Any]


@st.composite
def baskets(draw: st.DrawFn) -> SalesOrder:
    """An order of any prices, with equal units, own discounts, order discounts and a fee."""
    order = make_order(random.Random(draw(st.integers(0, 2**40))), START)
    order.items, order.discounts = [], []
    for group in range(draw(st.integers(1, 3))):
        product, gross = draw(st.sampled_from(PRODUCTS)), draw(st.integers(1, 99_999))
        own = draw(st.integers(0, gross // 3))
        for unit in range(draw(st.integers(1, 3))):
            name = f"{order.order_id}-{group}{unit}"
            order.items.append(Item(name, product, gross, own, START))
    names = [item.item_id for item in order.items]
    order.fee_cents = draw(st.sampled_from((0, 395, 595)))
    for number in range(draw(st.integers(0, 3))):
        chosen = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
        worth = sum(item.reduced_cents for item in order.items if item.item_id in chosen)
        cents = draw(st.integers(0, worth // 9))
        order.discounts.append(Discount(f"d{number}", "Rabatt", cents, tuple(chosen)))
    return order


class Shop:
    """Receipts of the sandbox, and the staged tables that follow from all that happened."""

    def __init__(self, reading: Reading) -> None:
        config = SandboxConfig(
            start=START, discounts_are=reading, voucher_share=0.3, service_share=0.3
        )
        sim = Simulation(config, VirtualClock(START, 0))
        self.reading = reading
        self.billing = Billing(sim, MoneyFaults(sim))
        self.tables: dict[str, list[Row]] = {}
        self.receipts_read = 0

    def put(self, table: str, **row: Any) -> None:
        self.tables.setdefault(table, []).append(row)

    def live(self, order: SalesOrder, seller_reads: Reading, rng: random.Random) -> None:
        """Ship the order in parcels, cancel some of it, take some back, reduce some prices."""
        if self.reading == "included":
            take_in_discounts(order)
        parcels: dict[int, list[Item]] = {}
        for item in order.items:
            parcel = rng.randrange(4)
            if parcel:
                parcels.setdefault(parcel, []).append(item)
        for number, items in parcels.items():
            shipment = Shipment(f"s{number}", START, 0.0, "DHL", "T", "2026-06-08", SHIP_FROM, [])
            self.billing.purchase(order, shipment, items)
        sent = [item for items in parcels.values() for item in items]
        status = {item.item_id: self._after(order, item, rng) for item in sent}
        self._read_receipts()
        self._store(order, status, seller_reads)

    def _after(self, order: SalesOrder, item: Item, rng: random.Random) -> str:
        """Reductions, then perhaps a return; the item's status in the end."""
        unit = {"sales_order_id": order.order_id, "position_item_id": item.item_id}
        for sequence in range(rng.choice((0, 0, 1, 2))):
            left = self.billing.remaining_cents(order, item)
            if left > 1:
                cents = rng.randrange(1, left)
                number = self.billing.partial_refund(order, item, cents).number
                self.put("price_reductions", **unit, created_at=START, sequence=sequence,
                         amount_cents=cents, currency="EUR", status="PROCESSED",
                         receipt_number=number)  # fmt: skip
        if rng.random() < 0.6:
            return "SENT"
        self.billing.refund(order, [item])
        if rng.random() < 0.2:
            return "CANCELLED_BY_MARKETPLACE"
        self.put("otto_returns", **unit, status="ACCEPTED", occurred_at=START)
        return "RETURNED"

    def _read_receipts(self) -> None:
        book = list(self.billing.book)
        for receipt in book[self.receipts_read :]:
            judge = Judge()
            body = encode(receipt_json(receipt))
            rows = receipt_rows(msgspec.json.decode(body, type=Receipt, strict=False), judge, None)
            assert not judge.flaws
            head = rows.receipt
            self.put("receipts", **head)
            for line in rows.lines:
                more = ("receipt_type", "created_at", "partial_refund_type")
                self.put("receipt_lines", **line, **{name: head[name] for name in more})
            for given_off in rows.modifications:
                self.put(
                    "receipt_modifications", **given_off, sales_order_id=head["sales_order_id"]
                )
        self.receipts_read = len(book)

    def _store(self, order: SalesOrder, status: dict[str, str], seller_reads: Reading) -> None:
        """The order as the product stores it, settled by its receipts where they can settle it."""
        items = [PricedItem(i.item_id, i.gross_cents, i.reduced_cents) for i in order.items]
        discounts = [OrderDiscount(d.discount_id, d.cents, d.item_ids) for d in order.discounts]
        spread = spread_discounts(items, discounts, seller_reads)
        assert spread.problem is None
        reading, shares = spread.reading, spread.shares
        charged = {
            line["position_item_id"]: line["amount_cents"]
            for line in self.tables.get("receipt_lines", [])
            if line["sales_order_id"] == order.order_id
            and line["receipt_type"] == "PURCHASE"
            and line["kind"] == "item"
        }
        if reading == "ambiguous" and charged:
            found = settle(items, discounts, charged)
            assert found.holds in {self.reading, "both"}
            if found.holds == self.reading:
                reading, shares = self.reading, found.shares
        self.put("orders", sales_order_id=order.order_id, ordered_at=START,
                 discount_reading=reading, delivery_fee_cents=order.fee_cents)  # fmt: skip
        for item, share in zip(items, shares, strict=True):
            now = status.get(item.position_item_id, "CANCELLED_BY_PARTNER")
            self.put("position_items", sales_order_id=order.order_id,
                     position_item_id=item.position_item_id, sku="S", currency="EUR",
                     gross_cents=item.gross_cents, fulfilment_status=now,
                     order_discount_share_cents=share.share_cents,
                     buyer_price_cents=share.buyer_price_cents, sent_at=START)  # fmt: skip


def judged(shop: Shop) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    for schema in {table.schema for table in TABLES}:
        con.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    for table in TABLES:
        columns = ", ".join(f"{column.name} {column.type}" for column in table.columns)
        con.execute(f"CREATE TABLE {table.full_name} ({columns})")
        rows = [
            {"order_day": START.date(), "recorded_at": START} | row
            for row in shop.tables.get(table.name, []) if table.schema == "staging"
        ]  # fmt: skip
        names = [c.name for c in table.columns if rows and c.name in rows[0]]
        if rows:
            con.executemany(
                f"INSERT INTO {table.full_name} ({', '.join(names)}) "
                f"VALUES ({', '.join('?' * len(names))})",
                [[row[name] for name in names] for row in rows],
            )
        if any(column.name == "order_key" for column in table.columns) and rows:
            con.execute(f"UPDATE {table.full_name} SET order_key = hash(sales_order_id)")
    con.executemany(
        "INSERT INTO staging.sync_runs VALUES (?, ?, ?, ?)",
        [[flow, START, LATER, LATER] for flow in ("receipts", "returns", "price_reductions")],
    )
    prepare(con, Reconciliation(), {}, LATER)
    judge_everything(con)
    finish(con)
    return con


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    orders=st.lists(baskets(), min_size=8, max_size=12, unique_by=lambda order: order.order_id),
    world_reads=st.sampled_from(READINGS),
    seller_reads=st.sampled_from(READINGS),
    rng=st.randoms(use_true_random=False),
)
def test_no_basket_makes_a_difference_and_the_buyer_pays_what_the_receipts_say(
    orders: list[SalesOrder], world_reads: Reading, seller_reads: Reading, rng: random.Random
) -> None:
    shop = Shop(world_reads)
    for order in orders:
        shop.live(order, seller_reads, rng)
    with judged(shop) as con:
        assert con.execute(
            "SELECT kind, explanation FROM reconciliation.breaks "
            "WHERE area IN ('prices', 'refunds')"
        ).fetchall() == []  # fmt: skip
        expected = "SELECT difference_kind FROM reconciliation.{} WHERE difference_kind IS NOT NULL"
        assert con.execute(expected.format("prices")).fetchall() == []
        assert con.execute(expected.format("refunds")).fetchall() == []
        ((to_pay, charged, kept_back),) = con.execute(
            """
            SELECT sum(buyer_price_cents) FILTER (charged_cents IS NOT NULL),
                sum(charged_cents),
                (SELECT sum(charged_cents - kept_cents) FROM reconciliation.refunds)
            FROM reconciliation.prices
            """
        ).fetchall()
        ((items, rest, whole, given_back),) = con.execute(
            """
            SELECT sum(amount_cents) FILTER (receipt_type = 'PURCHASE' AND kind = 'item'),
                sum(amount_cents) FILTER (receipt_type = 'PURCHASE' AND kind <> 'item'),
                (SELECT sum(gross_cents) FROM staging.receipts
                    WHERE receipt_type = 'PURCHASE'),
                sum(amount_cents) FILTER (receipt_type <> 'PURCHASE')
            FROM staging.receipt_lines
            """
        ).fetchall()
    assert to_pay == charged == items
    assert (items or 0) + (rest or 0) == (whole or 0)
    assert (kept_back or 0) == (given_back or 0)
