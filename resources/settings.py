"""Settings that come from the environment: addresses, credentials and places of files.

Belongs here: reading and checking environment variables, and nothing at import time. How the seller
works stands in the operating model instead (`resources.operating_model`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

WMS_ADAPTERS = ("http", "tryton", "files", "ongoing")


class SettingsError(Exception):
    """The environment is incomplete or wrong; the message names each variable and its meaning.

    What to do: set the variables that it names, in `.env` or your service (docs/setup.md).
    """


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
    wms_host_key: str = ""
    """Adapter `files` over SFTP: the server's key."""
    wms_key_file: Path | None = None
    """Adapter `files` over SFTP: our private key; then WMS_API_KEY is its passphrase."""


_REQUIRED = {
    "OTTO_API_BASE_URL": "OTTO's address, https://api.otto.market or https://sandbox.api.otto.market",
    "OTTO_CLIENT_ID": "client id from OTTO Partner Connect, API access",
    "OTTO_CLIENT_SECRET": "client secret from OTTO Partner Connect",
}
_OF_SERVERS = {
    "WMS_BASE_URL": "address of the warehouse system",
    "WMS_API_KEY": "key of the warehouse system",
}
_OF_FILES = {"WMS_FILES_DIR": "folder of the partner's files, or sftp://user@host:port/folder"}


def data_folder(environment: Mapping[str, str]) -> Path:
    """Where our own files lie unless a variable says otherwise."""
    return Path(environment.get("OTTO_PIPELINES_DATA") or "data").absolute()


def operating_model_path(environment: Mapping[str, str]) -> Path:
    """The file that says how this seller works; needs nothing else of the environment."""
    return Path(environment.get("OPERATING_MODEL") or "operating_model.yaml")


def operations_database_url(environment: Mapping[str, str]) -> str:
    """Where the operations database is; needs nothing else of the environment."""
    default = f"sqlite:///{data_folder(environment) / 'operations.sqlite'}"
    return environment.get("OPERATIONS_DATABASE_URL") or default


def operations_owner_url(environment: Mapping[str, str]) -> str:
    """The same database as the role that may change its schema; the usual one where none is set."""
    own = operations_database_url(environment)
    return environment.get("OPERATIONS_DATABASE_OWNER_URL") or own


def finance_database_path(environment: Mapping[str, str]) -> Path:
    """The file that finance opens; needs nothing else of the environment."""
    default = data_folder(environment) / "finance.duckdb"
    return Path(environment.get("FINANCE_DATABASE_PATH") or default)


def finance_signing_key(environment: Mapping[str, str]) -> str | None:
    """The key that signs closes of periods; None where there is none."""
    return environment.get("FINANCE_SIGNING_KEY") or None


def dagster_ui_url(environment: Mapping[str, str]) -> str | None:
    """Where people open Dagster's UI; alerts link to it. None: no links."""
    return environment.get("DAGSTER_UI_URL") or None


def heartbeat_url(environment: Mapping[str, str]) -> str | None:
    """Who waits for our sign of life; None: nobody."""
    return environment.get("HEARTBEAT_URL") or None


def settings_from_environment(environment: Mapping[str, str]) -> Settings:
    """Build settings from environment variables.

    Raises:
        SettingsError: a variable is missing or has a value outside its list.
    """
    adapter = environment.get("WMS_ADAPTER") or "http"
    if adapter not in WMS_ADAPTERS:
        raise SettingsError(
            f"WMS_ADAPTER is {adapter!r}; known adapters: {', '.join(WMS_ADAPTERS)}"
        )
    required = _REQUIRED | (_OF_FILES if adapter == "files" else _OF_SERVERS)
    missing = [f"  {name}: {text}" for name, text in required.items() if not environment.get(name)]
    if missing:
        raise SettingsError("environment variables are not set:\n" + "\n".join(missing))
    client_auth = environment.get("OTTO_CLIENT_AUTH") or "form"
    if client_auth not in {"form", "basic"}:
        raise SettingsError(f"OTTO_CLIENT_AUTH is {client_auth!r}; use 'form' or 'basic'")
    key_file = environment.get("WMS_SFTP_KEY_FILE")
    return Settings(
        otto_base_url=environment["OTTO_API_BASE_URL"].rstrip("/"),
        otto_client_id=environment["OTTO_CLIENT_ID"],
        otto_client_secret=environment["OTTO_CLIENT_SECRET"],
        otto_client_auth=client_auth,
        wms_adapter=adapter,
        wms_base_url=_warehouse_address(environment, adapter),
        wms_api_key=environment.get("WMS_API_KEY", ""),
        wms_host_key=environment.get("WMS_SFTP_HOST_KEY", ""),
        wms_key_file=Path(key_file) if key_file else None,
        operations_database_url=operations_database_url(environment),
        finance_database_path=finance_database_path(environment),
        operating_model_path=operating_model_path(environment),
        state_dir=data_folder(environment),
    )


def _warehouse_address(environment: Mapping[str, str], adapter: str) -> str:
    if adapter == "files":
        return environment["WMS_FILES_DIR"].rstrip("/")
    return environment["WMS_BASE_URL"].rstrip("/")
