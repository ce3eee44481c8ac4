"""Each kind of break about money: what is one, what is not, and what is only late."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from resources.operating_model import Reconciliation
from tests.assets.reconciliation.money_world import MONEY_KINDS, MoneyWorld

Plant = Callable[[MoneyWorld, str], Any]
MOMENTS = (1, 23, 25, 47, 49, 24 * 30)


def sold(m: MoneyWorld, ref: str, **item: Any) -> None:
    m.world.shipped(ref, item=item)


def bought(m: MoneyWorld, ref: str) -> None:
    sold(m, ref)
    m.purchase(ref)


def with_fee(m: MoneyWorld, ref: str, *fees: int) -> None:
    sold(m, ref)
    m.world.change_order(ref, delivery_fee_cents=495)
    m.purchase(ref, fees=fees)


def with_share(m: MoneyWorld, ref: str, *, unit: int, stated: int) -> None:
    sold(m, ref, gross_cents=2199, order_discount_share_cents=200)
    m.purchase(ref, unit_cents=unit, discounts=(stated,))


def three_equal_units(m: MoneyWorld, ref: str) -> None:
    """Shares of 67, 67 and 66 cents; the receipt's line spreads the same sum otherwise."""
    for item, share in (("1", 67), ("2", 67), ("3", 66)):
        m.world.shipped(ref, item, item={"gross_cents": 2199, "order_discount_share_cents": share})
    m.purchase(ref, "1", "2", "3", unit_cents=2199, discounts=(67, 66, 67))


def came_back(m: MoneyWorld, ref: str, at_otto: str | None = None, **unit: Any) -> None:
    bought(m, ref)
    if at_otto:
        m.announced(ref, status=at_otto)
    m.received(ref, **unit)


def returned(m: MoneyWorld, ref: str, refund: int | None) -> None:
    bought(m, ref)
    m.received(ref)
    m.accepted(ref)
    if refund is not None:
        m.refund(ref, cents=refund)


def reduced_and_returned(m: MoneyWorld, ref: str, refund: int) -> None:
    bought(m, ref)
    m.reduction(ref, cents=300, receipt=m.partial_refund(ref, cents=300))
    m.accepted(ref)
    m.refund(ref, cents=refund)


def rejected(m: MoneyWorld, ref: str, refund: int | None) -> None:
    came_back(m, ref, "REJECTED")
    if refund is not None:
        m.refund(ref, cents=refund)


def cancelled(m: MoneyWorld, ref: str, refund: int | None) -> None:
    bought(m, ref)
    if refund is not None:
        m.refund(ref, cents=refund)
    m.world.change_item(ref, fulfilment_status="CANCELLED_BY_MARKETPLACE", cancelled_at=m.now)


def reduction(m: MoneyWorld, ref: str, refund: int | None = None, **changes: Any) -> None:
    bought(m, ref)
    receipt = None if refund is None else m.partial_refund(ref, cents=refund)
    m.reduction(ref, cents=300, **{"receipt": receipt} | changes)


def asked(m: MoneyWorld, ref: str, state: str) -> None:
    bought(m, ref)
    m.asked(ref, cents=300, state=state)


def refunded_in_part(m: MoneyWorld, ref: str) -> None:
    bought(m, ref)
    m.partial_refund(ref, cents=200)


def refunded_only(m: MoneyWorld, ref: str) -> None:
    bought(m, ref)
    m.refund(ref)


