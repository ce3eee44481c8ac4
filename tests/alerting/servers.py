"""Where alerts go in tests: a real SMTP server and a real HTTP hook on 127.0.0.1, in threads."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass(frozen=True)
class Mail:
    title: str
    body: str


class Mailbox:
    """Takes every mail; as an SMTP handler, in the server's thread."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.refuse = False
        self.address = ""

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:
        if self.refuse:
            return "554 refused"
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        text = mail.get_body(("plain", "html"))
        assert text is not None
        self.mails.append(Mail(str(mail["Subject"]), text.get_content()))
        return "250 OK"

    def take(self) -> list[Mail]:
        """What came since the last time."""
        taken, self.mails = self.mails, []
        return taken


@contextmanager
def smtp_server() -> Iterator[Mailbox]:
    mailbox = Mailbox()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    mailbox.address = (
        f"mailto://127.0.0.1:{port}?from=alerts@seller.example&to=eva@seller.example&mode=insecure"
    )
    try:
        yield mailbox
    finally:
        controller.stop()


@dataclass
class Hook:
    """Remembers each request's body; `status` is what it answers."""

    port: int = 0
    status: int = 200
    bodies: list[Any] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"json://127.0.0.1:{self.port}/hook/s3cret-token"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/beat/s3cret-token"

    def take(self) -> list[Any]:
        """What came since the last time."""
        taken, self.bodies = self.bodies, []
        return taken


@contextmanager
def http_hook() -> Iterator[Hook]:
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if hook.status < 400:
                hook.bodies.append(json.loads(body) if body else None)
            self.send_response(hook.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
