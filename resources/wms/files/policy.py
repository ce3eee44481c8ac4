"""How one partner's files look: the section `wms.files` of the operating model.

Belongs here: folders, names, columns, words and formats that the warehouse and we agreed upon.
Where the folders are and how to log in comes from the environment.
"""

from typing import Annotated, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from resources.model_section import Section
from resources.wms.port import Condition, Discrepancy, Disposition, EventKind

FolderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._ -]*(/[A-Za-z0-9][^/]*)*$")]


class _Table(Section):
    """A kind of file. `columns` names the partner's header where it is not our field's name."""

    known: ClassVar[frozenset[str]] = frozenset()
    required: ClassVar[frozenset[str]] = frozenset()

    columns: dict[str, str] = Field(
        default_factory=dict, description="our field to the partner's column, where they differ"
    )

    @field_validator("columns")
    @classmethod
    def _known_once(cls, value: dict[str, str]) -> dict[str, str]:
        unknown = value.keys() - cls.known
        if unknown:
            raise ValueError(
                f"no such field: {', '.join(sorted(unknown))}; known: "
                f"{', '.join(sorted(cls.known))}"
            )
        if len(set(value.values())) < len(value):
            raise ValueError("two fields read the same column")
        return value

    def column(self, field: str) -> str:
        """The partner's header of this field."""
        return self.columns.get(field, field)


