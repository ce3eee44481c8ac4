"""The command `check-connection`: does everything answer that the flows need?"""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial

import typer

from assets.rules.alerting import channels_named
from otto_pipelines.commands.opening import (
    EXPECTED,
    console,
    dagster_home,
    explained,
    finance_file,
    model,
    operations,
    settings,
)
from resources.alerts.channels import ChannelError, variable_of
from resources.bindings import open_channels, open_otto, open_wms
from resources.finance import FinanceDatabase
from resources.otto.client import OttoClient
from resources.otto.orders import OrdersQuery
from resources.otto.receipts import ReceiptsQuery
from resources.settings import SettingsError
from resources.wms.errors import WmsRetryable

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
    """Check settings, operating model, databases, Dagster, OTTO, the WMS, alert channels."""
    with explained():
        settings()
    checks: dict[str, Callable[[], str]] = {
        "operating model": _model,
        "operations database": _operations,
        "finance file": _finance,
        "Dagster instance": _dagster,
        "OTTO token": _token,
        **{f"OTTO {scope}": partial(_otto, reading) for scope, reading in _READINGS.items()},
        "WMS": _wms,
        "alert channels": _alert_channels,
    }
    failed = False
    for name, check in checks.items():
        try:
            said = check()
        except EXPECTED as error:
            failed = True
            console.print(f"[red]✗[/red] {name}: {error}", highlight=False, soft_wrap=True)
        else:
            console.print(f"[green]✓[/green] {name}: {said}", highlight=False, soft_wrap=True)
    raise typer.Exit(1 if failed else 0)


def _model() -> str:
    return f"{settings().operating_model_path} with {len(model().carriers)} carriers"


def _operations() -> str:
    with operations() as db:
        db.check()
        return db.shown_url


def _finance() -> str:
    """A reconciliation writes beside the file, so the folder must take new files."""
    file = finance_file(None)
    file.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(file.parent, os.W_OK):
        raise SettingsError(
            f"this user may not write into {file.parent}: change its owner, or "
            "FINANCE_DATABASE_PATH"
        )
    if not file.exists():
        return f"{file} will be made by the first reconciliation"
    with FinanceDatabase(file).read() as con:
        con.execute("SELECT count(*) FROM reconciliation.breaks").fetchone()
    return f"{file} can be read"


def _dagster() -> str:
    home = dagster_home()
    if not (home / "dagster.yaml").exists():
        raise SettingsError(
            f"{home} has no dagster.yaml, so lanes and pools have no limits: copy "
            "deploy/dagster.yaml into it and restart the services"
        )
    return str(home)


def _token() -> str:
    with open_otto(settings(), model()) as otto:
        token = otto.token()
    until = datetime.fromtimestamp(token.expires_at, UTC)
    minutes = (until - datetime.now(UTC)).total_seconds() / 60
    scopes = f"; scopes: {token.scope}" if token.scope else ""
    return f"renewed by itself {until:%H:%M} UTC, in {minutes:.0f} minutes{scopes}"


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


def _alert_channels() -> str:
    """Whether each channel has an address; nothing is sent."""
    policy, channels = model().alerts, open_channels()
    named = sorted(channels_named(policy))
    missing = [variable_of(name) for name in named if not channels.known(name)]
    if missing:
        raise ChannelError(f"set {', '.join(missing)} to the addresses of these channels")
    if not named:
        return "none, alerts are only listed; write `alerts` in the operating model"
    return f"{', '.join(named)} have addresses; try them: otto-pipelines alerts test"
