"""The log of synchronisations: one row per run of a flow, also when it fails.

Belongs here: writing that row and reading the latest ones. What a flow counts is its own business.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from types import TracebackType
from typing import Self

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.operations.database import OperationsDatabase, OperationsDatabaseError
from resources.operations.schema import sync_runs

_LONGEST_ERROR = 2_000


@dataclass(frozen=True)
class SyncRun:
    """One synchronisation; `result` is running, success or failure."""

    flow: str
    started_at: datetime
    finished_at: datetime | None
    result: str
    counts: dict[str, int]
    transport: dict[str, int]
    error: str | None

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it runs, or if its process died."""
        if self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


@dataclass(frozen=True)
class Reads:
    """When a flow was first tried, when it last succeeded, and the error of a failure since."""

    first_at: datetime
    last_success_at: datetime | None
    last_error: str | None


class SyncLog:
    """Use as a context manager around a flow; fill `counts` while it runs.

    Args:
        db: the operations database.
        flow: its name, as the CLI calls it.
        started_at: aware UTC; the end is this plus the real duration.
        faults: the client's tally of transport faults; what it grows by meanwhile is this run's.
    """

    def __init__(
        self, db: OperationsDatabase, flow: str, started_at: datetime, faults: Mapping[str, int]
    ) -> None:
        self._db = db
        self._flow = flow
        self._started_at = started_at
        self._faults = faults
        self._faults_before = Counter(faults)
        self._began = monotonic()
        self._id: int | None = None
        self.counts: dict[str, int] = {}

    def __enter__(self) -> Self:
        """Write that the flow runs."""
        running = sa.insert(sync_runs).values(
            flow=self._flow,
            started_at=self._started_at,
            result="running",
            counts="{}",
            transport="{}",
        )
        with self._db.write() as conn:
            self._id = conn.scalar(running.returning(sync_runs.c.id))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write how it ended; the flow's own error goes on."""
        try:
            self._finish(error)
        except OperationsDatabaseError as failure:
            if error is None:
                raise
            error.add_note(f"the end of this run could not be recorded: {failure}")

    def _finish(self, error: BaseException | None) -> None:
        text = None if error is None else f"{type(error).__name__}: {error}"[:_LONGEST_ERROR]
        transport = Counter(self._faults) - self._faults_before
        finished = (
            sa.update(sync_runs)
            .where(sync_runs.c.id == self._id)
            .values(
                finished_at=self._started_at + timedelta(seconds=monotonic() - self._began),
                result="success" if error is None else "failure",
                counts=msgspec.json.encode(self.counts).decode(),
                transport=msgspec.json.encode(dict(transport)).decode(),
                error=text,
            )
        )
        with self._db.write() as conn:
            conn.execute(finished)


def last_success(conn: Connection, flow: str) -> datetime | None:
    """When the latest good run of a flow began; None: there was none."""
    query = (
        sa.select(sync_runs.c.started_at)
        .where(sync_runs.c.flow == flow, sync_runs.c.result == "success")
        .order_by(sync_runs.c.id.desc())
        .limit(1)
    )
    return conn.scalar(query)


def last(conn: Connection, flow: str, n: int) -> list[SyncRun]:
    """The latest `n` runs of a flow, newest first."""
    query = (
        sa.select(sync_runs)
        .where(sync_runs.c.flow == flow)
        .order_by(sync_runs.c.id.desc())
        .limit(n)
    )
    return [
        SyncRun(
            flow=row.flow,
            started_at=row.started_at,
            finished_at=row.finished_at,
            result=row.result,
            counts=msgspec.json.decode(row.counts, type=dict[str, int]),
            transport=msgspec.json.decode(row.transport, type=dict[str, int]),
            error=row.error,
        )
        for row in conn.execute(query)
    ]


def reads(conn: Connection) -> dict[str, Reads]:
    """How all flows went, by name; a run that is under way counts as tried only."""
    row = sync_runs.c
    kind = row.started_at.type
    succeeded = row.result == "success"
    query = sa.select(
        row.flow,
        sa.func.min(row.started_at, type_=kind),
        sa.func.max(sa.case((succeeded, row.started_at)), type_=kind),
        sa.func.max(sa.case((succeeded, row.id))),
        sa.func.max(sa.case((row.result == "failure", row.id))),
    ).group_by(row.flow)
    found = conn.execute(query).all()
    failures = {failed for *_, good, failed in found if failed is not None and failed > (good or 0)}
    errors = dict(
        each._tuple()
        for each in conn.execute(sa.select(row.id, row.error).where(row.id.in_(failures)))
    )
    return {
        flow: Reads(first_at, success_at, errors.get(failed))
        for flow, first_at, success_at, _, failed in found
    }
