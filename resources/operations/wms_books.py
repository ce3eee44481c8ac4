"""Working copy of some WMS orders with their lines and parcels: loaded, changed, saved in bulk.

Belongs here: how one order, line or parcel may change, so that nothing ever moves back. What makes
it change stands in `resources.operations.fulfilment`, which holds the lock.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.operations.bulk import chunks, upsert
from resources.operations.schema import parcel_lines, parcels, wms_order_lines, wms_orders
from resources.wms.port import Discrepancy, FulfilmentEvent, LineOutcome, LineState, Parcel

_Row = dict[str, Any]

# The furthest state wins. SHORT and CANCELLED end a line, unless it left the warehouse after all.
_RANK = {
    state: rank
    for rank, state in enumerate(
        (
            LineState.NEW,
            LineState.ACCEPTED,
            LineState.ALLOCATED,
            LineState.PICKED,
            LineState.SHORT,
            LineState.CANCELLED,
            LineState.SHIPPED,
        )
    )
}

_FIRMNESS: dict[str | None, int] = {
    None: 0,
    Discrepancy.NONE.value: 1,
    Discrepancy.OVER.value: 1,
    Discrepancy.BACKORDER.value: 2,
    Discrepancy.COMPLETE.value: 3,
}


class Books:
    """The rows of `order_refs`; `save` writes those that changed, stamped with `now`."""

    def __init__(
        self,
        conn: Connection,
        order_refs: Collection[str],
        now: datetime,
        parcel_ids: Collection[str] = (),
    ) -> None:
        self._conn = conn
        self._now = now
        self._orders = _Rows(conn, wms_orders, ["order_ref"], order_refs)
        self._lines = _Rows(conn, wms_order_lines, ["order_ref", "line_id"], order_refs)
        self._parcels = _Rows(conn, parcels, ["parcel_id"], parcel_ids)
        self._parcel_lines: list[_Row] = []
        self._refs_with_parcels: set[str] = set()

    def knows(self, order_ref: str) -> bool:
        """Whether there is such an order already."""
        return (order_ref,) in self._orders.rows

    def order(self, order_ref: str) -> _Row:
        """Return the order's row, made when there is none."""
        return self._orders.row(order_ref, present=True)

    def line(self, order_ref: str, line_id: str) -> _Row:
        """Return the line's row, made when there is none."""
        return self._lines.row(order_ref, line_id, state=LineState.NEW.value, quantity_shipped=0)

    def lines_of(self, order_ref: str) -> list[_Row]:
        """All lines of an order."""
        return [row for key, row in self._lines.rows.items() if key[0] == order_ref]

    def advance(self, line: _Row, state: LineState) -> bool:
        """Move a line forward to `state`, never back; returns whether it moved."""
        moves = _RANK[state] > _RANK[LineState(line["state"])]
        if moves:
            line["state"] = state.value
        return moves

    def reserve(self, line: _Row, at: datetime) -> None:
        """Note that the WMS has counted the unit as promised since `at`, or earlier."""
        if line["reserved_at"] is None or at < line["reserved_at"]:
            line["reserved_at"] = at

    def come_short(self, line: _Row, at: datetime) -> None:
        """Note that the WMS did not find the unit at this moment; the latest one counts."""
        if line["short_at"] is None or at > line["short_at"]:
            line["short_at"] = at

    def give_up(self, line: _Row, state: LineState, told: LineOutcome) -> None:
        """Move a line to SHORT or CANCELLED and say why; a firmer answer replaces a softer one."""
        moved = self.advance(line, state)
        firmness = _FIRMNESS[told.discrepancy.value]
        firmer = line["state"] == state and firmness > _FIRMNESS[line["short_discrepancy"]]
        if moved or firmer:
            line["short_discrepancy"] = told.discrepancy.value
            line["short_reason"] = told.reason

    def receive_parcel(self, event: FulfilmentEvent, parcel: Parcel) -> None:
        """Record a parcel with the numbers first told of it; the lines in it have shipped."""
        self._parcels.row(
            parcel.parcel_id,
            order_ref=event.order_ref,
            wms_dispatch_id=event.wms_dispatch_id,
            carrier_raw=parcel.carrier_code,
            tracking_number=parcel.tracking_number,
            tracking_url=parcel.tracking_url,
            return_carrier=parcel.return_carrier_code,
            return_tracking_number=parcel.return_tracking_number,
            shipped_at=parcel.shipped_at,
            state="received",
        )
        self._refs_with_parcels.add(event.order_ref)
        quantities: Counter[str] = Counter()
        for packed in parcel.lines:
            quantities[packed.line_id] += packed.quantity
        for line_id, quantity in quantities.items():
            line = self.line(event.order_ref, line_id)
            self.advance(line, LineState.SHIPPED)
            self.reserve(line, event.occurred_at)
            self._parcel_lines.append(
                {"parcel_id": parcel.parcel_id, "line_id": line_id, "quantity": quantity}
            )

    def correct_parcel(self, event: FulfilmentEvent, parcel: Parcel) -> None:
        """Record a correction; until the parcel is released, the gate judges by it."""
        ours = self._parcels.rows[(parcel.parcel_id,)]
        if ours["corrected_at"] is not None and event.occurred_at < ours["corrected_at"]:
            return
        ours["corrected_tracking_number"] = parcel.tracking_number
        ours["corrected_at"] = event.occurred_at
        if ours["state"] != "released":
            ours.update(
                tracking_number=parcel.tracking_number,
                tracking_url=parcel.tracking_url,
                carrier_raw=parcel.carrier_code or ours["carrier_raw"],
                return_carrier=parcel.return_carrier_code or ours["return_carrier"],
                return_tracking_number=(
                    parcel.return_tracking_number or ours["return_tracking_number"]
                ),
                state="received",
                parked_rules=None,
            )

    def save(self) -> None:
        """Write what changed."""
        self._orders.save(self._conn, self._now)
        self._parcels.save(self._conn, self._now)
        upsert(self._conn, parcel_lines, self._parcel_lines, ["parcel_id", "line_id"], update=())
        for line, packed in self._packed():
            line["quantity_shipped"] = max(line["quantity_shipped"], packed)
        self._lines.save(self._conn, self._now)

    def _packed(self) -> Iterator[tuple[_Row, int]]:
        """Lines of orders with parcels told of, each with its units over all parcels."""
        for part in chunks(sorted(self._refs_with_parcels)):
            query = (
                sa.select(
                    parcels.c.order_ref,
                    parcel_lines.c.line_id,
                    sa.func.sum(parcel_lines.c.quantity),
                )
                .join(parcel_lines, parcel_lines.c.parcel_id == parcels.c.parcel_id)
                .where(parcels.c.order_ref.in_(part))
                .group_by(parcels.c.order_ref, parcel_lines.c.line_id)
            )
            for order_ref, line_id, quantity in self._conn.execute(query):
                yield self.line(order_ref, line_id), int(quantity)