# Name to: how it is planted, the kind of its break, from which hour, and the cents at risk.
AMOUNT, DISCOUNT = "receipt_amount_mismatch", "discount_mismatch"
REDUCTION = "price_reduction_mismatch"
BAD: dict[str, tuple[Plant, str, int, int]] = {
    "no receipt": (sold, "receipt_missing", 24, 1999),
    "charged a cent": (lambda m, r: (sold(m, r), m.purchase(r, cents=1)), AMOUNT, 0, 1998),
    "a cent less": (lambda m, r: (sold(m, r), m.purchase(r, cents=1998)), AMOUNT, 0, 1),
    "a cent more": (lambda m, r: (sold(m, r), m.purchase(r, cents=2000)), AMOUNT, 0, 1),
    "charged twice": (lambda m, r: (bought(m, r), m.purchase(r)), AMOUNT, 0, 1999),
    "no fee": (with_fee, AMOUNT, 0, 495),
    "fee twice": (lambda m, r: with_fee(m, r, 495, 495), AMOUNT, 0, 495),
    "another fee": (lambda m, r: with_fee(m, r, 494), AMOUNT, 0, 1),
    "half the share": (lambda m, r: with_share(m, r, unit=2099, stated=100), DISCOUNT, 0, 100),
    "undecided": (came_back, "return_not_decided", 48, 1999),
    "announced": (lambda m, r: came_back(m, r, "ANNOUNCED"), "return_not_decided", 48, 1999),
    "misdirected": (lambda m, r: came_back(m, r, "MISDIRECTED"), "return_not_decided", 48, 1999),
    "not refunded": (lambda m, r: returned(m, r, None), "refund_missing", 24, 1999),
    "cancelled": (lambda m, r: cancelled(m, r, None), "refund_missing", 24, 1999),
    "nothing came": (refunded_only, "refund_without_return", 24, 1999),
    "rejected": (lambda m, r: rejected(m, r, 1500), "rejected_but_refunded", 24, 1500),
    "less back": (lambda m, r: returned(m, r, 1899), "refund_amount_mismatch", 0, 100),
    "more back": (lambda m, r: returned(m, r, 2000), "refund_amount_mismatch", 0, 1),
    "all back again": (lambda m, r: reduced_and_returned(m, r, 1999),
                       "refund_amount_mismatch", 0, 300),
    "no part back": (lambda m, r: reduction(m, r, receipt="E-DE-9"), REDUCTION, 48, 300),
    "other part back": (lambda m, r: reduction(m, r, 301), REDUCTION, 0, 1),
    "part unasked": (refunded_in_part, REDUCTION, 48, 200),
    "refused": (lambda m, r: asked(m, r, "failed"), REDUCTION, 0, 300),
    "not answered": (lambda m, r: asked(m, r, "sent"), REDUCTION, 48, 300),
    "blocked": (lambda m, r: asked(m, r, "blocked"), REDUCTION, 48, 300),
}  # fmt: skip
GOOD: dict[str, Plant] = {
    "as ordered": bought,
    "with a fee": lambda m, r: with_fee(m, r, 495),
    "with a discount": lambda m, r: with_share(m, r, unit=2199, stated=200),
    "a cent moved within a line": three_equal_units,
    "refunded": lambda m, r: returned(m, r, 1999),
    "reduced and refunded": lambda m, r: reduced_and_returned(m, r, 1699),
    "rejected": lambda m, r: rejected(m, r, None),
    "not there after all": lambda m, r: came_back(m, r, withdrawn_at=m.now),
    "only announced": lambda m, r: (bought(m, r), m.announced(r)),
    "cancelled and refunded": lambda m, r: cancelled(m, r, 1999),
    "refunded before the decision": lambda m, r: (came_back(m, r), m.refund(r)),
    "reduced": lambda m, r: reduction(m, r, 300),
    "reduction rejected": lambda m, r: reduction(m, r, status="REJECTED"),
    "reduction waits": lambda m, r: reduction(m, r, status="INITIATED"),
    "request confirmed": lambda m, r: asked(m, r, "confirmed"),
    "request ignored": lambda m, r: asked(m, r, "ignored"),
}


def read_and_judge(money: MoneyWorld, **time: float) -> None:
    """Judge when all was read again so much later."""
    money.world.later(**time)
    money.read()
    money.world.later(minutes=1)
    money.world.reconcile()


def judged_later(money: MoneyWorld, **time: float) -> dict[str, set[str]]:
    """Open breaks so much later, by `order/item`."""
    read_and_judge(money, **time)
    found: dict[str, set[str]] = money.world.breaks()
    return found


