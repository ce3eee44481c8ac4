"""The Dagster UI behind the real nginx of `deploy/nginx.conf`: login, TLS, foreign sites.

Both webservers are real ones on an instance of their own, without a code location: what is asked
here is who may ask, not what is answered.
"""

import base64
import json
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.deploy.conftest import free_port, program

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIG = REPOSITORY / "deploy" / "nginx.conf"
OPERATIONS, FINANCE = "dagster.example.com", "finance.example.com"
LOGINS = {OPERATIONS: ("eva", "operations' word"), FINANCE: ("ada", "finance's word")}
HEADERS = {
    "strict-transport-security": "max-age=31536000",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}
ASK = "{ version }"
# Each starts, stops or deletes something; what it names need not exist to be refused.
CHANGES = {
    "launch": 'mutation { launchRun(executionParams: {mode: "default", selector: {pipelineName: '
    '"reconcile", repositoryName: "__repository__", repositoryLocationName: "otto_pipelines"}})'
    " { __typename } }",
    "delete": 'mutation { deletePipelineRun(runId: "none") { __typename } }',
    "wipe": 'mutation { wipeAssets(assetPartitionRanges: [{assetKey: {path: ["parcels"]}}])'
    " { __typename } }",
    "reload": "mutation { reloadWorkspace { __typename } }",
    "limit": 'mutation { setConcurrencyLimit(concurrencyKey: "duckdb_writer", limit: 9) }',
    "pause": "mutation { setAutoMaterializePaused(paused: true) }",
}


@dataclass(frozen=True)
class Site:
    """Where the proxy and the webservers behind it listen."""

    https_port: int
    http_port: int
    webservers: dict[str, int]

    def client(self, host: str, *, login: bool = True) -> httpx.Client:
        return httpx.Client(
            base_url=f"https://127.0.0.1:{self.https_port}",
            headers={"Host": f"{host}:{self.https_port}"},
            auth=LOGINS[host] if login else None,
            verify=_any_certificate(),
            timeout=30,
        )

    def origin(self, host: str) -> str:
        return f"https://{host}:{self.https_port}"

    def websocket(self, host: str, origin: str, *, login: bool = True) -> ClientConnection:
        pair = base64.b64encode(":".join(LOGINS[host]).encode()).decode()
        return connect(
            f"wss://{host}:{self.https_port}/graphql",
            sock=socket.create_connection(("127.0.0.1", self.https_port)),
            ssl=_any_certificate(),
            server_hostname=host,
            subprotocols=[Subprotocol("graphql-ws")],
            additional_headers={
                "Origin": origin,
                **({"Authorization": f"Basic {pair}"} if login else {}),
            },
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    nginx = program("nginx", "nginx-light")
    folder = tmp_path_factory.mktemp("proxy")
    folder.chmod(0o755)
    ports = [free_port() for _ in range(4)]
    site = Site(ports[0], ports[1], {OPERATIONS: ports[2], FINANCE: ports[3]})
    (folder / "nginx.conf").write_text(_config(folder, site), encoding="utf-8")
    _certificate(folder)
    for host, name in ((OPERATIONS, "operations"), (FINANCE, "finance")):
        _users(folder / f"{name}.users", *LOGINS[host])
    command = [nginx, "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log"]
    subprocess.run([*command, "-t"], check=True, capture_output=True)
    home = _instance(folder)
    with ExitStack() as running:
        for host, port in site.webservers.items():
            options = ["--read-only"] if host == FINANCE else []
            web = [_command("dagster-webserver"), *options, "-h", "127.0.0.1", "-p", str(port)]
            running.enter_context(
                _process([*web, "--empty-workspace"], home, folder / f"{host}.log")
            )
        running.enter_context(_process(command, home, folder / "nginx.log"))
        for port in site.webservers.values():
            _await_answer(f"http://127.0.0.1:{port}/server_info")
        yield site


def _config(folder: Path, site: Site) -> str:
    """The delivered file with this test's ports and folders in place of a machine's."""
    text = CONFIG.read_text(encoding="utf-8")
    for old, new in {
        "listen 443 ": f"listen 127.0.0.1:{site.https_port} ",
        "listen 80 ": f"listen 127.0.0.1:{site.http_port} ",
        "listen 80;": f"listen 127.0.0.1:{site.http_port};",
        "/etc/otto_pipelines/tls/": f"{folder}/",
        "/etc/otto_pipelines/": f"{folder}/",
        "127.0.0.1:3000;": f"127.0.0.1:{site.webservers[OPERATIONS]};",
        "127.0.0.1:3001;": f"127.0.0.1:{site.webservers[FINANCE]};",
    }.items():
        assert old in text
        text = text.replace(old, new)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.geteuid() == 0 else ""
    return (
        f"{user}daemon off;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
        f"http {{\naccess_log {folder}/access.log;\n{temporary}{text}\n}}\n"
    )


def _certificate(folder: Path) -> None:
    openssl = program("openssl", "openssl")
    request = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    files = ["-nodes", "-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"]
    names = ["-subj", f"/CN={OPERATIONS}", "-days", "2"]
    subprocess.run([*request, *files, *names], check=True, capture_output=True)


def _users(file: Path, name: str, password: str) -> None:
    hashing = [program("openssl", "openssl"), "passwd", "-6", "-stdin"]
    done = subprocess.run(hashing, input=password, check=True, capture_output=True, text=True)
    file.write_text(f"{name}:{done.stdout}", encoding="utf-8")


def _instance(folder: Path) -> dict[str, str]:
    home = folder / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    # Created here, once: two webservers that do so at a time damage it.
    dg.DagsterInstance.from_config(str(home)).dispose()
    return {**os.environ, "DAGSTER_HOME": str(home)}


def _command(name: str) -> str:
    return str(REPOSITORY / ".venv" / "bin" / name)


class _process:
    """A process for as long as a block lasts."""

    def __init__(self, command: list[Any], environment: dict[str, str], log: Path) -> None:
        with log.open("wb") as out:
            self._process = subprocess.Popen(command, env=environment, stdout=out, stderr=out)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=20)


