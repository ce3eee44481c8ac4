"""Command line of the sandbox: `python -m otto_pipelines.sandbox --help`.

Prints one JSON line with the two addresses when both answer, then runs until it is stopped. The
client's id and secret and the key of the WMS are taken from OTTO_CLIENT_ID, OTTO_CLIENT_SECRET and
WMS_API_KEY where these are set; they are never printed. SANDBOX_BUYER_MARK is put before each part
of the buyers' addresses, for who wants to see where these go.
"""

import argparse
import json
import os
import signal
import sys
import threading
from datetime import datetime
from typing import Any

from otto_pipelines.sandbox.config import DISCOUNT_READINGS, SandboxConfig, SandboxError
from otto_pipelines.sandbox.server import Sandbox

_FROM_ENVIRONMENT = {
    "client_id": "OTTO_CLIENT_ID",
    "client_secret": "OTTO_CLIENT_SECRET",
    "wms_api_key": "WMS_API_KEY",
    "buyer_mark": "SANDBOX_BUYER_MARK",
}
_NUMBERS: dict[str, tuple[type, str]] = {
    "otto_port": (int, "port of OTTO; 0 takes a free one"),
    "wms_port": (int, "port of the WMS; 0 takes a free one"),
    "seed": (int, "equal seeds make equal orders"),
    "orders": (int, "number of orders"),
    "days": (int, "days over which they arrive"),
    "speed": (float, "virtual seconds per second; 0 steps by the control API"),
    "tempo": (float, "scale of the hold and of all warehouse durations"),
    "after_orders_trickle": (float, "orders per virtual hour after the last day"),
    "transport_fault_rate": (float, "share of requests that fail"),
    "data_fault_rate": (float, "share of orders with each kind of data fault"),
    "stall_seconds": (float, "length of a stalled answer"),
    "skus": (int, "size of the assortment"),
    "scarce_share": (float, "share of the ordered articles of which there are few"),
    "stock_moves_per_day": (float, "receipts, quarantines and counts per virtual day"),
    "hidden_losses_per_day": (float, "units per virtual day that vanish unseen"),
    "event_disorder_share": (float, "share of the WMS events that come late, or twice"),
    "snapshot_fault_periods": (int, "times that the WMS's stock list is wrong for some hours"),
    "availability_batch_limit": (int, "SKUs in one request above which OTTO answers 413"),
    "unknown_skus": (int, "articles in the warehouse that OTTO does not know"),
    "orphan_skus": (int, "articles at OTTO that the warehouse does not know"),
    "colliding_skus": (int, "articles that the warehouse holds under two spellings"),
    "returns_share": (float, "share of the sent units that come back"),
    "hard_returns_share": (float, "share of those in a bad condition"),
    "reductions_share": (float, "share of the sent units with a price reduction"),
    "voucher_share": (float, "share of the orders paid in part by a voucher"),
    "service_share": (float, "share of the orders with a service"),
    "money_faults": (int, "times that each fault of money is planted"),
    "return_after_hours": (float, "hours from dispatch to the announcement of a return, about"),
    "return_transit_hours": (float, "hours of the way back, about"),
    "price_reduction_minutes": (float, "minutes until a price reduction is processed"),
    "overdue_credit_hours": (float, "hours after which OTTO accepts a return itself; 0 never"),
}
_SWITCHES = {
    "sell_what_is_shown": "OTTO sells what it shows, the warehouse picks what it has",
    "otto_lowers_stock": "a sale lowers the figure at OTTO",
}


def _arguments(argv: list[str] | None) -> SandboxConfig:
    parser = argparse.ArgumentParser(prog="python -m otto_pipelines.sandbox", description=__doc__)
    defaults = SandboxConfig()
    for name, (kind, meaning) in _NUMBERS.items():
        default = getattr(defaults, name)
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=kind,
            default=default,
            help=f"{meaning} (default {default})",
        )
    for name, meaning in _SWITCHES.items():
        parser.add_argument(f"--{name.replace('_', '-')}", action="store_true", help=meaning)
    parser.add_argument(
        "--discounts-are",
        choices=DISCOUNT_READINGS,
        default=defaults.discounts_are,
        help="order discounts lower the item prices shown, or are included in them",
    )
    parser.add_argument("--start", type=datetime.fromisoformat, help="first moment, with offset")
    values: dict[str, Any] = vars(parser.parse_args(argv))
    for name, variable in _FROM_ENVIRONMENT.items():
        if os.environ.get(variable):
            values[name] = os.environ[variable]
    return SandboxConfig(**values)


def main(argv: list[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM; 0 on a clean stop, 2 when it cannot start."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        sandbox = Sandbox(_arguments(argv)).start()
    except SandboxError as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return 2
    addresses = {"otto": sandbox.otto_url, "wms": sandbox.wms_url, "clock": sandbox.clock_url}
    sys.stdout.write(json.dumps(addresses) + "\n")
    sys.stdout.flush()
    stop.wait()
    sandbox.stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
