"""News of a system that has no event feed: rows by the time of their last change.

Belongs here: which rows are new since a cursor. Tryton stamps a row when its transaction starts,
so a row may appear after others with later stamps. Each read therefore goes back by an overlap, and
the cursor remembers the rows of that span which were told already: nothing late is lost, and
nothing is told twice while nothing happens.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

import msgspec

from resources.wms.errors import WmsRejected

T = TypeVar("T")


class _Place(msgspec.Struct, frozen=True):
    since: datetime | None = None
    seen: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row(Generic[T]):
    """Something that changed: when last, and a digest that is another one after each change."""

    item: T
    stamp: datetime
    digest: str


@dataclass(frozen=True)
class News(Generic[T]):
    """What is new, oldest change first, and the cursor after it."""

    items: list[T]
    cursor: str
    more: bool


def row(item: T, key: int, stamps: Iterable[datetime]) -> Row[T]:
    """A row whose state is known by the stamps of everything that belongs to it."""
    known = sorted(stamps)
    text = "|".join([str(key), *(stamp.isoformat() for stamp in known)])
    digest = hashlib.sha256(text.encode()).digest()[:6]
    return Row(item, known[-1], base64.b64encode(digest).decode())


class Window:
    """The span of time that a read looks at, from the cursor of the last one."""

    def __init__(
        self, cursor: str | None, overlap: timedelta, begin: datetime | None = None
    ) -> None:
        self._cursor = cursor
        self._overlap = overlap
        self._place = _Place(begin) if cursor is None else _read(cursor)

    @property
    def since(self) -> datetime | None:
        """Rows that changed before have been told; None: nothing has."""
        return self._place.since

    def news(self, rows: Sequence[Row[T]], limit: int) -> News[T]:
        """The oldest `limit` new ones of `rows`, which are all that changed since `since`."""
        told = set(self._place.seen)
        fresh = sorted((r for r in rows if r.digest not in told), key=lambda r: r.stamp)
        taken, more = fresh[:limit], len(fresh) > limit
        if not taken:
            return News([], self._cursor or _write(self._place), more=False)
        reached = taken[-1].stamp if more else max(r.stamp for r in rows)
        since = reached - self._overlap
        if self._place.since is not None:
            since = max(since, self._place.since)
        told |= {r.digest for r in taken}
        seen = sorted(r.digest for r in rows if r.digest in told and r.stamp >= since)
        return News([r.item for r in taken], _write(_Place(since, tuple(seen))), more)


def _read(cursor: str) -> _Place:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(cursor), type=_Place)
    except (ValueError, msgspec.MsgspecError) as error:
        raise WmsRejected(
            "this cursor is none of Tryton's: after a change of WMS_ADAPTER the feed starts anew, "
            "so remove the watermarks of the warehouse"
        ) from error


def _write(place: _Place) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode()
