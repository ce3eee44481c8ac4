"""The bulk upsert: the same meaning on both databases, and values that read back equal."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resources.operations.bulk import among, chunks, pick, upsert, upsert_columns
from resources.operations.database import OperationsDatabase
from resources.operations.schema import (
    fulfilment_events,
    orders,
    watermarks,
    wms_orders,
)

NOW = datetime(2026, 11, 20, 15, 4, 0, 5, tzinfo=UTC)

times = st.datetimes(
    min_value=datetime(1900, 1, 2),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2199, 1, 1),  # noqa: DTZ001
    timezones=st.integers(-12, 14).map(lambda hours: timezone(timedelta(hours=hours))),
)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def _order(sales_order_id: str, **values: Any) -> dict[str, Any]:
    return {
        "sales_order_id": sales_order_id,
        "order_number": "b1",
        "ordered_at": NOW,
        "order_day": date(2026, 11, 20),
        "last_modified_at": None,
        "lifecycle_changed_at": NOW,
        "payment_method": None,
        "delivery_address": None,
        "delivery_fee_cents": 0,
        "order_discount_cents": 0,
        "discount_reading": "none",
        "payload_hash": "h",
        "page_ref": "p",
        "first_seen_at": NOW,
        "recorded_at": NOW,
        **values,
    }


def _all(db: OperationsDatabase, table: sa.Table) -> list[dict[str, Any]]:
    with db.read() as conn:
        ordered = sa.select(table).order_by(*table.primary_key.columns)
        return [dict(row) for row in conn.execute(ordered).mappings()]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "payment_method": st.none() | texts,
                "ordered_at": times,
                "last_modified_at": st.none() | times,
                "order_day": st.dates(),
                "delivery_fee_cents": st.integers(-(2**63), 2**63 - 1),
            }
        ),
        min_size=1,
        max_size=5,
    )
)
def test_values_read_back_equal_to_what_was_written(
    operations_db: OperationsDatabase, rows: list[dict[str, Any]]
) -> None:
    written = [_order(f"o{n}", **row) for n, row in enumerate(rows)]
    with operations_db.write() as conn:
        conn.execute(sa.delete(orders))
        upsert(conn, orders, written, ["sales_order_id"])
    assert _all(operations_db, orders) == written


def test_what_is_stored_is_what_sqlalchemy_itself_would_store(
    operations_db: OperationsDatabase,
) -> None:
    ours = _order("ours", ordered_at=NOW.astimezone(timezone(timedelta(hours=2))))
    with operations_db.write() as conn:
        upsert(conn, orders, [ours], ["sales_order_id"])
        conn.execute(sa.insert(orders), {**ours, "sales_order_id": "theirs"})
        raw = conn.exec_driver_sql(
            "SELECT ordered_at, last_modified_at, order_day, delivery_fee_cents FROM orders"
        ).all()
    assert raw[0] == raw[1]


def test_a_boolean_survives(operations_db: OperationsDatabase) -> None:
    empty = dict.fromkeys(wms_orders.c.keys())
    rows = [
        {**empty, "order_ref": name, "present": name == "yes", "recorded_at": NOW}
        for name in ("no", "yes")
    ]
    with operations_db.write() as conn:
        upsert(conn, wms_orders, rows, ["order_ref"])
    assert [row["present"] for row in _all(operations_db, wms_orders)] == [False, True]


def test_a_repeated_row_is_updated_and_counted(operations_db: OperationsDatabase) -> None:
    with operations_db.write() as conn:
        assert upsert(conn, orders, [_order("a"), _order("b")], ["sales_order_id"]) == 2
        assert upsert(conn, orders, [_order("b", page_ref="q")], ["sales_order_id"]) == 1
    assert [row["page_ref"] for row in _all(operations_db, orders)] == ["p", "q"]


def test_only_the_named_columns_are_updated(operations_db: OperationsDatabase) -> None:
    with operations_db.write() as conn:
        upsert(conn, orders, [_order("a")], ["sales_order_id"])
        changed = _order("a", page_ref="q", order_number="changed")
        upsert(conn, orders, [changed], ["sales_order_id"], update=["page_ref"])
    assert [(r["page_ref"], r["order_number"]) for r in _all(operations_db, orders)] == [
        ("q", "b1")
    ]


def test_an_empty_update_leaves_existing_rows_alone_and_counts_only_new_ones(
    operations_db: OperationsDatabase,
) -> None:
    with operations_db.write() as conn:
        upsert(conn, orders, [_order("a")], ["sales_order_id"])
        rows = [_order("a", page_ref="q"), _order("b")]
        assert upsert(conn, orders, rows, ["sales_order_id"], update=()) == 1
    assert [row["page_ref"] for row in _all(operations_db, orders)] == ["p", "p"]


def test_a_null_does_not_replace_a_kept_value_but_a_value_does(
    operations_db: OperationsDatabase,
) -> None:
    def put(address: str | None) -> None:
        with operations_db.write() as conn:
            upsert(
                conn,
                orders,
                [_order("a", delivery_address=address)],
                ["sales_order_id"],
                keep_when_null=["delivery_address"],
            )

    for address, expected in ((None, None), ("one", "one"), (None, "one"), ("two", "two")):
        put(address)
        assert _all(operations_db, orders)[0]["delivery_address"] == expected


def test_of_two_rows_with_one_key_the_later_counts(operations_db: OperationsDatabase) -> None:
    with operations_db.write() as conn:
        rows = [_order("a", page_ref="first"), _order("a", page_ref="second")]
        upsert(conn, orders, rows, ["sales_order_id"])
    assert [row["page_ref"] for row in _all(operations_db, orders)] == ["second"]


def test_more_rows_than_one_statement_takes_all_arrive(operations_db: OperationsDatabase) -> None:
    rows = [
        {
            "event_id": f"e{n:06}",
            "kind": "PICKED",
            "occurred_at": NOW,
            "observed_at": NOW,
            "order_ref": "o",
            "payload": "{}",
        }
        for n in range(10_001)
    ]
    with operations_db.write() as conn:
        assert upsert(conn, fulfilment_events, rows, ["event_id"]) == 10_001
    assert [row["event_id"] for row in _all(operations_db, fulfilment_events)] == [
        row["event_id"] for row in rows
    ]


def test_a_nul_character_costs_neither_the_batch_nor_the_row(
    operations_db: OperationsDatabase,
) -> None:
    with operations_db.write() as conn:
        upsert(conn, orders, [_order("a", payment_method="x\0y"), _order("b")], ["sales_order_id"])
    stored = [row["payment_method"] for row in _all(operations_db, orders)]
    assert [None if text is None else text.replace("\0", "") for text in stored] == ["xy", None]


def test_a_naive_time_is_refused(operations_db: OperationsDatabase) -> None:
    row = {"source": "x", "position": "1", "recorded_at": datetime(2026, 1, 1)}  # noqa: DTZ001
    with (
        pytest.raises((ValueError, sa.exc.StatementError), match="naive time"),
        operations_db.write() as conn,
    ):
        upsert(conn, watermarks, [row], ["source"])


def test_rows_of_different_columns_are_refused_by_name(operations_db: OperationsDatabase) -> None:
    short = {"source": "x", "position": "1"}
    with operations_db.write() as conn:
        with pytest.raises(ValueError, match=r"differ in their columns \(recorded_at\)"):
            upsert(conn, watermarks, [{**short, "recorded_at": NOW}, short], ["source"])
        with pytest.raises(ValueError, match="watermarks has no column colour"):
            upsert(conn, watermarks, [{**short, "colour": "red"}], ["source"])


def test_columns_of_different_lengths_are_refused(operations_db: OperationsDatabase) -> None:
    columns = {"source": ["x", "y"], "position": ["1"], "recorded_at": [NOW, NOW]}
    with (
        pytest.raises(ValueError, match="watermarks differ in length"),
        operations_db.write() as conn,
    ):
        upsert_columns(conn, watermarks, columns, ["source"])


def test_unsorted_and_repeated_keys_of_columns_keep_their_rows_together(
    operations_db: OperationsDatabase,
) -> None:
    columns = {"source": ["b", "a", "b"], "position": ["1", "2", "3"], "recorded_at": [NOW] * 3}
    with operations_db.write() as conn:
        assert upsert_columns(conn, watermarks, columns, ["source"]) == 2
    stored = [(row["source"], row["position"]) for row in _all(operations_db, watermarks)]
    assert stored == [("a", "2"), ("b", "3")]


def test_any_number_of_texts_can_be_asked_for(operations_db: OperationsDatabase) -> None:
    wanted = ["plain", "it's", 'a "quote"', "back\\slash", "ümläut", ""]
    with operations_db.write() as conn:
        upsert(conn, orders, [_order(name) for name in [*wanted, "other"]], ["sales_order_id"])
    query = sa.select(orders.c.sales_order_id)
    many = [f"absent {n}" for n in range(70_000)]
    with operations_db.read() as conn:
        found = conn.scalars(query.where(among(conn, orders.c.sales_order_id, wanted + many)))
        assert set(found) == set(wanted)
        assert not conn.scalars(query.where(among(conn, orders.c.sales_order_id, []))).all()


def test_a_nul_character_costs_no_other_row_that_is_asked_for(
    operations_db: OperationsDatabase,
) -> None:
    with operations_db.write() as conn:
        upsert(conn, orders, [_order("a"), _order("c")], ["sales_order_id"])
        wanted = among(conn, orders.c.sales_order_id, ["x\0y", "c"])
        assert conn.scalars(sa.select(orders.c.sales_order_id).where(wanted)).all() == ["c"]


def test_picked_rows_come_in_the_order_asked_for() -> None:
    assert pick({"a": [1, 2, 3], "b": "xyz"}, [2, 0]) == {"a": [3, 1], "b": ["z", "x"]}


def test_no_rows_are_no_work(operations_db: OperationsDatabase) -> None:
    with operations_db.write() as conn:
        assert upsert(conn, orders, [], ["sales_order_id"]) == 0


@given(st.lists(st.integers()), st.integers(1, 7))
def test_chunks_lose_and_reorder_nothing(values: list[int], size: int) -> None:
    parts = list(chunks(values, size))
    assert [value for part in parts for value in part] == values
    assert all(1 <= len(part) <= size for part in parts)
