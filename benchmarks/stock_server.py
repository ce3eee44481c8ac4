"""A server for quantities on 127.0.0.1: it keeps OTTO's limits, and what it was told last.

It answers after `--latency` milliseconds, half of them before the figures count and half after, as
on a long way. A request beyond the limits gets 429 and has no effect. Prints its address, then
serves until it is ended; `GET /report` tells what it got.
"""

import argparse
import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from otto_pipelines.sandbox.otto_auth import RequestLimit

LIMITS = ((1.0, 20), (60.0, 1200))
LARGEST_BATCH = 200
_TOKEN = b'{"access_token":"benchmark","token_type":"Bearer","expires_in":1800}'


class Shelf:
    """The last figure of each SKU, and what became of the requests."""

    def __init__(self) -> None:
        self._limit = RequestLimit(*LIMITS)
        self._lock = threading.Lock()
        self._figures: dict[str, int] = {}
        self._answers: Counter[int] = Counter()
        self._taken_at: list[float] = []
        self._rows = 0

    def status_for(self, rows: list[dict[str, Any]]) -> int:
        """Count a request against the limits and judge its size."""
        status = 200 if len(rows) <= LARGEST_BATCH else 413
        status = status if self._limit.allows() else 429
        with self._lock:
            self._answers[status] += 1
        return status

    def take(self, rows: list[dict[str, Any]]) -> None:
        """Show these figures from now on."""
        with self._lock:
            self._figures.update((row["sku"], row["quantity"]) for row in rows)
            self._taken_at.append(time.monotonic())
            self._rows += len(rows)

    def report(self) -> bytes:
        """All of it as JSON; `seconds` from the first request that was taken to the last."""
        with self._lock:
            found = {
                "figures": self._figures,
                "answers": self._answers,
                "rows": self._rows,
                "seconds": self._taken_at[-1] - self._taken_at[0] if self._taken_at else 0.0,
            }
            return json.dumps(found).encode()


def _handler(shelf: Shelf, latency: float) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path.endswith("/token"):
                self._answer(200, _TOKEN)
                return
            rows = json.loads(body)
            status = shelf.status_for(rows)
            time.sleep(latency / 2)
            if status == 200:
                shelf.take(rows)
            time.sleep(latency / 2)
            self._answer(status, b"{}")

        def do_GET(self) -> None:
            self._answer(200, shelf.report())

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            if status == 429:
                self.send_header("Retry-After", "1")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: the terminal belongs to the benchmark."""

    return Handler


def main() -> None:
    parser = argparse.ArgumentParser(description="Take quantities as OTTO does, within its limits.")
    parser.add_argument("--latency", type=float, default=0.0, help="milliseconds")
    latency = parser.parse_args().latency / 1000
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(Shelf(), latency))
    server.daemon_threads = True
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