class _Rows:
    """Rows of one table by key, and how they were when they were loaded."""

    def __init__(
        self, conn: Connection, table: sa.Table, keys: list[str], first_keys: Iterable[str]
    ) -> None:
        self._table = table
        self._keys = keys
        self.rows: dict[tuple[str, ...], _Row] = {}
        for part in chunks(sorted(first_keys)):
            # Locked (PostgreSQL): the tracking gate writes parcels too.
            mine = sa.select(table).where(table.c[keys[0]].in_(part))
            query = mine.order_by(*(table.c[key] for key in keys)).with_for_update()
            for row in conn.execute(query).mappings():
                self.rows[tuple(row[key] for key in keys)] = dict(row)
        self._loaded = {key: dict(row) for key, row in self.rows.items()}

    def row(self, *key: str, **values: Any) -> _Row:
        """Return the row of this key, or make it with `values` and null elsewhere."""
        if key not in self.rows:
            empty = dict.fromkeys(self._table.c.keys())
            self.rows[key] = {**empty, **dict(zip(self._keys, key, strict=True)), **values}
        return self.rows[key]

    def save(self, conn: Connection, now: datetime) -> None:
        """Write new and changed rows."""
        changed = [row for key, row in self.rows.items() if row != self._loaded.get(key)]
        upsert(conn, self._table, [{**row, "recorded_at": now} for row in changed], self._keys)
