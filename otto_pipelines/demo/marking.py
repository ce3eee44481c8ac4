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
Key = tuple[str, str, str]


@dataclass(frozen=True)
class Marks:
    """Counts and kinds; `missed` and `unexpected` list (kind, order, item) to look at."""

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

    @property
    def clean(self) -> bool:
        """Nothing lost, doubled, missed or invented."""
        return not (self.lost or self.doubled or self.missed or self.unexpected)


def mark(
    truth: Mapping[str, Any], ledger: Mapping[str, Any], db: OperationsDatabase, finance_file: Path
) -> Marks:
    """Compare what is with what was found."""
    injected = {_key(line) for line in ledger["breaks"]}
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
    )


def _key(line: Mapping[str, Any]) -> Key:
    return line["kind"], line["sales_order_id"], line["position_item_id"]


def _kinds(keys: Iterable[Key]) -> Counter[str]:
    return Counter(kind for kind, _, _ in keys)


def _open_breaks(finance_file: Path) -> set[Key]:
    with duckdb.connect(str(finance_file), read_only=True) as con:
        return set(
            con.execute(
                "SELECT kind, sales_order_id, position_item_id FROM reconciliation.breaks "
                "WHERE status = 'open'"
            ).fetchall()
        )
