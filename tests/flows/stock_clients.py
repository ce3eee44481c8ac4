"""The project's clients for `test_stock_machine`, led to the sandbox's handlers without sockets.

Belongs here: what is made once for all examples. What answers a request is set by the test.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest

from otto_pipelines.sandbox import assortment, wms_stock
from otto_pipelines.sandbox.config import SandboxConfig
from otto_pipelines.sandbox.http_server import Answer, App, Request
from otto_pipelines.sandbox.otto_auth import TokenDesk
from resources.operating_model import OperatingModel, load_operating_model
from resources.operations.database import OperationsDatabase
from resources.otto.client import OttoClient, OttoSettings
from resources.otto.evidence import EvidenceStore
from resources.wms.http import HttpWms
from tests.flows.stock_world import GOODS

REPOSITORY = Path(__file__).resolve().parents[2]
# A short batch, so that a push is several requests; one sender at a time, so that a run repeats.
POLICY = {"batch_size": 2, "requests_at_once": 1}
HTTP = {
    "requests_per_second": 1e5,
    "requests_per_minute": 6e6,
    "attempts": 2,
    "first_backoff_seconds": 0.001,
}

Handler = Callable[[httpx.Request], httpx.Response]


@dataclass(frozen=True)
class Bench:
    """What is made once: clients, database, model."""

    db: OperationsDatabase
    otto: OttoClient
    wms: HttpWms
    model: OperatingModel
    desk: TokenDesk
    apps: dict[str, Handler]


class Wire(httpx.BaseTransport):
    """Leads a client's requests to whatever answers for that host just now."""

    def __init__(self, apps: dict[str, Handler]) -> None:
        self._apps = apps

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._apps[request.url.host](request)


def asked(app: App, request: httpx.Request) -> Answer:
    url = request.url
    headers = {name.title(): value for name, value in request.headers.items()}
    query = list(url.params.multi_items())
    path = url.raw_path.decode().partition("?")[0]
    return app(Request(request.method, path, query, headers, request.read()))


def answered(answer: Answer) -> httpx.Response:
    headers = {"Content-Type": answer.content_type, **answer.headers}
    return httpx.Response(answer.status, headers=headers, content=answer.body)


@contextmanager
def open_bench(
    sqlite_db: OperationsDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    """Clients without sockets and waits, over a small assortment in pages of two."""
    monkeypatch.setattr(assortment, "make_assortment", lambda config: GOODS)
    monkeypatch.setattr(wms_stock, "_PAGE", 2)
    monkeypatch.setattr(EvidenceStore, "keep", lambda *_: "not kept")
    example = load_operating_model(REPOSITORY / "operating_model.example.yaml")
    sections = {"availability": POLICY, "http": HTTP}
    model = OperatingModel.model_validate(example.model_dump() | sections)
    config = SandboxConfig()
    apps: dict[str, Handler] = {}
    target = OttoSettings(
        base_url="http://otto",
        client_id=config.client_id,
        client_secret=config.client_secret,
        state_dir=tmp_path,
        http=model.http,
    )
    # Each client is made with this; none of its own needs to be reached into.
    monkeypatch.setattr(httpx, "Client", partial(httpx.Client, transport=Wire(apps)))
    wms = HttpWms("http://wms", config.wms_api_key, model.http, sleep=lambda _: None)
    with closing(wms), OttoClient(target, sleep=lambda _: None) as otto:
        yield Bench(sqlite_db, otto, wms, model, TokenDesk(config), apps)
