"""Answers of both sides as the campaign wants them, below the project's own clients.

Belongs here: clients without sockets and waits. Requests that leave for a foreign host, and chains
of pages without an end, fail here.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from unittest import mock

import httpx

from resources.operating_model import Http, OperatingModel, load_operating_model
from resources.otto import client as client_module
from resources.otto.client import OttoClient, OttoSettings
from resources.otto.evidence import EvidenceStore
from resources.wms.http import HttpWms
from resources.wms.ongoing.adapter import OngoingWms
from resources.wms.ongoing.policy import OngoingPolicy

REPOSITORY = Path(__file__).resolve().parents[2]
HTTP = Http(
    requests_per_second=1e6,
    requests_per_minute=6e7,
    attempts=2,
    first_backoff_seconds=0.001,
    longest_backoff_seconds=0.002,
)
# A page is asked for three times when it leads back, and each time twice when it cannot be read.
MOST_REQUESTS = 20
_TOKEN = b'{"access_token":"t","expires_in":3600,"token_type":"Bearer"}'
_DATE = {"Date": "Mon, 08 Jun 2026 10:00:00 GMT"}


@dataclass
class Wire(httpx.BaseTransport):
    """Answers every request of the API with the present answer; a token with a sound one."""

    hosts: tuple[str, ...]
    token: bytes | None = None
    requests: list[httpx.Request] = field(default_factory=list)

    def show(self, body: bytes, headers: dict[str, str] | None = None, status: int = 200) -> None:
        """Answer with this from now on."""
        self.requests.clear()
        self._answer = status, body, {"Content-Type": "application/json", **(headers or {})}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert request.url.host in self.hosts, f"a request left for {request.url.host}"
        if request.url.path.endswith("/token"):
            return httpx.Response(200, stream=httpx.ByteStream(self.token or _TOKEN))
        self.requests.append(request)
        assert len(self.requests) <= MOST_REQUESTS, "the same page is asked for again and again"
        status, body, headers = self._answer
        return httpx.Response(status, headers=_DATE | headers, stream=httpx.ByteStream(body))


@dataclass(frozen=True)
class Clients:
    """The project's clients, and what answers them."""

    wire: Wire
    otto: OttoClient
    wms: HttpWms
    ongoing: OngoingWms
    model: OperatingModel


@contextmanager
def open_clients(folder: Path) -> Iterator[Clients]:
    """Clients whose requests end in `wire`. Raw pages are not kept: they would fill the disk."""
    # Limits of requests are counted per host in the whole process: no other test has these.
    wire = Wire(("otto.hostile", "wms.hostile"))
    example = load_operating_model(REPOSITORY / "operating_model.example.yaml")
    sections = {"http": HTTP, "orders": {"bad_row_limit": 1.0}}
    model = OperatingModel.model_validate(example.model_dump() | sections)
    settings = OttoSettings(
        base_url="http://otto.hostile",
        client_id="id",
        client_secret="secret",
        state_dir=folder,
        http=HTTP,
    )
    client = partial(httpx.Client, transport=wire)
    no_evidence = mock.patch.object(EvidenceStore, "keep", return_value="not kept")
    no_waits = mock.patch.object(client_module, "_TOKEN_LIMITS", [(1_000_000, 1.0)])
    with no_evidence, no_waits, mock.patch.object(httpx, "Client", client):
        wms = HttpWms("http://wms.hostile", "key", HTTP, sleep=lambda _: None)
        policy = OngoingPolicy.model_validate({"goods_owner_id": 159, "look_every_seconds": 0})
        state = folder / "ongoing.sqlite"
        ongoing = OngoingWms(
            "http://wms.hostile/api/v1", "k:p", HTTP, policy, state, sleep=lambda _: None
        )
        otto = OttoClient(settings, sleep=lambda _: None, max_pages=MOST_REQUESTS)
        with closing(wms), closing(ongoing), otto:
            yield Clients(wire, otto, wms, ongoing, model)
