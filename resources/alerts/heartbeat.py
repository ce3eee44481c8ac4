"""The sign of life to a dead man's switch outside, which tells when it stays away.

Belongs here: one short request to the address in HEARTBEAT_URL, which is a secret: whoever knows it
can give the sign. Whether all is well is decided in `sensors.alerts`.
"""

import httpx

_SECONDS = 10.0


class HeartbeatError(Exception):
    """The sign of life did not arrive; the message shows no address.

    What to do: correct HEARTBEAT_URL, or look at the service behind it; the next sign is tried in
    any case.
    """


class Heartbeat:
    """The switch at `url`; None: there is none."""

    def __init__(self, url: str | None) -> None:
        self._url = url

    @property
    def wanted(self) -> bool:
        """Whether somebody outside waits for a sign."""
        return bool(self._url)

    def beat(self) -> None:
        """Give the sign.

        Raises:
            HeartbeatError: it did not arrive.
        """
        limits = {"timeout": httpx.Timeout(_SECONDS).as_dict()}
        try:
            # Not by a client, which would log the address.
            with httpx.HTTPTransport() as transport:
                request = httpx.Request("POST", self._url or "", extensions=limits)
                answer = transport.handle_request(request)
                answer.read()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # The chain is cut: the driver's error may show the address.
            raise HeartbeatError(
                f"HEARTBEAT_URL does not answer ({type(error).__name__})"
            ) from None
        if not answer.is_success:
            raise HeartbeatError(f"HEARTBEAT_URL answers {answer.status_code}")
