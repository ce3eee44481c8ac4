"""The runner: so many mutations of each kind from one seed, in batches on fresh databases.

Belongs here: numbers, seeds, and naming the one mutation of a batch that failed.
"""

import random
import shutil
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from resources.operations.database import OperationsDatabase
from tests.hostile.wire import Clients

BATCH = 100


class Kind(Protocol):
    """A kind of payload."""

    @property
    def name(self) -> str:
        """As in the corpus, and in seeds."""
        ...

    def case(self, rng: random.Random, number: int) -> Any:
        """The mutation of that number."""
        ...

    def sound(self) -> Any:
        """All of the corpus without any mutation; it is run first, to learn from it."""
        ...

    def run(self, cases: Sequence[Any], db: OperationsDatabase, clients: Clients) -> None:
        """Feed all of them to the product and judge each; fails where one ends badly.

        Sets the `verdict` of each case.
        """
        ...


@dataclass(frozen=True)
class Bench:
    """With what a campaign works."""

    clients: Clients
    template: Path
    """A migrated, empty operations database."""
    folder: Path


def run(kind: Kind, count: int, seed: int, bench: Bench) -> Counter[str]:
    """Run so many mutations; returns how they ended.

    Raises:
        AssertionError: one of them ended badly; the message repeats it.
    """
    verdicts: Counter[str] = Counter()
    with _database(bench) as db:
        kind.run([kind.sound()], db, bench.clients)
    for first in range(0, count, BATCH):
        numbers = range(first, min(first + BATCH, count))
        cases = [_case(kind, seed, number) for number in numbers]
        try:
            with _database(bench) as db:
                kind.run(cases, db, bench.clients)
        except Exception as error:
            raise AssertionError(_culprit(kind, seed, numbers, bench)) from error
        verdicts.update(case.verdict for case in cases)
    return verdicts


def _case(kind: Kind, seed: int, number: int) -> Any:
    return kind.case(random.Random(f"{seed}/{kind.name}/{number}"), number)


def _culprit(kind: Kind, seed: int, numbers: Sequence[int], bench: Bench) -> str:
    """Run the mutations of a batch one by one, and show the first one that fails."""
    for number in numbers:
        case = _case(kind, seed, number)
        try:
            with _database(bench) as db:
                kind.run([case], db, bench.clients)
        except Exception:  # noqa: BLE001 - see above
            what = case.row if case.row is not None else case.body
            return (
                f"{kind.name}, HOSTILE_SEED={seed}, mutation {number}: {what[:500]!r}\n"
                f"{traceback.format_exc(limit=-6)}"
            )
    return f"{kind.name}, HOSTILE_SEED={seed}, {numbers}: these fail only together"


@contextmanager
def _database(bench: Bench) -> Iterator[OperationsDatabase]:
    with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
        path = shutil.copy(bench.template, folder)
        db = OperationsDatabase(f"sqlite:///{path}")
        try:
            yield db
        finally:
            db.close()
