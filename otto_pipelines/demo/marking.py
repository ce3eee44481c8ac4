"""Mark a finished run against the sandbox's truth: what was found, missed, invented, lost, doubled.

Belongs here: the comparison of the finance file and the operations database with the ledger. How a
run is made stands in `rehearsal`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import sqlalchemy as sa

from resources.operations.database import OperationsDatabase
from resources.operations.schema import outbox, parcels, sync_runs

_OPEN_AT_OTTO = {"ANNOUNCED", "PROCESSABLE"}
_BEFORE_THE_PICK = {None, "NEW", "ACCEPTED", "ALLOCATED"}
Key = tuple[str, str, str]
"""Kind, sales order and position item; of stock: kind, nothing, SKU."""


@dataclass(frozen=True)
class Marks:
    """Counts and kinds; `missed` and `unexpected` list keys to look at.

    Of `oversold_units` a perfect observer would have prevented `oversold_avoidable`. A short is
    settled when its unit was shipped or cancelled, or is a break.
    """

    orders: int
    items: int
    parcels: int
    confirmed: int
    parked: int
    lost: list[tuple[str, str]]
    doubled: int
    injected: Counter[str]
    found: Counter[str]
    missed: list[Key]
    unexpected: list[Key]
    transport_injected: Counter[str]
    transport_met: Counter[str]
    oversold_avoidable: int
    oversold_units: int
    shorts: int
    shorts_settled: int


def mark(
    truth: Mapping[str, Any],
    ledger: Mapping[str, Any],
    stock: Mapping[str, Any],
    db: OperationsDatabase,
    finance_file: Path,
) -> Marks:
    """Compare what is with what was found."""
    injected = {_key(line) for line in ledger["breaks"]} | _of_stock(truth, stock)
    found = _open_breaks(finance_file)
    explained = {(order, item) for _, order, item in found}
    lost = [
        (item["sales_order_id"], item["position_item_id"])
        for item in truth["position_items"]
        if item["otto_status"] in _OPEN_AT_OTTO
        and (item["sales_order_id"], item["position_item_id"]) not in explained
    ]
    with db.read() as conn:
        states = Counter(conn.scalars(sa.select(parcels.c.state)))
        confirmed = conn.scalar(
            sa.select(sa.func.count())
            .select_from(outbox)
            .where(outbox.c.kind == "otto_shipment", outbox.c.state == "confirmed")
        )
        met: Counter[str] = Counter()
        for text in conn.scalars(sa.select(sync_runs.c.transport)):
            met.update(msgspec.json.decode(text, type=dict[str, int]))
    return Marks(
        orders=truth["orders"],
        items=truth["items"],
        parcels=truth["parcels"],
        confirmed=confirmed or 0,
        parked=states["parked"],
        lost=lost,
        doubled=sum(truth["duplicates"].values()),
        injected=_kinds(injected),
        found=_kinds(injected & found),
        missed=sorted(injected - found),
        unexpected=sorted(found - injected),
        transport_injected=sum((Counter(k) for k in ledger["transport"].values()), Counter()),
        transport_met=met,
        oversold_avoidable=truth["oversold_avoidable"],
        oversold_units=truth["oversold_units"],
        shorts=truth["shorts"],
        shorts_settled=truth["shorts_settled"],
    )


def _of_stock(truth: Mapping[str, Any], stock: Mapping[str, Any]) -> set[Key]:
    """What must be found in stock: SKUs of one side alone, and units sold that are not there."""
    waiting = {
        item["sku"]
        for item in truth["position_items"]
        if item["otto_status"] in _OPEN_AT_OTTO and item["wms_state"] in _BEFORE_THE_PICK
    }
    oversold = {
        row["sku"]
        for row in stock["skus"]
        if row["uncounted"] > row["on_hand"] - row["reserved"] - row["blocked"]
    }
    return (
        {("stock_drift", "", sku) for sku in stock["unknown_to_otto"]}
        | {("stale_stock", "", sku) for sku in stock["unknown_to_wms"]}
        | {("oversold", "", sku) for sku in oversold & waiting}
    )


def _key(line: Mapping[str, Any]) -> Key:
    return line["kind"], line["sales_order_id"], line["position_item_id"]


def _kinds(keys: Iterable[Key]) -> Counter[str]:
    return Counter(kind for kind, _, _ in keys)


def _open_breaks(finance_file: Path) -> set[Key]:
    with duckdb.connect(str(finance_file), read_only=True) as con:
        return set(
            con.execute(
                "SELECT kind, sales_order_id, if(area = 'stock', sku, position_item_id) "
                "FROM reconciliation.breaks WHERE status = 'open'"
            ).fetchall()
        )
