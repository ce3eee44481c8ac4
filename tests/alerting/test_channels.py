"""Channels: a message arrives by real SMTP and HTTP, and a failure never shows an address."""

import logging
import socket
from collections.abc import Iterator

import pytest

from resources.alerts.channels import ChannelError, Channels, variable_of
from resources.alerts.heartbeat import Heartbeat, HeartbeatError
from tests.alerting.servers import Hook, Mailbox, http_hook, smtp_server


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    with smtp_server() as mailbox:
        yield mailbox


@pytest.fixture
def hook() -> Iterator[Hook]:
    with http_hook() as hook:
        yield hook


@pytest.fixture
def root_log() -> Iterator[list[str]]:
    """What reaches the root logger; pytest's own capture also sees what does not."""
    seen: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.name != "mail.log":  # the server's own
                seen.append(record.getMessage())

    handler, root = Keep(), logging.getLogger()
    level = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield seen
    root.removeHandler(handler)
    root.setLevel(level)


def channels(address: str, **options: float) -> Channels:
    return Channels({variable_of("team"): address}, **options)


def test_a_message_arrives_by_mail(mailbox: Mailbox) -> None:
    channels(mailbox.address).send("team", "parcels: no number", "What: ä & <b>", "error")
    [mail] = mailbox.take()
    assert mail.title == "parcels: no number"
    assert "What: ä" in mail.body.replace("&nbsp;", " ")


def test_a_message_arrives_at_a_webhook(hook: Hook) -> None:
    channels(hook.address).send("team", "title", "What: this", "warning")
    [body] = hook.take()
    assert (body["title"], body["message"], body["type"]) == ("title", "What: this", "warning")


def test_a_channel_without_an_address_names_its_variable() -> None:
    sender = Channels({"ALERT_URL_OTHER": "json://127.0.0.1"})
    assert (sender.known("other"), sender.known("team")) == (True, False)
    with pytest.raises(ChannelError, match="set ALERT_URL_TEAM to its address"):
        sender.send("team", "t", "b", "error")


@pytest.mark.parametrize("address", ["nonsense", "ftp://h/s3cret", "slack://s3cret-token-x"])
def test_an_address_that_apprise_does_not_know_is_refused_unseen(address: str) -> None:
    with pytest.raises(ChannelError, match="ALERT_URL_TEAM is no address") as caught:
        channels(address).send("team", "t", "b", "error")
    assert address not in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("kind", ["mail refused", "mail closed", "hook refuses", "hook closed"])
def test_a_failure_shows_neither_address_nor_recipient_nor_logs_them(
    mailbox: Mailbox, hook: Hook, kind: str, root_log: list[str]
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    hook.status = 500
    mailbox.refuse = True
    address = {
        "mail refused": mailbox.address,
        "mail closed": f"mailto://eva:hunter22@127.0.0.1:{port}?from=eva@seller.example"
        "&to=eva@seller.example&mode=insecure",
        "hook refuses": hook.address,
        "hook closed": f"json://eva:hunter22@127.0.0.1:{port}/hook/s3cret-token",
    }[kind]
    with pytest.raises(ChannelError, match="channel team: failure") as caught:
        channels(address).send("team", "t", "b", "error")
    mailbox.refuse = False
    seen = f"{caught.value!r} {caught.value.__cause__!r} {root_log}"
    assert [word for word in ("eva@", "hunter22", "s3cret") if word in seen] == []


def test_a_channel_that_hangs_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(ChannelError, match="timeout"):
            channels(f"json://127.0.0.1:{port}/x", timeout_seconds=0.3).send(
                "team", "t", "b", "error"
            )


def test_a_sign_of_life_arrives_and_a_failed_one_shows_no_address(
    hook: Hook, root_log: list[str]
) -> None:
    assert not Heartbeat(None).wanted
    Heartbeat(hook.url).beat()
    assert len(hook.take()) == 1
    hook.status = 404
    with pytest.raises(HeartbeatError, match="answers 404") as refused:
        Heartbeat(hook.url).beat()
    with pytest.raises(HeartbeatError, match="does not answer") as unreachable:
        Heartbeat("http://127.0.0.1:1/s3cret").beat()
    assert "s3cret" not in f"{refused.value} {unreachable.value} {root_log}"
    assert unreachable.value.__cause__ is None
