"""A proxy before a real server which passes requests on and loses answers when it is told to."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import httpx

_HOP = {"host", "content-length", "transfer-encoding", "connection", "content-encoding"}


class LossyProxy:
    """Forwards to `target`. The `nth` change is passed on like the others, and its answer is thrown
    away with the connection. Changes are requests of the methods `changes`.
    """

    def __init__(self, target: str, changes: frozenset[str], nth: int) -> None:
        self.left = nth
        self.lost: list[str] = []
        split = urlsplit(target)
        origin = f"{split.scheme}://{split.netloc}"
        client = httpx.Client(base_url=origin, timeout=120)
        lock = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def _pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP}
                answer = client.request(self.command, self.path, headers=headers, content=body)
                with lock:
                    proxy.left -= self.command in changes
                    lose = self.command in changes and proxy.left == 0
                if lose:
                    proxy.lost.append(f"{self.command} {urlsplit(self.path).path}")
                    self.close_connection = True
                    return
                self.send_response_only(answer.status_code)
                for name, value in answer.headers.items():
                    if name.lower() not in _HOP:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            do_GET = do_POST = do_PUT = do_DELETE = _pass_on

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

        self._client = client
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}{split.path}"
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._client.close()
