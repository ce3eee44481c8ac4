"""Opaque cursors of the WMS's append-only lists: a list's name and a place in it."""

import base64


class BadCursor(ValueError):
    """A cursor that this list never gave."""


def write_cursor(name: str, place: int) -> str:
    """The cursor that goes on at `place`."""
    return base64.urlsafe_b64encode(f"{name}:{place}".encode()).decode()


def read_cursor(name: str, cursor: str | None, length: int) -> int:
    """The place to go on from; 0 without a cursor.

    Raises:
        BadCursor: the cursor is of another list, or lies beyond `length`.
    """
    if not cursor:
        return 0
    try:
        found, _, place = base64.urlsafe_b64decode(cursor).decode("ascii").partition(":")
        number = int(place)
    except ValueError as error:
        raise BadCursor(cursor) from error
    if found != name or not 0 <= number <= length:
        raise BadCursor(cursor)
    return number
