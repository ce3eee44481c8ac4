"""A small HTTP server whose answers may fail on purpose.

Belongs here: sockets, parsing, and the ways in which an answer can break off. Which request fails
belongs to `transport_faults`, what an answer says to the servers. The standard library is used
because a fault needs the bare socket.
"""

import select
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec

from otto_pipelines.sandbox.config import LOOPBACK, SandboxError
from otto_pipelines.sandbox.otto_wire import encode

_LONGEST_BODY = 20_000_000
_CLIENT_GONE = (ConnectionError, TimeoutError)


class Ending(Enum):
    """How the server ends an answer."""

    COMPLETE = "complete"
    CUT = "cut in the middle of the body"
    RESET = "reset in the middle of the body"
    CLOSED = "connection closed without an answer"
    STALLED = "no answer for long, then closed"


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `path` is as sent, without the query."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: Mapping[str, str] | Message
    body: bytes

    @property
    def segments(self) -> tuple[str, ...]:
        """Decoded parts of the path."""
        return tuple(unquote(part) for part in self.path.strip("/").split("/"))

    def first(self, name: str) -> str | None:
        """The first value of that query parameter."""
        return next((value for key, value in self.query if key == name), None)

    def json(self) -> Any:
        """The body's value.

        Raises:
            msgspec.DecodeError: it is no JSON.
        """
        return msgspec.json.decode(self.body)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    ending: Ending = Ending.COMPLETE


App = Callable[[Request], Answer]


def json_answer(status: int, value: Any, **headers: str) -> Answer:
    """An answer with a JSON body; header names are given with underscores."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, encode(value), headers=named)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "LoopbackServer"

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > _LONGEST_BODY:
            self.close_connection = True
            self._send(json_answer(413, {"message": "Payload too large"}))
            return
        body = self.rfile.read(length) if length else b""
        path, _, query = self.path.partition("?")
        request = Request(
            self.command, path, parse_qsl(query, keep_blank_values=True), self.headers, body
        )
        self._send(self.server.app(request))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def _send(self, answer: Answer) -> None:
        if answer.ending is Ending.STALLED:
            self.server.stall(self.connection)
        if answer.ending in {Ending.STALLED, Ending.CLOSED}:
            self.close_connection = True
            return
        lines = [
            f"HTTP/1.1 {answer.status} {self.responses.get(answer.status, ('',))[0]}",
            f"Content-Type: {answer.content_type}",
            f"Content-Length: {len(answer.body)}",
            *(f"{name}: {value}" for name, value in answer.headers.items()),
        ]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        body = answer.body
        if answer.ending in {Ending.CUT, Ending.RESET}:
            self.close_connection = True
            body = body[: len(body) // 2]
        self.connection.sendall(head + body)
        if answer.ending is Ending.RESET:
            self._reset()

    def _reset(self) -> None:
        """Close without a farewell: the client's next read fails, instead of ending."""
        at_once = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        self.rfile.close()  # it holds the socket open
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent: request lines may name buyers' data."""


class LoopbackServer(ThreadingHTTPServer):
    """Serves `app` on 127.0.0.1 in daemon threads until `stop`.

    Raises:
        SandboxError: another host is asked for, or the port is taken.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, app: App, stall_seconds: float) -> None:
        if host != LOOPBACK:
            raise SandboxError(f"{host!r}: the sandbox listens on {LOOPBACK} only")
        self.app = app
        self._stall_seconds = stall_seconds
        self._stopping = threading.Event()
        self._open: set[socket.socket] = set()
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            raise SandboxError(
                f"cannot listen on {host}:{port} ({error.strerror}): choose another port, or 0 for "
                "any free one"
            ) from error
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Base address without a slash at its end."""
        return f"http://{LOOPBACK}:{self.server_address[1]}"

    def _serve(self) -> None:
        while not self._stopping.is_set():
            self.handle_request()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, so that `stop` can close it."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget and close the connection."""
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of the server."""
        if not isinstance(sys.exc_info()[1], _CLIENT_GONE):
            super().handle_error(request, client_address)

    def stall(self, connection: socket.socket) -> None:
        """Say nothing until the client gives up, the stall ends or the server stops."""
        end = time.monotonic() + self._stall_seconds
        while time.monotonic() < end and not self._stopping.is_set():
            readable, _, _ = select.select([connection], [], [], 0.05)
            if readable and not connection.recv(1, socket.MSG_PEEK):
                return

    def stop(self) -> None:
        """Stop listening and close every connection."""
        self._stopping.set()
        socket.create_connection((LOOPBACK, self.server_address[1])).close()  # wakes `_serve`
        self._thread.join()
        self.server_close()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the client closed it first
