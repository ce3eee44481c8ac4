"""One bench for all hostile input of this session."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.campaign import Bench
from tests.hostile.wire import open_clients


@pytest.fixture(scope="module")
def bench(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("hostile")
    with open_clients(folder) as clients:
        yield Bench(clients, sqlite_template, folder)
