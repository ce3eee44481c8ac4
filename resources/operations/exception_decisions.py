"""What persons decided on exceptions: let one be, with a reason, or take it up again.

Belongs here: writing decisions down and asking which exceptions are let be now. Rows are only
added. A decision holds for what was wrong at that moment (`content_hash`): where other content
comes under the same subject, it is a new occurrence and is shown. Which exceptions there are does
not belong here (`assets.exceptions`).

Times here are about real persons: pass `datetime.now(UTC)`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.operations.schema import exception_decisions

Action = Literal["ignore", "reopen"]
_DECISION = exception_decisions.c


@dataclass(frozen=True, kw_only=True)
class ExceptionDecision:
    """One decision. `subject` is our own key, `exception_id` what lists show of it."""

    subject: str
    exception_id: str
    kind: str
    content_hash: str
    action: Action
    reason: str
    decided_by: str
    decided_at: datetime


_COLUMNS = [_DECISION[name] for name in ExceptionDecision.__dataclass_fields__]


def content_hash(*content: str | None) -> str:
    """A short hash of what is wrong; equal content, equal hash."""
    return hashlib.blake2b(repr(content).encode(), digest_size=8).hexdigest()


def record(conn: Connection, decision: ExceptionDecision) -> None:
    """Write a decision down."""
    row = {name: getattr(decision, name) for name in ExceptionDecision.__dataclass_fields__}
    conn.execute(sa.insert(exception_decisions).values(row))


def let_be(conn: Connection) -> Mapping[str, str]:
    """What is ignored now: subject to the hash of the content that may be let be."""
    query = sa.select(_DECISION.subject, _DECISION.content_hash).where(
        _DECISION.id.in_(_latest()), _DECISION.action == "ignore"
    )
    return dict(row._tuple() for row in conn.execute(query))


def latest_of(conn: Connection, exception_id: str) -> ExceptionDecision | None:
    """The latest decision on an exception, by what lists show of it."""
    query = (
        sa.select(*_COLUMNS)
        .where(_DECISION.exception_id == exception_id)
        .order_by(_DECISION.id.desc())
        .limit(1)
    )
    row = conn.execute(query).mappings().one_or_none()
    return None if row is None else ExceptionDecision(**row)


def history(conn: Connection, limit: int) -> list[ExceptionDecision]:
    """The latest decisions, newest first."""
    query = sa.select(*_COLUMNS).order_by(_DECISION.id.desc()).limit(limit)
    return [ExceptionDecision(**row) for row in conn.execute(query).mappings()]


def fingerprint(conn: Connection) -> str:
    """Some text that changes with every decision."""
    return str(conn.scalar(sa.select(sa.func.max(_DECISION.id))) or 0)


def _latest() -> sa.Select[tuple[int]]:
    return sa.select(sa.func.max(_DECISION.id)).group_by(_DECISION.subject)
