"""Settings of one sandbox run.

Belongs here: `SandboxConfig` and the checks on its values. How a value is used belongs to the
module that uses it.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from otto_pipelines.sandbox.worktime import BERLIN

LOOPBACK = "127.0.0.1"
SETTLING_DAYS = 5
"""Days after the last generated order within which everything planned has happened."""
DISCOUNT_READINGS = ("on_top", "included")
_LEAST = {
    "skus": 60,
    "availability_batch_limit": 1,
    "stock_moves_per_day": 0,
    "hidden_losses_per_day": 0,
    "snapshot_fault_periods": 0,
    "unknown_skus": 0,
    "orphan_skus": 0,
    "colliding_skus": 0,
    "money_faults": 0,
    "return_after_hours": 0,
    "return_transit_hours": 0,
    "price_reduction_minutes": 0,
    "overdue_credit_hours": 0,
}


class SandboxError(Exception):
    """The sandbox cannot do what was asked; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class SandboxConfig:
    """Everything that shapes a run. Two runs with equal values make equal orders.

    Rates of stories are shares of the orders; from 60 orders on each story happens at least once.
    `speed` is virtual seconds per real second; 0 means that time moves only by the control API.
    `tempo` scales the hold and all durations of the warehouse (a live demo wants a small one);
    below 1 the warehouse works around the clock.
    """

    seed: int = 7
    orders: int = 200
    days: int = 3
    start: datetime | None = None
    speed: float = 0.0
    tempo: float = 1.0
    hold_minutes: float = 45
    cancellation_delay_minutes: float = 5
    data_fault_rate: float = 0.004
    transport_fault_rate: float = 0.02
    short_pick_rate: float = 0.02
    split_rate: float = 0.05
    customer_cancel_rate: float = 0.02
    prepayment_rate: float = 0.05
    after_orders_trickle: float = 0.0
    skus: int = 60
    """Size of the assortment; beyond the 60 articles that are ordered, more that only lie there."""
    sell_what_is_shown: bool = False
    """OTTO sells no more than it shows, and the warehouse picks no more than it has. Off: every
    order is placed, and the warehouse finds each unit but those of its short-pick stories."""
    otto_lowers_stock: bool = False
    """Whether a sale lowers the figure at OTTO. What the real one does is unknown."""
    availability_batch_limit: int = 200
    """Above so many SKUs in one request OTTO answers 413."""
    scarce_share: float = 0.0
    """Share of the ordered articles of which a handful is there, and comes in again."""
    stock_moves_per_day: float = 24.0
    """Receipts, quarantines and counts that happen by themselves. 0: nothing moves but by orders,
    and nothing comes in but after a short-pick."""
    hidden_losses_per_day: float = 0.0
    """Units that vanish without the WMS knowing, until a pick or a count shows it."""
    event_disorder_share: float = 0.0
    """Share of the WMS's fulfilment events that its feed gives late, and share that it repeats."""
    snapshot_fault_periods: int = 0
    """So many times the WMS's stock list is wrong for some hours."""
    unknown_skus: int = 3
    """Articles in the warehouse that OTTO does not know."""
    orphan_skus: int = 0
    """Articles that OTTO still shows and the warehouse does not know."""
    colliding_skus: int = 0
    """Articles that lie in the warehouse a second time, spelt in capitals."""
    discounts_are: str = "on_top"
    """Whether order discounts lower the item prices as shown, or are `included` in them."""
    returns_share: float = 0.0
    """Share of the sent units that buyers send back. The defaults of what follows are quiet."""
    hard_returns_share: float = 0.0
    """Share of those that come back worn, broken, or not at all in the parcel."""
    reductions_share: float = 0.0
    """Share of the sent units whose price the seller reduces in OTTO's portal."""
    voucher_share: float = 0.0
    service_share: float = 0.0
    """Shares of the orders with a voucher, or with a service on the receipt."""
    money_faults: int = 0
    """So many times each fault of money is planted."""
    return_after_hours: float = 20.0
    """About so long after it was sent, a unit is announced to come back."""
    return_transit_hours: float = 20.0
    price_reduction_minutes: float = 30.0
    overdue_credit_hours: float = 0.0
    """So long after delivery OTTO accepts a return that nobody decided. 0: never. Invented: the
    real one does it, and does not say when."""
    stall_seconds: float = 20.0
    retry_after_seconds: int = 1
    token_lifetime_seconds: float = 1800.0
    client_id: str = "sandbox-client"
    client_secret: str = field(default="sandbox-secret", repr=False)
    client_scopes: tuple[str, ...] = (
        "orders",
        "shipments",
        "returns",
        "availability",
        "products",
        "receipts",
        "price-reduction",
    )
    buyer_mark: str = ""
    """Put before each part of a buyer's address, so that it can be found wherever it goes."""
    wms_api_key: str = field(default="sandbox-wms-key", repr=False)
    rate_limits_enforced: bool | None = None
    """None: enforced in running mode, not in stepped mode."""
    requests_per_second: int = 20
    requests_per_minute: int = 1200
    token_requests_per_second: int = 10
    host: str = LOOPBACK
    otto_port: int = 0
    wms_port: int = 0

    def __post_init__(self) -> None:
        """Refuse values that make no world.

        Raises:
            SandboxError: naming the setting, its value and what is allowed.
        """
        if self.host != LOOPBACK:
            raise SandboxError(
                f"host={self.host!r}: the sandbox serves invented data without protection and "
                f"listens on {LOOPBACK} only; leave host unset"
            )
        if self.orders < 0 or self.days < 1:
            raise SandboxError(
                f"orders={self.orders}, days={self.days}: need orders >= 0, days >= 1"
            )
        if self.speed < 0 or self.tempo < 0:
            raise SandboxError(f"speed={self.speed}, tempo={self.tempo}: neither may be negative")
        if self.start is not None and self.start.tzinfo is None:
            raise SandboxError(f"start={self.start}: give a time with an offset, such as Z")
        for name in (
            "data_fault_rate",
            "transport_fault_rate",
            "short_pick_rate",
            "split_rate",
            "customer_cancel_rate",
            "prepayment_rate",
            "scarce_share",
            "event_disorder_share",
            "returns_share",
            "hard_returns_share",
            "reductions_share",
            "voucher_share",
            "service_share",
        ):
            if not 0 <= getattr(self, name) <= 1:
                raise SandboxError(f"{name}={getattr(self, name)}: a rate lies between 0 and 1")
        if self.discounts_are not in DISCOUNT_READINGS:
            raise SandboxError(
                f"discounts_are={self.discounts_are!r}: one of {', '.join(DISCOUNT_READINGS)}"
            )
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise SandboxError(f"{name}={getattr(self, name)}: need at least {least}")

    def first_moment(self, real_now: datetime) -> datetime:
        """`start` in UTC, or midnight in Berlin (days + 5) days before `real_now`."""
        if self.start is not None:
            return self.start.astimezone(UTC)
        midnight = real_now.astimezone(BERLIN).replace(hour=0, minute=0, second=0, microsecond=0)
        return (midnight - timedelta(days=self.days + SETTLING_DAYS)).astimezone(UTC)

    @property
    def limits_requests(self) -> bool:
        """Whether OTTO's request limits are enforced (they count real time)."""
        return self.speed > 0 if self.rate_limits_enforced is None else self.rate_limits_enforced
