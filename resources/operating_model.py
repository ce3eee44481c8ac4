"""The operating model: one validated YAML file that says how this seller works.

Belongs here: every setting that operations, warehouse or finance own (maps, policies, tolerances,
schedules), with its meaning and default. Secrets and addresses of servers do not belong here: they
come from the environment (`resources.settings`).
"""

from datetime import time
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, ValidationError, field_validator

from resources.alerts_policy import AlertsPolicy
from resources.freshness_policy import FreshnessPolicy
from resources.model_section import Section as _Section
from resources.money_policy import MoneyPolicy
from resources.returns_policy import ReturnsPolicy
from resources.wms.policies import WmsPolicies
from resources.yaml_text import read_yaml

Minutes = Annotated[int, Field(ge=0)]
Units = Annotated[int, Field(ge=0, le=999_999_999)]
ReturnCarrier = Literal["DHL", "GLS", "HERMES"]


class ShipFrom(_Section):
    """Place of departure that OTTO prints on the receipt."""

    city: str = Field(min_length=1, max_length=60)
    zip_code: str = Field(min_length=1, max_length=10)
    country_code: str = Field(pattern=r"^[A-Z]{3}$", description="ISO 3166-1 alpha-3")


class Carrier(_Section):
    """One carrier of the warehouse, and what OTTO calls it."""

    otto_code: str = Field(pattern=r"^[A-Z0-9_]+$", description="what OTTO calls the carrier")
    tracking_url: str = Field(
        description="https template with {number}; the buyer's link to the parcel"
    )
    transit_days: int = Field(default=1, ge=0, le=30, description="working days on the road")
    kind: Literal["parcel", "forwarder"] = Field(
        default="parcel", description="parcels need a return number, a forwarder's loads do not"
    )

    @field_validator("tracking_url")
    @classmethod
    def _https_with_number(cls, value: str) -> str:
        if not value.startswith("https://") or "{number}" not in value:
            raise ValueError("must start with https:// and contain {number}")
        return value


class ReturnShipping(_Section):
    """Where return tracking numbers come from when the warehouse gives none."""

    carrier: ReturnCarrier = Field(default="DHL", description="carrier of the numbers below")
    number_pool: tuple[str, ...] = Field(
        default=(), description="return numbers bought ahead; each is used once"
    )


class Warehouse(_Section):
    """Working time of the warehouse; it yields the ship-by time of each item."""

    timezone: str = Field(default="Europe/Berlin", description="zone of cut-off and days")
    cut_off: time = Field(default=time(14, 0), description="orders before it leave the same day")
    working_days: tuple[int, ...] = Field(default=(0, 1, 2, 3, 4), description="0 = Monday")
    closed_on: tuple[str, ...] = Field(default=(), description="ISO dates without work")


class OrdersPolicy(_Section):
    """How orders are read."""

    page_size: int = Field(default=256, ge=1, le=256, description="orders per page of OTTO")
    overlap: Minutes = Field(default=15, description="minutes re-read before the watermark")
    first_import_days: int = Field(
        default=30, ge=1, description="days that the first read reaches back"
    )
    bad_row_limit: float = Field(
        default=0.2, ge=0, le=1, description="share of bad orders above which the import stops"
    )
    discount_reading: Literal["included", "on_top"] = Field(
        default="on_top",
        description="whether order-level discounts are already inside the item prices",
    )


