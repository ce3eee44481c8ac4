"""A database for tests of exceptions in which its kind does not matter."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from resources.operations.database import OperationsDatabase


@pytest.fixture
def db(sqlite_template: Path, tmp_path: Path) -> Iterator[OperationsDatabase]:
    path = tmp_path / "operations.sqlite"
    path.write_bytes(sqlite_template.read_bytes())
    opened = OperationsDatabase(f"sqlite:///{path}")
    yield opened
    opened.close()