@pytest.fixture(scope="module")
def found(shared_world: Any) -> dict[int, dict[str, tuple[str, int]]]:
    """For each moment the open breaks about money: order to kind and cents at risk."""
    money = MoneyWorld(shared_world)
    money.read()
    shared_world.later(minutes=10)
    for name, (plant, *_) in BAD.items():
        plant(money, f"bad {name}")
    for name, healthy in GOOD.items():
        healthy(money, f"good {name}")
    start, seen = shared_world.now, {}
    for hours in MOMENTS:
        shared_world.now = start + timedelta(hours=hours)
        read_and_judge(money)
        rows = shared_world.query(
            "SELECT sales_order_id, kind, amount_at_risk_cents FROM reconciliation.breaks "
            "WHERE status = 'open' AND area IN ('prices', 'refunds')"
        )
        assert len({order for order, *_ in rows}) == len(rows)
        seen[hours] = {order: (kind, cents) for order, kind, cents in rows}
    return seen


@pytest.mark.parametrize("name", BAD)
def test_a_difference_is_a_break_when_its_grace_is_over_and_not_before(found, name):
    _, kind, grace, cents = BAD[name]
    for hours, breaks in found.items():
        assert breaks.get(f"bad {name}") == ((kind, cents) if hours > grace else None), hours


@pytest.mark.parametrize("name", GOOD)
def test_what_went_its_way_differs_in_nothing(found, name):
    assert not [hours for hours, breaks in found.items() if f"good {name}" in breaks]


def test_every_kind_about_money_is_planted():
    assert {kind for _, kind, *_ in BAD.values()} == MONEY_KINDS


def test_the_explanation_names_both_sides(found, shared_world):
    rows = shared_world.query(
        "SELECT otto_value, wms_value, explanation FROM reconciliation.breaks "
        "WHERE sales_order_id IN ('bad a cent more', 'bad less back') ORDER BY sales_order_id"
    )
    assert [row[:2] for row in rows] == [
        ("20.00 EUR", "19.99 EUR"),
        ("refunded 18.99 EUR", "19.99 EUR to refund"),
    ]
    assert "20.00" in rows[0][2]
    assert "a difference of 0.01" in rows[0][2]


def test_the_tables_show_what_was_charged_given_back_and_kept(found, shared_world):
    assert shared_world.query(
        "SELECT charged_cents, refunded_cents, partially_refunded_cents, reduced_cents, kept_cents,"
        " return_status, difference_class FROM reconciliation.refunds "
        "WHERE sales_order_id IN ('good reduced and refunded', 'good refunded') ORDER BY 2"
    ) == [
        (1999, 1699, 300, 300, 0, "ACCEPTED", "matched"),
        (1999, 1999, 0, 0, 0, "ACCEPTED", "matched"),
    ]
    assert shared_world.query(
        "SELECT delivery_fee_charged_cents, charged, difference_kind FROM reconciliation.prices "
        "WHERE sales_order_id = 'bad fee twice'"
    ) == [(990, Decimal("19.99"), AMOUNT)]


def test_a_full_comparison_gives_the_same_tables(found, shared_world):
    tables = ("prices", "refunds", "breaks", "break_history", "daily_summary")
    before = [shared_world.query(f"FROM reconciliation.{name} ORDER BY ALL") for name in tables]
    shared_world.reconcile(full=True)
    after = [shared_world.query(f"FROM reconciliation.{name} ORDER BY ALL") for name in tables]
    assert after == before


# What is not there: only where it was looked for


@pytest.fixture
def money(world: Any) -> MoneyWorld:
    """All flows were read before anything happened."""
    money = MoneyWorld(world)
    money.read()
    world.later(hours=1)
    return money


def test_what_was_not_read_again_is_not_missing(world, money):
    sold(money, "A")
    world.later(days=9)
    world.reconcile()
    assert world.breaks() == {}
    assert judged_later(money, minutes=1) == {"A/1": {"receipt_missing"}}
    money.purchase("A")
    assert judged_later(money, minutes=1) == {}


def test_items_sent_before_the_first_receipts_lack_none_until_older_ones_are_read(world):
    money = MoneyWorld(world)
    sold(money, "A")
    sold(money, "B")
    world.later(days=9)
    world.reconcile()
    assert world.breaks() == {}
    assert judged_later(money, days=3) == {}
    now, world.now = world.now, world.now - timedelta(days=12)
    money.purchase("A")
    world.now = now
    assert judged_later(money, minutes=1) == {"B/1": {"receipt_missing"}}