class ShortPickPolicy(_Section):
    """What happens when the warehouse does not find a unit, or will not ship it."""

    backorder: Literal["wait", "cancel"] = Field(
        default="wait", description="a unit that is to follow later: wait for it, or cancel it now"
    )
    give_up_hours_before_ship_by: int = Field(
        default=2, ge=0, description="so long before its ship-by time a unit is awaited no more"
    )
    by_reason: dict[str, Literal["wait", "cancel", "person"]] = Field(
        default_factory=dict,
        description="the warehouse's reason (capitals do not matter) to what happens, where it "
        "differs; person: nothing by itself",
    )
    cancel_at_otto: bool = Field(
        default=True, description="false: nothing is given up by itself, a person decides"
    )
    on_short: Literal["zero", "recount"] = Field(
        default="zero",
        description="zero: a stock level that is not newer than the SKU's last short-pick counts "
        "as nothing; recount: each level is believed",
    )
    backorder_reserved: bool = Field(
        default=True, description="whether the WMS counts a unit that is to follow as reserved"
    )

    @field_validator("by_reason")
    @classmethod
    def _by_plain_reason(cls, value: dict[str, str]) -> dict[str, str]:
        plain = {reason.strip().casefold(): course for reason, course in value.items()}
        if len(plain) < len(value):
            raise ValueError("the same reason stands here more than once")
        return plain


class OutboxPolicy(_Section):
    """How outbound effects are tried again."""

    first_backoff_seconds: float = Field(
        default=5.0, gt=0, description="wait after the first attempt; it doubles"
    )
    longest_backoff_seconds: float = Field(default=900.0, gt=0, description="longest such wait")
    give_up_after: int = Field(
        default=200,
        ge=1,
        description="attempts, then a person must act; with these waits more than a day",
    )
    lease_seconds: float = Field(
        default=180.0, gt=0, description="how long a worker holds a row; longer than any call"
    )
    batch: int = Field(default=100, ge=1, le=100, description="rows leased at a time")


class GraceOfCarrier(_Section):
    """Times of grace that differ for one carrier; what is not named is as for all."""

    confirmation: Minutes | None = Field(default=None, description="dispatch to OTTO's SENT")
    confirmed_not_dispatched: Minutes | None = Field(
        default=None, description="OTTO's SENT to a parcel of the WMS"
    )


class OverdueAfterDays(_Section):
    """How many days a break may stay open before it is overdue, by severity."""

    high: int = Field(default=2, ge=0, description="material breaks")
    medium: int = Field(default=7, ge=0, description="from a tenth of the material amount")
    low: int = Field(default=30, ge=0, description="all others")