class _Outbound(_Table):
    fields: tuple[str, ...] | None = Field(
        default=None, description="fields to write, in this order; all if absent"
    )

    @field_validator("fields")
    @classmethod
    def _known_fields(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        unknown = set(value or ()) - cls.known
        if unknown:
            raise ValueError(f"no such field: {', '.join(sorted(unknown))}")
        missing = cls.required - set(value) if value is not None else set()
        if missing:
            raise ValueError(f"must be written: {', '.join(sorted(missing))}")
        return value


class OrderFiles(_Outbound):
    """Orders for the warehouse: one file per order, one row per line."""

    order: ClassVar[tuple[str, ...]] = (
        "order_ref", "channel", "channel_order_number", "ordered_at", "latest_ship_at",
        "allow_partial", "name", "street", "house_number", "addition", "postal_code", "city",
        "country_code", "phone", "email", "line_id", "sku", "quantity", "unit_price", "currency",
        "gtin", "title",
    )  # fmt: skip
    known: ClassVar[frozenset[str]] = frozenset(order)
    required: ClassVar[frozenset[str]] = frozenset({"order_ref", "line_id", "sku", "quantity"})

    folder: FolderName = Field(default="orders", description="where the partner fetches orders")
    replaceable: bool = Field(
        default=True, description="a second file of an order that is not picked replaces the first"
    )


class CancellationFiles(_Outbound):
    """Lines that shall not be shipped: one file per request, one row per line."""

    order: ClassVar[tuple[str, ...]] = ("order_ref", "line_id", "sku", "reason", "asked_at")
    known: ClassVar[frozenset[str]] = frozenset(order)
    required: ClassVar[frozenset[str]] = frozenset({"order_ref", "line_id"})

    folder: FolderName = Field(
        default="cancellations", description="where the partner fetches cancellations"
    )
    ask_again_seconds: float = Field(
        default=300.0, gt=0, description="wait for the partner's answer, then look again"
    )


class InboundFiles(_Table):
    """A kind of file that the partner writes."""

    pattern: str = Field(default="*.csv", min_length=1, description="names of such files")


class DispatchFiles(InboundFiles):
    """What became of order lines: one row per line (and parcel)."""

    known: ClassVar[frozenset[str]] = frozenset(
        {
            "order_ref", "event", "occurred_at", "line_id", "sku", "quantity", "quantity_ordered",
            "discrepancy", "reason", "wms_order_id", "dispatch_id", "unit_price", "currency",
            "parcel_id", "carrier_code", "tracking_number", "tracking_url",
            "return_carrier_code", "return_tracking_number", "weight_g",
        }
    )  # fmt: skip
    required: ClassVar[frozenset[str]] = frozenset({"order_ref"})

    folder: FolderName = Field(default="dispatch", description="where the partner puts them")
    events: dict[str, EventKind] = Field(
        default_factory=lambda: {kind.value: kind for kind in EventKind},
        description="the partner's word to our kind of event; a file without the column `event` "
        "tells of dispatches",
    )
    discrepancies: dict[str, Discrepancy] = Field(
        default_factory=lambda: {
            **{kind.value: kind for kind in Discrepancy},
            "BP": Discrepancy.BACKORDER,
            "CP": Discrepancy.COMPLETE,
            "AC": Discrepancy.OVER,
        },
        description="the partner's word to whether more follows after a short",
    )


class StockFiles(InboundFiles):
    """The whole stock: one row per article and location."""

    known: ClassVar[frozenset[str]] = frozenset(
        {"sku", "location", "on_hand", "reserved", "blocked", "sellable", "as_of"}
    )
    required: ClassVar[frozenset[str]] = frozenset({"sku", "on_hand"})

    folder: FolderName = Field(default="stock", description="where the partner puts them")
    location: str = Field(default="WMS", description="location of rows that name none")
    shrink_limit: float = Field(
        default=0.5, ge=0, le=1, description="a file that lacks more of the articles is refused"
    )
    confirmed: str = Field(
        default="confirmed",
        min_length=3,
        description="a refused file is taken when a person puts it back with this in its name",
    )


class ReturnFiles(InboundFiles):
    """Goods that came back: one row per unit, article or grade of a receipt."""

    known: ClassVar[frozenset[str]] = frozenset(
        {
            "receipt_id", "received_at", "order_ref", "return_tracking_number", "line_id", "sku",
            "quantity", "condition", "disposition", "reason",
        }
    )  # fmt: skip
    required: ClassVar[frozenset[str]] = frozenset({"receipt_id", "sku"})

    folder: FolderName = Field(default="returns", description="where the partner puts them")
    conditions: dict[str, Condition] = Field(
        default_factory=lambda: {kind.value: kind for kind in Condition},
        description="the partner's grade to ours; an empty one is UNKNOWN",
    )
    dispositions: dict[str, Disposition] = Field(
        default_factory=lambda: {kind.value: kind for kind in Disposition},
        description="the partner's word to what becomes of a unit; an empty one is QUARANTINE",
    )


class FilesPolicy(Section):
    """One partner: formats that all of its files share, then each kind of file."""

    delimiter: str = Field(default=";", min_length=1, max_length=1, description="between fields")
    encoding: str = Field(default="utf-8", description="of all files, both ways")
    decimal_comma: bool = Field(default=False, description="1,50 instead of 1.50")
    date_format: str | None = Field(
        default=None, description="as strptime names it, e.g. %d.%m.%Y %H:%M; absent: ISO 8601"
    )
    timezone: str = Field(default="Europe/Berlin", description="zone of times that name none")
    settle_seconds: float = Field(
        default=5.0, ge=0, description="a file that did not change for so long is complete"
    )
    done_marker: str | None = Field(
        default=None,
        min_length=2,
        description="a file is complete when one with this added to its name is there, e.g. .done",
    )
    look_every_seconds: float = Field(default=10.0, ge=0, description="between two looks")
    silent_after_minutes: int | None = Field(
        default=None,
        ge=1,
        description="an order without any sign of the partner counts as not arrived; absent: never",
    )
    orders: OrderFiles = OrderFiles()
    cancellations: CancellationFiles = CancellationFiles()
    dispatch: DispatchFiles = DispatchFiles()
    stock: StockFiles = StockFiles()
    returns: ReturnFiles = ReturnFiles()

    @field_validator("encoding")
    @classmethod
    def _codec(cls, value: str) -> str:
        try:
            "".encode(value)
        except LookupError:
            raise ValueError(f"no such encoding: {value}; try utf-8 or cp1252") from None
        return value

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"no such time zone: {value}; try Europe/Berlin") from None
        return value
