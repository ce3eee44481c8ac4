"""Business time: the clock by which orders, deadlines and watermarks are judged.

In production it is the system's clock. A sandbox whose days pass faster serves its own time over
HTTP, and then every process reads that. Back-offs, leases and token lifetimes are about real
machines and use real time instead; they do not belong here.
"""

from datetime import UTC, datetime
from typing import Protocol

import httpx

from resources.tls import trusted


class Clock(Protocol):
    """Anything that tells the time."""

    def now(self) -> datetime:
        """Aware UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC)


class RemoteClock:
    """A clock served at `url` as `{"now": "<ISO 8601>"}`."""

    def __init__(self, url: str) -> None:
        self._url = url

    def now(self) -> datetime:
        """Aware UTC.

        Raises:
            httpx.HTTPError: the clock's server does not answer.
        """
        answer = httpx.get(self._url, timeout=10, verify=trusted())
        answer.raise_for_status()
        return datetime.fromisoformat(answer.json()["now"]).astimezone(UTC)
