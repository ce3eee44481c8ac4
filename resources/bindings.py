"""Dagster's door to the plain clients: each resource opens one of them for a run and closes it.

Belongs here: opening and closing. The clients themselves know nothing of Dagster, and assets get
the plain client (`dg.ResourceParam`). Addresses and secrets come from the environment when a run
starts, so none is stored in a run's configuration.
"""

import os
from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg

from resources.alerts.channels import Channels
from resources.alerts.heartbeat import Heartbeat
from resources.clock import Clock, RemoteClock, SystemClock
from resources.finance import FinanceDatabase
from resources.operating_model import OperatingModel, load_operating_model
from resources.operations.database import OperationsDatabase
from resources.otto.client import OttoClient, OttoSettings
from resources.settings import (
    Settings,
    finance_database_path,
    heartbeat_url,
    operations_database_url,
    settings_from_environment,
)
from resources.wms.files.adapter import FilesWms
from resources.wms.files.opening import open_files
from resources.wms.http import HttpWms
from resources.wms.ongoing.adapter import OngoingWms
from resources.wms.tryton.adapter import TrytonWms

LOOK_SECONDS = 5.0

Warehouse = HttpWms | TrytonWms | FilesWms | OngoingWms


def settings() -> Settings:
    """Read the environment now (never at import)."""
    return settings_from_environment(os.environ)


@contextmanager
def open_otto(config: Settings, model: OperatingModel) -> Generator[OttoClient]:
    """Open a client for OTTO's interface."""
    with OttoClient(
        OttoSettings(
            base_url=config.otto_base_url,
            client_id=config.otto_client_id,
            client_secret=config.otto_client_secret,
            client_auth=config.otto_client_auth,
            state_dir=config.state_dir,
            http=model.http,
        )
    ) as client:
        yield client


@contextmanager
def open_wms(config: Settings, model: OperatingModel) -> Generator[Warehouse]:
    """Open the warehouse adapter that WMS_ADAPTER names."""
    client = _warehouse(config, model)
    try:
        yield client
    finally:
        client.close()


def _warehouse(config: Settings, model: OperatingModel) -> Warehouse:
    match config.wms_adapter:
        case "tryton":
            return TrytonWms(config.wms_base_url, config.wms_api_key, model.http, model.wms.tryton)
        case "files":
            return open_files(
                config.wms_base_url,
                model.wms.files,
                config.state_dir / "wms_files.sqlite",
                secret=config.wms_api_key,
                host_key=config.wms_host_key,
                key_file=config.wms_key_file,
                timeout_seconds=model.http.timeout_seconds,
            )
        case "ongoing":
            return OngoingWms(
                config.wms_base_url,
                config.wms_api_key,
                model.http,
                model.wms.ongoing,
                config.state_dir / "wms_ongoing.sqlite",
            )
        case _:
            return HttpWms(config.wms_base_url, config.wms_api_key, model.http)


def open_clock() -> Clock:
    """Open the system's clock, or the one that a sandbox serves at BUSINESS_CLOCK_URL."""
    url = os.environ.get("BUSINESS_CLOCK_URL")
    return RemoteClock(url) if url else SystemClock()


def open_channels() -> Channels:
    """Know the addresses of the channels of alerts; each message opens its own connection."""
    return Channels(os.environ)


@dg.resource(description="The validated operating model.")
def model_resource(_: dg.InitResourceContext) -> OperatingModel:
    """Read the file that OPERATING_MODEL names."""
    return load_operating_model(settings().operating_model_path)


@dg.resource(description="OTTO Market's interface.")
def otto_resource(_: dg.InitResourceContext) -> Generator[OttoClient]:
    """Open for a run, close after it."""
    config = settings()
    with open_otto(config, load_operating_model(config.operating_model_path)) as client:
        yield client


@dg.resource(description="The warehouse, by the adapter that WMS_ADAPTER names.")
def wms_resource(_: dg.InitResourceContext) -> Generator[Warehouse]:
    """Open for a run, close after it."""
    config = settings()
    with open_wms(config, load_operating_model(config.operating_model_path)) as client:
        yield client


@dg.resource(description="The warehouse, for a quick look by a sensor.")
def wms_look_resource(_: dg.InitResourceContext) -> Generator[Warehouse]:
    """Open it with one short attempt per call: a sensor's tick may not take a minute."""
    config = settings()
    model = load_operating_model(config.operating_model_path)
    brief = {"attempts": 1, "timeout_seconds": min(model.http.timeout_seconds, LOOK_SECONDS)}
    hurried = model.model_copy(update={"http": model.http.model_copy(update=brief)})
    with open_wms(config, hurried) as client:
        yield client


@dg.resource(description="The operations database: what was seen and done.")
def operations_resource(_: dg.InitResourceContext) -> Generator[OperationsDatabase]:
    """Open for a run, close after it."""
    database = OperationsDatabase(operations_database_url(os.environ))
    try:
        yield database
    finally:
        database.close()


@dg.resource(description="The finance database, a DuckDB file.")
def finance_resource(_: dg.InitResourceContext) -> FinanceDatabase:
    """Name its file; it is opened only while it is written."""
    return FinanceDatabase(finance_database_path(os.environ))


@dg.resource(description="Channels that alerts are sent to.")
def alert_channels_resource(_: dg.InitResourceContext) -> Channels:
    """Know their addresses."""
    return open_channels()


@dg.resource(description="A dead man's switch outside.")
def outside_resource(_: dg.InitResourceContext) -> Heartbeat:
    """Know its address."""
    return Heartbeat(heartbeat_url(os.environ))


@dg.resource(description="Business time.")
def clock_resource(_: dg.InitResourceContext) -> Clock:
    """Choose the clock."""
    return open_clock()


def all_resources() -> dict[str, dg.ResourceDefinition]:
    """Every resource under the name by which assets and sensors ask for it."""
    return {
        "model": model_resource,
        "otto": otto_resource,
        "wms": wms_resource,
        "wms_look": wms_look_resource,
        "operations": operations_resource,
        "finance": finance_resource,
        "clock": clock_resource,
        "alert_channels": alert_channels_resource,
        "outside": outside_resource,
    }