def _await_answer(url: str) -> None:
    for _ in range(600):
        try:
            if httpx.get(url, timeout=2).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(f"{url} did not answer within two minutes")


def _any_certificate() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def ask(client: httpx.Client, query: str, **headers: str) -> httpx.Response:
    return client.post("/graphql", json={"query": query}, headers=headers)


@pytest.mark.parametrize("host", LOGINS)
def test_without_a_login_nothing_is_answered(site: Site, host: str) -> None:
    with site.client(host, login=False) as client:
        answers = [client.get("/"), client.get("/server_info"), ask(client, ASK)]
    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert all("Dagster" not in answer.text for answer in answers)


def test_finance_does_not_enter_with_its_login_where_operations_work(site: Site) -> None:
    with site.client(OPERATIONS, login=False) as client:
        assert client.get("/", auth=LOGINS[FINANCE]).status_code == 401


@pytest.mark.parametrize("host", LOGINS)
def test_with_a_login_the_ui_is_there_and_every_answer_has_its_headers(
    site: Site, host: str
) -> None:
    with site.client(host) as client:
        page, data = client.get("/"), ask(client, ASK, Origin=site.origin(host))
    assert (page.status_code, ">Dagster</title>" in page.text) == (200, True)
    assert data.json()["data"]["version"]
    with site.client(host, login=False) as stranger:
        for answer in (page, data, stranger.get("/")):
            assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
            assert answer.headers["server"] == "nginx"


@pytest.mark.parametrize("change", CHANGES)
def test_finance_can_change_nothing(site: Site, change: str) -> None:
    with site.client(FINANCE) as client:
        answer = ask(client, CHANGES[change])
    assert "nauthorized" in answer.text, answer.text


def test_operations_can_change_things(site: Site) -> None:
    with site.client(OPERATIONS) as client:
        limited = ask(client, CHANGES["limit"], Origin=site.origin(OPERATIONS))
        launched = ask(client, CHANGES["launch"])
    assert limited.json() == {"data": {"setConcurrencyLimit": True}}
    assert launched.json()["data"]["launchRun"]["__typename"] == "PipelineNotFoundError"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://dagster.example.com"])
def test_a_request_that_another_site_slips_in_is_refused(site: Site, origin: str) -> None:
    with site.client(OPERATIONS) as client:
        assert ask(client, CHANGES["limit"], Origin=origin).status_code == 403


@pytest.mark.parametrize("path", ["/graphql", "//graphql", "/%67raphql", "/graphql/"])
def test_a_link_changes_nothing(site: Site, path: str) -> None:
    address = f"https://127.0.0.1:{site.https_port}{path}"
    with site.client(OPERATIONS) as client:
        for more in ({}, {"Upgrade": "h2c", "Connection": "Upgrade"}):
            answer = client.get(address, params={"query": CHANGES["limit"]}, headers=more)
            assert answer.status_code == 405


def test_subscriptions_work_over_a_websocket(site: Site) -> None:
    query = 'subscription { pipelineRunLogs(runId: "none") { __typename } }'
    with site.websocket(OPERATIONS, site.origin(OPERATIONS)) as wire:
        wire.send(json.dumps({"type": "connection_init", "payload": {}}))
        assert json.loads(wire.recv(timeout=30))["type"] == "connection_ack"
        wire.send(json.dumps({"type": "start", "id": "1", "payload": {"query": query}}))
        told = json.loads(wire.recv(timeout=30))
    assert told["payload"]["data"]["pipelineRunLogs"]["__typename"].endswith("Failure")


@pytest.mark.parametrize(
    ("origin", "login", "status"), [("https://evil.example", True, 403), ("", False, 401)]
)
def test_no_websocket_for_another_site_or_without_a_login(
    site: Site, origin: str, login: bool, status: int
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        site.websocket(OPERATIONS, origin or site.origin(OPERATIONS), login=login)
    assert refused.value.response.status_code == status


def test_plain_http_leads_to_https_and_other_names_lead_nowhere(site: Site) -> None:
    plain = f"http://127.0.0.1:{site.http_port}/runs"
    moved = httpx.get(plain, headers={"Host": OPERATIONS})
    assert (moved.status_code, moved.headers["location"]) == (301, f"https://{OPERATIONS}/runs")
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(plain, headers={"Host": "rebound.example"})