class Reconciliation(_Section):
    """When a difference becomes a break, in minutes of business time."""

    missing_in_wms: Minutes = Field(
        default=60, description="release by OTTO, or submission, to a sign of it in the WMS"
    )
    cancellation: Minutes = Field(default=240, description="both sides may lag after a cancel")
    confirmation: Minutes = Field(default=120, description="dispatch to OTTO's SENT")
    confirmed_not_dispatched: Minutes = Field(
        default=240, description="OTTO's SENT to a parcel of the WMS"
    )
    receipt: Minutes = Field(default=1440, description="OTTO's SENT to its purchase receipt")
    refund: Minutes = Field(
        default=1440, description="acceptance to its refund receipt, and a refund to its cause"
    )
    return_decision: Minutes = Field(
        default=2880, description="receipt at the warehouse to a decision at OTTO"
    )
    price_reduction: Minutes = Field(
        default=2880, description="request to processing, and a reduction to its receipt"
    )
    stock_drift: Minutes = Field(
        default=30, description="OTTO shows another figure than ours, from our change of it"
    )
    stock_oversold: Minutes = Field(
        default=60, description="sale of a unit to the warehouse being able to supply it"
    )
    stock_level_age: Minutes = Field(default=120, description="age of a level of the WMS")
    stock_update_age: Minutes = Field(
        default=1560, description="age of the last figure that OTTO accepted; all are sent nightly"
    )
    grace_by_carrier: dict[str, GraceOfCarrier] = Field(
        default_factory=dict, description="OTTO's carrier code to its own times of grace"
    )
    overdue_after_days: OverdueAfterDays = OverdueAfterDays()
    age_buckets: tuple[int, ...] = Field(
        default=(1, 7, 30, 90), min_length=1, description="last day of each age range but the last"
    )
    attribution_lift: int = Field(
        default=2, ge=1, description="a cause has so many times more breaks than its lines explain"
    )
    attribution_breaks: int = Field(default=3, ge=1, description="fewer breaks are no cause")
    price_tolerance_cents: int = Field(
        default=0, ge=0, description="differences of price up to it are no break"
    )
    material_cents: int = Field(
        default=1000, ge=0, description="a break is high from it, medium from a tenth"
    )

    @field_validator("age_buckets")
    @classmethod
    def _rising(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if list(value) != sorted(set(value)) or value[0] < 0:
            raise ValueError("must rise and start at 0 or later, for example [1, 7, 30, 90]")
        return value


class SafetyStock(_Section):
    """Units that are never offered. A SKU's own entry replaces the default; a location's entry
    holds back units of each SKU there, and never more than lie there.
    """

    default: Units = Field(default=0, description="for each SKU without an entry of its own")
    per_sku: dict[str, Units] = Field(default_factory=dict, description="by OTTO's SKU")
    per_location: dict[str, Units] = Field(default_factory=dict, description="by WMS location")


class AvailabilityPolicy(_Section):
    """How much of the warehouse's stock OTTO is offered, and when a figure is not believed."""

    safety_stock: SafetyStock = SafetyStock()
    percentage: int = Field(default=100, ge=0, le=100, description="share offered, rounded down")
    cap: Units | None = Field(default=None, description="never offer more than this")
    min_to_list: Units = Field(default=0, description="offer nothing where less than this is left")
    stale_after_minutes: Minutes = Field(default=120, description="age of a believable level")
    stale_policy: Literal["freeze", "zero"] = Field(
        default="freeze", description="a stale figure may only fall, or becomes 0"
    )
    mass_drop_share: float = Field(
        default=0.3, ge=0, le=1, description="share of listed SKUs that may fall to 0 in one run"
    )
    mass_drop_least_skus: int = Field(
        default=5, ge=1, description="fewer SKUs than this falling to 0 are everyday trade"
    )
    batch_size: int = Field(default=200, ge=1, le=200, description="SKUs in one request to OTTO")
    requests_at_once: int = Field(
        default=6, ge=1, le=20, description="requests under way at a time in a full push"
    )
    snapshot_cron: str = Field(
        default="*/30 * * * *", description="take the WMS's whole stock list, send what changed"
    )
    full_push_cron: str = Field(default="15 2 * * *", description="send every figure")
    read_back_cron: str = Field(default="45 3 * * 0", description="compare what OTTO shows")
    late_after_minutes: Minutes = Field(
        default=15, description="a figure that OTTO does not have by then missed an update"
    )
    confirmed_within_hours: int = Field(
        default=36, ge=1, description="OTTO accepts a figure of each SKU at least so often"
    )


class Http(_Section):
    """Limits of outgoing calls; OTTO allows 20/s and 1,200/min per partner."""

    timeout_seconds: float = Field(default=15.0, gt=0, description="for one call")
    requests_per_second: float = Field(default=20.0, gt=0, description="to OTTO")
    requests_per_minute: float = Field(default=1200.0, gt=0, description="to OTTO")
    urgent_reserve: float = Field(
        default=0.05, ge=0, lt=1, description="share of both rates that bulk transfers leave free"
    )
    attempts: int = Field(default=6, ge=1, description="of one call within a run")
    first_backoff_seconds: float = Field(
        default=0.5, gt=0, description="wait after the first attempt; it doubles"
    )
    longest_backoff_seconds: float = Field(default=30.0, gt=0, description="longest such wait")


class Automation(_Section):
    """Which flows run by themselves, and when (cron in Europe/Berlin)."""

    enabled: bool = Field(default=True, description="false: everything starts stopped")
    orders_cron: str = Field(default="*/5 * * * *", description="read changed orders")
    shipments_cron: str = Field(
        default="*/10 * * * *", description="judge waiting parcels without news"
    )
    returns_cron: str = Field(default="*/15 * * * *", description="read returns, decide on them")
    receipts_cron: str = Field(
        default="5 * * * *", description="read receipts and price reductions"
    )
    prices_cron: str = Field(default="30 4 * * *", description="read products and prices")
    reconciliation_cron: str = Field(default="*/15 * * * *", description="compare and publish")
    retention_cron: str = Field(default="30 3 * * *", description="erase personal data")
    exceptions_cron: str = Field(
        default="*/5 * * * *", description="list what waits for a person, judge deadlines"
    )
    kpis_cron: str = Field(default="*/15 * * * *", description="measure the key figures")
    upkeep_cron: str = Field(
        default="15 4 * * *", description="erase old runs, compact the databases"
    )
    linger_seconds: float = Field(
        default=30.0, ge=0, description="how long a run of the fast lane stays for further news"
    )


class Retention(_Section):
    """How long personal data, and Dagster's records of its runs, are kept."""

    evidence_days: int = Field(default=30, ge=1, description="days for raw pages of OTTO")
    address_days: int = Field(
        default=90, ge=1, description="days after the last change of an order"
    )
    run_days: int = Field(
        default=30,
        ge=1,
        description="days for runs in the UI, the log of synchronisations, alerts that are over",
    )


class OperatingModel(_Section):
    """The whole file."""

    ship_from: ShipFrom
    carriers: dict[str, Carrier] = Field(description="raw WMS carrier code to carrier")
    return_shipping: ReturnShipping = ReturnShipping()
    warehouse: Warehouse = Warehouse()
    sku_map: dict[str, str] = Field(
        default_factory=dict, description="OTTO SKU to WMS SKU where they differ"
    )
    vat_rates: tuple[str, ...] = Field(
        default=("19", "7", "0"), min_length=1, description="percent; others go to quarantine"
    )
    orders: OrdersPolicy = OrdersPolicy()
    short_pick: ShortPickPolicy = ShortPickPolicy()
    returns: ReturnsPolicy = ReturnsPolicy()
    money: MoneyPolicy = MoneyPolicy()
    outbox: OutboxPolicy = OutboxPolicy()
    availability: AvailabilityPolicy = AvailabilityPolicy()
    reconciliation: Reconciliation = Reconciliation()
    freshness: FreshnessPolicy = FreshnessPolicy()
    http: Http = Http()
    wms: WmsPolicies = WmsPolicies()
    retention: Retention = Retention()
    automation: Automation = Automation()
    alerts: AlertsPolicy = AlertsPolicy()

    @field_validator("sku_map")
    @classmethod
    def _one_to_one(cls, value: dict[str, str]) -> dict[str, str]:
        seen: dict[str, str] = {}
        for otto_sku, wms_sku in value.items():
            if wms_sku in seen:
                raise ValueError(
                    f"{otto_sku!r} and {seen[wms_sku]!r} both map to {wms_sku!r}: "
                    "a WMS SKU may stand for one OTTO SKU only"
                )
            seen[wms_sku] = otto_sku
        return value


class OperatingModelError(Exception):
    """The file cannot be used; the message lists each wrong entry by its path.

    What to do: correct the entries that it names in your operating model, then start again. Nothing
    ran with a wrong file.
    """


def load_operating_model(path: Path) -> OperatingModel:
    """Read and validate the file at `path`.

    Raises:
        OperatingModelError: the file is missing, is no YAML, or breaks a rule.
    """
    try:
        content = read_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise OperatingModelError(
            f"operating model {path} not found: set OPERATING_MODEL to your file, "
            "or copy operating_model.example.yaml"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise OperatingModelError(
            f"operating model {path} is no valid YAML: {error}; correct it, or compare it with "
            "operating_model.example.yaml"
        ) from error
    try:
        return OperatingModel.model_validate(content if content is not None else {})
    except ValidationError as error:
        lines = [
            f"  {'.'.join(str(part) for part in item['loc']) or '(file)'}: {item['msg']}"
            for item in error.errors(include_url=False)
        ]
        raise OperatingModelError(
            f"operating model {path} has {len(lines)} wrong entries:\n" + "\n".join(lines)
        ) from error
