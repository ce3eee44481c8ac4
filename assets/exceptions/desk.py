"""The desk at which a person acts on exceptions: send again, let be with a reason, take up again.

Belongs here: what both the commands and the Dagster jobs do, so that they do the same. Reading one
order anew stands in `assets.exceptions.pull`.

To let something be holds for what is wrong now. Where the same thing goes wrong in another way, it
is shown again. Each decision is kept with person and time and can be taken back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy.engine import Connection

from assets.exceptions.kinds import MESSAGE_KINDS
from assets.exceptions.listing import open_exceptions
from assets.exceptions.model import OpenException
from resources.operating_model import OperatingModel
from resources.operations import exception_decisions, outbox_desk
from resources.operations.database import OperationsDatabase
from resources.operations.exception_decisions import ExceptionDecision


class ExceptionRefusal(Exception):
    """A person's request cannot be carried out; the message says why and what to do.

    What to do: as the message ends, or follow the remedy that `otto-pipelines errors list` shows.
    """


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who acts, and why."""

    name: str
    reason: str

    def __post_init__(self) -> None:
        """Refuse a decision of nobody, or for no reason."""
        if not self.name.strip() or not self.reason.strip():
            raise ExceptionRefusal("say who decides and why: both are kept with the decision")


def retry(db: OperationsDatabase, ids: Sequence[str] = (), kinds: Sequence[str] = ()) -> int:
    """Make messages due now; the next run of their flow delivers them. Empty = all, of any kind.

    Returns:
        How many are due now by this.

    Raises:
        ExceptionRefusal: an id or a kind that is no message.
    """
    if unknown := sorted(set(kinds) - set(MESSAGE_KINDS)):
        raise ExceptionRefusal(
            f"{', '.join(unknown)}: no kind of message; take {', '.join(MESSAGE_KINDS)}"
        )
    if other := [each for each in ids if not each.isdecimal()]:
        raise ExceptionRefusal(
            f"{', '.join(other)}: no message, so there is nothing to send again; "
            "`otto-pipelines errors list` names the remedy of each"
        )
    numbers = [int(each) for each in ids] or None
    with db.write() as conn:
        return outbox_desk.retry_now(conn, numbers, list(kinds) or None, datetime.now(UTC))


def ignore(
    db: OperationsDatabase,
    model: OperatingModel,
    ids: Sequence[str],
    person: Person,
    now: datetime,
) -> None:
    """Let exceptions be as they are, all or none; `now` is business time.

    Raises:
        ExceptionRefusal: an id that is not open, or cannot be ignored.
        outbox_desk.OutboxRefusal: a message that cannot be ignored.
    """
    _refuse_none(ids)
    listed = {row.id: row for row in open_exceptions(db, model, now)}
    with db.write() as conn:
        for each in ids:
            _ignore_one(conn, each, listed.get(each), person)


def reopen(db: OperationsDatabase, ids: Sequence[str], person: Person) -> None:
    """Take up again what was let be, all or none; a message is then failed and can be retried.

    Raises:
        ExceptionRefusal: an id that nobody let be.
    """
    _refuse_none(ids)
    now = datetime.now(UTC)
    with db.write() as conn:
        for each in ids:
            last = exception_decisions.latest_of(conn, each)
            if last is None or last.action != "ignore":
                raise ExceptionRefusal(
                    f"{each} is not ignored by a person: see `otto-pipelines errors history`"
                )
            if each.isdecimal():
                outbox_desk.take_up_again(conn, int(each), person.reason, now)
            again = replace(
                last,
                action="reopen",
                reason=person.reason,
                decided_by=person.name,
                decided_at=now,
            )
            exception_decisions.record(conn, again)


def _refuse_none(ids: Sequence[str]) -> None:
    if not ids:
        raise ExceptionRefusal("no exception is named: take ids of `otto-pipelines errors list`")


def _ignore_one(
    conn: Connection, exception_id: str, row: OpenException | None, person: Person
) -> None:
    now = datetime.now(UTC)
    if exception_id.isdecimal():
        # A message that is not listed may be ignored, too: it may be under way.
        kind = outbox_desk.ignore(conn, int(exception_id), person.reason, now)
        subject, content = f"outbox:{exception_id}", row.content if row else ""
    elif row is None:
        raise ExceptionRefusal(f"{exception_id} is not open: see `otto-pipelines errors list`")
    elif "ignore" not in row.actions:
        raise ExceptionRefusal(
            f"{exception_id} ({row.kind}, {row.key}) cannot be ignored. What to do: {row.remedy}"
        )
    else:
        kind, subject, content = row.kind, row.subject, row.content
    decision = ExceptionDecision(
        subject=subject,
        exception_id=exception_id,
        kind=kind,
        content_hash=content,
        action="ignore",
        reason=person.reason,
        decided_by=person.name,
        decided_at=now,
    )
    exception_decisions.record(conn, decision)
