"""How the newer interfaces of the simulated OTTO read parameters and cut lists into pages.

Belongs here: numbers, times and cursors of a request. Which parameters exist belongs to the module
of the interface.
"""

import base64
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from otto_pipelines.sandbox.http_server import Answer, Request
from otto_pipelines.sandbox.otto_rules import Problem, Refusal, read_time

Handler = Callable[[Request], Answer]


def bad_request(detail: str) -> Refusal:
    """400 with that detail."""
    return Refusal(Problem(400, "Bad Request", detail))


def not_found(detail: str) -> Refusal:
    """404 with that detail."""
    return Refusal(Problem(404, "Not Found", detail))


def number(
    request: Request, name: str, *, default: int, least: int = 1, most: int | None = None
) -> int:
    """A whole number of the query.

    Raises:
        Refusal: 400, it is none or out of bounds.
    """
    text = request.first(name)
    if text is None:
        return default
    value = int(text) if text.isdecimal() else -1
    if value < least or (most is not None and value > most):
        bounds = f"from {least} to {most}" if most is not None else f"from {least} on"
        raise bad_request(f"{name} [{text}] must be a number {bounds}.")
    return value


def moment(request: Request, name: str) -> datetime | None:
    """A date or a time of the query, as UTC.

    Raises:
        Refusal: 400, it is neither.
    """
    text = request.first(name)
    if text is None:
        return None
    try:
        return read_time(text)
    except (ValueError, OverflowError) as error:
        raise bad_request(f"{name} [{text}] is no ISO 8601 date or date-time.") from error


def body(request: Request) -> Any:
    """The JSON value of the body; None where it is no JSON."""
    try:
        return request.json()
    except msgspec.DecodeError:
        return None


def write_cursor(*parts: object) -> str:
    """Opaque text that holds the parts; None is written as nothing."""
    text = "\n".join("" if part is None else str(part) for part in parts)
    return base64.urlsafe_b64encode(text.encode()).decode()


def read_cursor(text: str, length: int) -> list[str]:
    """The parts of a cursor.

    Raises:
        Refusal: 400, it is none with so many parts.
    """
    try:
        parts = base64.urlsafe_b64decode(text).decode("utf-8").split("\n")
    except ValueError as error:
        raise bad_request("next is invalid.") from error
    if len(parts) != length:
        raise bad_request("next is invalid.")
    return parts
