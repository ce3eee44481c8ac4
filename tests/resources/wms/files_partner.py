"""A partner that exchanges files: what it puts into the folders and what it finds there."""

import csv
import io
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from resources.wms.port import OutboundLine, OutboundOrder, ShipTo

AT = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)


class Partner:
    """Works on the folders directly, with `;` between fields and UTF-8."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._clock = AT.timestamp()

    def put(self, folder: str, name: str, rows: Sequence[Mapping[str, object]]) -> Path:
        """A complete file; each one is a second younger than the one before."""
        columns = list(dict.fromkeys(column for row in rows for column in row))
        target = io.StringIO(newline="")
        writer = csv.DictWriter(target, columns, delimiter=";", restval="")
        writer.writeheader()
        writer.writerows(rows)
        return self.put_text(folder, name, target.getvalue())

    def put_text(self, folder: str, name: str, text: str, encoding: str = "utf-8") -> Path:
        path = self.root / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode(encoding))
        self._clock += 1
        os.utime(path, (self._clock, self._clock))
        return path

    def files(self, folder: str) -> list[str]:
        place = self.root / folder
        return sorted(path.name for path in place.iterdir() if path.is_file())

    def rows(self, folder: str, name: str) -> list[dict[str, str]]:
        with (self.root / folder / name).open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file, delimiter=";"))


def an_order(
    ref: str = "order-1", skus: Sequence[str] = ("A", "B"), content: str = "v1", name: str = "Änne"
) -> OutboundOrder:
    """An order with lines l1, l2, ... of these articles."""
    return OutboundOrder(
        order_ref=ref,
        channel_order_number=f"no-{ref}",
        ordered_at=AT,
        latest_ship_at=AT,
        ship_to=ShipTo(
            name=name,
            street="Am Weg; links",
            house_number="1",
            postal_code="12345",
            city="Köln",
            country_code="DE",
            addition="Hof\nTor 2",
        ),
        lines=tuple(
            OutboundLine(
                line_id=f"l{number}", sku=sku, quantity=1, unit_price_cents=1999, currency="EUR"
            )
            for number, sku in enumerate(skus, start=1)
        ),
        payload_hash=content,
    )
