"""Channels of alerts: mail, Teams, Slack, SMS gateways, webhooks, each by one address.

Belongs here: one message to one channel through Apprise, within a bounded time, and an error that
says why it failed without the address. Addresses come from the environment (ALERT_URL_<CHANNEL>),
for they hold passwords and tokens.

Does not belong here: what is said to whom, and when (`assets.alerting`).
"""

import logging
import re
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import unquote

from resources.alerts_policy import Severity

# A tick of a sensor sends several messages and may take a minute.
SEND_SECONDS = 10.0
_VARIABLE = "ALERT_URL_"
_SHORTEST_SECRET = 4


class ChannelError(Exception):
    """A message did not reach a channel, or may not have; the message shows no address.

    What to do: correct the channel's address in the environment or the service behind it, restart
    the services, then `otto-pipelines alerts test`. What waits is sent by itself.
    """


class Sender(Protocol):
    """Anything that takes a message to a channel."""

    def send(self, channel: str, title: str, body: str, severity: Severity) -> None:
        """Send one message.

        Raises:
            ChannelError: it did not arrive, or it is not known whether it did.
        """
        ...


def variable_of(channel: str) -> str:
    """The environment variable that holds a channel's address."""
    return _VARIABLE + channel.upper()


class Channels:
    """Channels whose addresses stand in the environment.

    Args:
        environment: variables by name.
        timeout_seconds: longest time for one message.
    """

    def __init__(
        self, environment: Mapping[str, str], *, timeout_seconds: float = SEND_SECONDS
    ) -> None:
        self._addresses = {
            name.removeprefix(_VARIABLE).lower(): address
            for name, address in environment.items()
            if name.startswith(_VARIABLE) and address
        }
        self._timeout = timeout_seconds

    def known(self, channel: str) -> bool:
        """Whether the channel has an address."""
        return channel in self._addresses

    def send(self, channel: str, title: str, body: str, severity: Severity) -> None:
        """Send one message.

        Raises:
            ChannelError: it did not arrive, or it is not known whether it did.
        """
        _silence()
        import apprise  # noqa: PLC0415 - it loads hundreds of services

        address = self._addresses.get(channel)
        if address is None:
            raise ChannelError(f"channel {channel}: set {variable_of(channel)} to its address")
        service = apprise.Apprise.instantiate(address)
        if service is None:
            raise ChannelError(
                f"channel {channel}: {variable_of(channel)} is no address that Apprise knows "
                "(not shown, it may hold a password); an example: mailtos://user:password@host"
            )
        known = {"warning": apprise.NotifyType.WARNING, "error": apprise.NotifyType.FAILURE}
        result = apprise.Apprise(service).notify(
            body=body,
            title=title,
            notify_type=known.get(severity, apprise.NotifyType.FAILURE),
            body_format=apprise.NotifyFormat.TEXT,
            timeout=self._timeout,
        )
        if not result:
            said = [entry.message for entry in result.logs()]
            raise ChannelError(f"channel {channel}: {_why(result.status.name, said, address)}")


def _silence() -> None:
    """Apprise logs recipients, and its HTTP library paths; what matters is in our own error."""
    logging.getLogger("urllib3").setLevel(logging.INFO)
    logger = logging.getLogger("apprise")
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


def _why(status: str, said: list[str], address: str) -> str:
    """Apprise's last words in one line, without any part of the address."""
    text = " ".join(said[-1].split()) if said else ""
    for part in sorted(_parts(address), key=len, reverse=True):
        text = text.replace(part, "...")
    return f"{status.lower()}: {text}" if text else status.lower()


def _parts(address: str) -> set[str]:
    """What of an address could be a secret or a person: everything but its scheme."""
    rest = address.partition("://")[2]
    pieces = [*re.split(r"[/:@?&=,;#]", rest), *re.split(r"[/:?&=,;#]", rest)]
    found = {*pieces, *(unquote(piece) for piece in pieces), rest, address}
    return {piece for piece in found if len(piece) >= _SHORTEST_SECRET}
