"""The command `check-connection`: does everything answer that the flows need?"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial

import typer

from otto_pipelines.commands.opening import (
    EXPECTED,
    console,
    explained,
    model,
    operations,
    settings,
)
from resources.bindings import open_otto, open_wms
from resources.otto.client import OttoClient
from resources.otto.orders import OrdersQuery
from resources.otto.receipts import ReceiptsQuery
from resources.wms.port import WmsRetryable

# One small reading for each scope that the app needs at OTTO.
_READINGS: dict[str, Callable[[OttoClient], Iterator[object]]] = {
    "orders": lambda otto: otto.order_pages(OrdersQuery(limit=1)),
    "shipments": lambda otto: otto.shipments_since(datetime.now(UTC)),
    "availability": lambda otto: otto.availability.quantities(),
    "returns": lambda otto: otto.returns.pages(),
    "receipts": lambda otto: otto.receipts.pages(ReceiptsQuery(limit=1)),
    "price-reduction": lambda otto: otto.price_reductions.pages(),
    "products": lambda otto: otto.products.active_status(),
}


def check_connection() -> None:
    """Check settings, operating model, databases, OTTO (token and each scope) and the WMS."""
    with explained():
        settings()
    checks: dict[str, Callable[[], str]] = {
        "operating model": _model,
        "operations database": _operations,
        **{f"OTTO {scope}": partial(_otto, reading) for scope, reading in _READINGS.items()},
        "WMS": _wms,
    }
    failed = False
    for name, check in checks.items():
        try:
            said = check()
        except EXPECTED as error:
            failed = True
            console.print(f"[red]✗[/red] {name}: {error}", highlight=False)
        else:
            console.print(f"[green]✓[/green] {name}: {said}", highlight=False)
    raise typer.Exit(1 if failed else 0)


def _model() -> str:
    return f"{settings().operating_model_path} with {len(model().carriers)} carriers"


def _operations() -> str:
    with operations() as db:
        db.check()
        return db.shown_url


def _otto(reading: Callable[[OttoClient], Iterator[object]]) -> str:
    with open_otto(settings(), model()) as otto:
        next(reading(otto), None)
    return f"{settings().otto_base_url} can be read"


def _wms() -> str:
    with open_wms(settings(), model()) as wms:
        health = wms.health()
    if not health.ok:
        raise WmsRetryable(f"{settings().wms_base_url}: {health.detail}")
    return f"{settings().wms_base_url}, {health.detail}"
