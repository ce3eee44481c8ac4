"""Settings that come from the environment: addresses, credentials and places of files.

Belongs here: reading and checking environment variables, and nothing at import time. How the seller
works stands in the operating model instead (`resources.operating_model`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

WMS_ADAPTERS = ("http",)


class SettingsError(Exception):
    """The environment is incomplete or wrong; the message names each variable and its meaning."""


@dataclass(frozen=True)
class Settings:
    """Where the two systems are and where our own files lie. Secrets are hidden from `repr`."""

    otto_base_url: str
    otto_client_id: str
    otto_client_secret: str = field(repr=False)
    wms_base_url: str
    wms_api_key: str = field(repr=False)
    operations_database_url: str
    finance_database_path: Path
    operating_model_path: Path
    state_dir: Path
    """Raw pages and the token cache; readable by this user only."""
    otto_client_auth: str = "form"
    wms_adapter: str = "http"


_REQUIRED = {
    "OTTO_API_BASE_URL": "OTTO's address, https://api.otto.market or https://sandbox.api.otto.market",
    "OTTO_CLIENT_ID": "client id from OTTO Partner Connect, API access",
    "OTTO_CLIENT_SECRET": "client secret from OTTO Partner Connect",
    "WMS_BASE_URL": "address of the warehouse system",
    "WMS_API_KEY": "key of the warehouse system",
}


def data_folder(environment: Mapping[str, str]) -> Path:
    """Where our own files lie unless a variable says otherwise."""
    return Path(environment.get("OTTO_PIPELINES_DATA", "data")).absolute()


def operations_database_url(environment: Mapping[str, str]) -> str:
    """Where the operations database is; needs nothing else of the environment."""
    default = f"sqlite:///{data_folder(environment) / 'operations.sqlite'}"
    return environment.get("OPERATIONS_DATABASE_URL", default)


def finance_database_path(environment: Mapping[str, str]) -> Path:
    """The file that finance opens; needs nothing else of the environment."""
    default = data_folder(environment) / "finance.duckdb"
    return Path(environment.get("FINANCE_DATABASE_PATH", default))


def settings_from_environment(environment: Mapping[str, str]) -> Settings:
    """Build settings from environment variables.

    Raises:
        SettingsError: a variable is missing or has a value outside its list.
    """
    missing = [f"  {name}: {text}" for name, text in _REQUIRED.items() if not environment.get(name)]
    if missing:
        raise SettingsError("environment variables are not set:\n" + "\n".join(missing))
    adapter = environment.get("WMS_ADAPTER", "http")
    if adapter not in WMS_ADAPTERS:
        raise SettingsError(
            f"WMS_ADAPTER is {adapter!r}; known adapters: {', '.join(WMS_ADAPTERS)}"
        )
    client_auth = environment.get("OTTO_CLIENT_AUTH", "form")
    if client_auth not in {"form", "basic"}:
        raise SettingsError(f"OTTO_CLIENT_AUTH is {client_auth!r}; use 'form' or 'basic'")
    return Settings(
        otto_base_url=environment["OTTO_API_BASE_URL"].rstrip("/"),
        otto_client_id=environment["OTTO_CLIENT_ID"],
        otto_client_secret=environment["OTTO_CLIENT_SECRET"],
        otto_client_auth=client_auth,
        wms_adapter=adapter,
        wms_base_url=environment["WMS_BASE_URL"].rstrip("/"),
        wms_api_key=environment["WMS_API_KEY"],
        operations_database_url=operations_database_url(environment),
        finance_database_path=finance_database_path(environment),
        operating_model_path=Path(environment.get("OPERATING_MODEL", "operating_model.yaml")),
        state_dir=data_folder(environment),
    )
