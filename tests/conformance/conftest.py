"""The conformance suite's warehouses: each case runs once for every adapter.

To add an adapter: an operator class, and its entry in `_OPENERS`.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from otto_pipelines.tryton import environment, postgres
from otto_pipelines.tryton.environment import Installation, RunningTryton
from otto_pipelines.tryton.floor import Floor
from resources.wms.capabilities import Feature
from tests.conformance.files_operator import FilesOperator
from tests.conformance.journal import Journal
from tests.conformance.ongoing_operator import OngoingOperator
from tests.conformance.operator import Operator, StartingPoint
from tests.conformance.sandbox_operator import SandboxOperator
from tests.conformance.tryton_operator import TrytonOperator
from tests.resources.wms.sftp_server import SSHD, SftpServer, sftp_server


@pytest.fixture(scope="session")
def tryton_installation() -> Installation:
    """Tryton and a database that was set up once."""
    try:
        return environment.install()
    except postgres.Unavailable as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{error}; CI must run these tests")
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def tryton_server(
    tryton_installation: Installation, postgresql_cluster: str
) -> Iterator[RunningTryton]:
    """A real Tryton over a fresh copy of that database, for all cases of the suite."""
    with environment.running(tryton_installation, postgresql_cluster, "conformance") as server:
        yield server


@pytest.fixture
def empty_tryton(
    tryton_installation: Installation, postgresql_cluster: str
) -> Iterator[RunningTryton]:
    """A real Tryton in which nobody has worked yet."""
    with environment.running(tryton_installation, postgresql_cluster, "loop") as server:
        yield server


@pytest.fixture(scope="session")
def tryton_floor(tryton_server: RunningTryton) -> Iterator[Floor]:
    """Somebody who works there."""
    floor = Floor(tryton_server.url, tryton_server.floor_key)
    yield floor
    floor.close()


@pytest.fixture(scope="session")
def tryton_starting_point() -> StartingPoint:
    """How far the cases have read."""
    return StartingPoint()


def _open_http(_: pytest.FixtureRequest) -> Operator:
    return SandboxOperator()


def _open_tryton(request: pytest.FixtureRequest) -> Operator:
    server = request.getfixturevalue("tryton_server")
    floor = request.getfixturevalue("tryton_floor")
    return TrytonOperator(server, floor, request.getfixturevalue("tryton_starting_point"))


@pytest.fixture(scope="session")
def sftp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SftpServer]:
    """A real sshd for the partner's folders."""
    if not Path(SSHD).exists():
        reason = "sshd is not installed (apt install openssh-server)"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{reason}; CI must run these tests")
        pytest.skip(reason)
    with sftp_server(tmp_path_factory.mktemp("sftp")) as running:
        yield running


def _open_files(request: pytest.FixtureRequest) -> Operator:
    return FilesOperator(request.getfixturevalue("sftp"), request.getfixturevalue("tmp_path"))


def _open_ongoing(request: pytest.FixtureRequest) -> Operator:
    return OngoingOperator(request.getfixturevalue("tmp_path"))


_OPENERS: dict[str, Callable[[pytest.FixtureRequest], Operator]] = {
    "http": _open_http,
    "tryton": _open_tryton,
    "files": _open_files,
    "ongoing": _open_ongoing,
}
_MARKS = {"tryton": (pytest.mark.tryton, pytest.mark.postgres)}


@pytest.fixture(params=[pytest.param(name, marks=_MARKS.get(name, ())) for name in _OPENERS])
def operator(
    request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> Iterator[Operator]:
    """Somebody who works in the warehouse of one adapter."""
    record_property("adapter", request.param)
    with ExitStack() as stack:
        opened = _OPENERS[request.param](request)
        stack.callback(opened.close)
        yield opened


@pytest.fixture
def needs(operator: Operator) -> Callable[..., None]:
    """Ends a case by name where the adapter says that it cannot do a thing."""

    def check(*features: Feature) -> None:
        for feature in features:
            if feature not in operator.port.capabilities().supports:
                pytest.skip(f"unsupported by adapter {operator.name}: {feature}")

    return check


@pytest.fixture
def journal(operator: Operator) -> Journal:
    """What the port tells from now on."""
    return Journal(operator)
