"""The command `check-connection`: does everything answer that the flows need?"""

from collections.abc import Callable

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
from resources.otto.orders import OrdersQuery
from resources.wms.port import WmsRetryable


def check_connection() -> None:
    """Check settings, operating model, databases, OTTO (token and orders scope) and the WMS."""
    with explained():
        settings()
    checks: dict[str, Callable[[], str]] = {
        "operating model": _model,
        "operations database": _operations,
        "OTTO": _otto,
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


def _otto() -> str:
    with open_otto(settings(), model()) as otto:
        page = next(iter(otto.order_pages(OrdersQuery(limit=1))), None)
    return f"{settings().otto_base_url}, {'orders can be read' if page else 'no page came'}"


def _wms() -> str:
    with open_wms(settings(), model()) as wms:
        health = wms.health()
    if not health.ok:
        raise WmsRetryable(f"{settings().wms_base_url}: {health.detail}")
    return f"{settings().wms_base_url}, {health.detail}"