def test_a_fee_is_not_missing_while_a_receipt_of_the_order_is(world, money):
    sold(money, "A")
    world.shipped("A", "2")
    world.change_order("A", delivery_fee_cents=495)
    money.purchase("A", "2")
    assert judged_later(money, days=2) == {"A/1": {"receipt_missing"}}
    money.purchase("A", "1", fees=(495,))
    assert judged_later(money, minutes=1) == {}


def test_an_order_of_which_the_discount_is_open_waits_for_its_receipt_to_settle_it(world, money):
    sold(money, "A")
    world.change_order("A", discount_reading="ambiguous")
    money.purchase("A", cents=1899, unit_cents=1999, discounts=(100,))
    assert judged_later(money, hours=3) == {}
    assert judged_later(money, days=2) == {"A/1": {AMOUNT}}
    world.change_order("A", discount_reading="on_top")
    world.change_item("A", buyer_price_cents=1899, order_discount_share_cents=100)
    world.change_line("A", price_seen_cents=1899)
    assert judged_later(money, minutes=1) == {}


# Units that came back


def test_a_unit_that_nobody_can_name_becomes_the_matter_of_its_owner_and_back(world, money):
    bought(money, "A")
    receipt = money.received(None, sku="OTTO-1")
    key, blind = {"receipt_id": receipt}, {f"/{receipt}": {"return_not_decided"}}
    assert judged_later(money, hours=47) == {}
    assert judged_later(money, hours=2) == blind
    assert world.query(
        "SELECT b.amount_at_risk_cents, r.difference_class FROM reconciliation.breaks AS b "
        "JOIN reconciliation.refunds AS r USING (sales_order_id, position_item_id)"
    ) == [(1999, "break")]
    world.change(money.units, key, sales_order_id="A", position_item_id="1")
    assert judged_later(money, minutes=1) == {"A/1": {"return_not_decided"}}
    world.change(money.units, key, sales_order_id=None, position_item_id=None)
    assert judged_later(money, minutes=1) == blind
    assert world.query("SELECT sales_order_id FROM reconciliation.refunds") == [("",)]


def test_a_rejected_return_that_is_accepted_later_explains_its_refund(world, money):
    rejected(money, "A", 1500)
    assert judged_later(money, hours=25) == {"A/1": {"rejected_but_refunded"}}
    world.change(money.returns, {"sales_order_id": "A"}, status="ACCEPTED", occurred_at=world.now)
    assert judged_later(money, minutes=1) == {"A/1": {"refund_amount_mismatch"}}


def test_several_wrong_reductions_of_an_item_are_one_break_over_all_of_them(world, money):
    reduction(money, "A", 310)
    money.reduction("A", cents=200, receipt="E-DE-9", sequence=2)
    at_risk = "SELECT amount_at_risk_cents FROM reconciliation.breaks"
    assert judged_later(money, hours=1) == {"A/1": {REDUCTION}}
    assert world.query(at_risk) == [(10,)]
    judged_later(money, days=3)
    assert world.query(at_risk) == [(210,)]


# What holds for all


def test_no_text_that_a_person_wrote_reaches_finance(world, money):
    came_back(money, "A")
    money.decided("A")
    money.asked("A", cents=300, state="failed")
    judged_later(money, days=9)
    (words,) = world.query("SELECT explanation FROM reconciliation.breaks WHERE area = 'refunds'")
    assert "Our decision is ACCEPT" in words[0]
    with world.finance.read() as con:
        names = con.execute("SELECT schema_name || '.' || table_name FROM duckdb_tables()")
        tables = [name for (name,) in names.fetchall()]
        told = repr([con.execute(f"FROM {name}").fetchall() for name in tables])
    assert "Kanarienvogel" not in told


def test_longer_grace_takes_breaks_back_and_shorter_grace_brings_them(world, money):
    came_back(money, "A")
    judged_later(money, days=3)
    policy = Reconciliation()
    world.reconcile(policy.model_copy(update={"return_decision": 6000}))
    assert world.breaks() == {}
    world.reconcile(policy)
    assert world.breaks() == {"A/1": {"return_not_decided"}}
