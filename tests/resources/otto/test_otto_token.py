import json
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from resources.otto.client import OttoClient, OttoSettings
from resources.otto.errors import OttoAuthError, OttoPermanent, OttoScopeMissing, OttoTransient
from resources.otto.orders import OrdersQuery
from tests.resources.otto.fake_otto import HTML, SECRET, FakeOtto, Reply, error_body, order_json

Settings = Callable[..., OttoSettings]
ORDER = "00000000-0000-0000-0000-000000000001"
ORDER_PATH = f"/v4/orders/{ORDER}"


@pytest.fixture(autouse=True)
def one_order(otto: FakeOtto) -> None:
    otto.orders = [order_json(1)]


def token_requests(otto: FakeOtto, path: str = "/v1/token") -> int:
    return len(otto.calls("POST", path))


def cache_file(settings: OttoSettings) -> Path:
    (found,) = settings.state_dir.glob("otto-token-*.json")
    return found


def test_many_threads_and_clients_cause_one_token_request(
    otto: FakeOtto, settings: Settings
) -> None:
    clients = [OttoClient(settings()) for _ in range(2)]
    threads = [
        threading.Thread(target=clients[number % 2].order, args=(ORDER,)) for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client in clients:
        client.close()
    assert len(otto.calls("GET", ORDER_PATH)) == 8
    assert token_requests(otto) == 1


PROGRAM = """
import json, sys
from pathlib import Path
from resources.otto.client import OttoClient, OttoSettings
base_url, secret, state_dir, order = json.loads(sys.argv[1])
with OttoClient(OttoSettings(base_url=base_url, client_id="me", client_secret=secret,
                             state_dir=Path(state_dir))) as client:
    print(client.order(order).order_number)
"""


def test_processes_that_start_together_cause_one_token_request(
    otto: FakeOtto, settings: Settings
) -> None:
    argument = json.dumps([otto.base_url, SECRET, str(settings().state_dir), ORDER])
    processes = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, argument], stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    assert [process.communicate()[0] for process in processes] == [b"bk00000001\n"] * 3
    assert token_requests(otto) == 1


def test_a_token_is_used_by_the_next_run(otto: FakeOtto, settings: Settings) -> None:
    for _ in range(2):
        with OttoClient(settings()) as client:
            client.order(ORDER)
    assert token_requests(otto) == 1


def test_other_scopes_need_another_token(otto: FakeOtto, settings: Settings) -> None:
    for scope in (("orders",), ("orders", "shipments")):
        with OttoClient(settings(scope=scope)) as client:
            client.order(ORDER)
    assert token_requests(otto) == 2


def test_the_cache_is_private_and_holds_no_secret(otto: FakeOtto, settings: Settings) -> None:
    with OttoClient(settings()) as client:
        client.order(ORDER)
    file = cache_file(settings())
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert SECRET not in file.read_text()
    assert "token-" in file.read_text()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"value": 1}', b"\xff"])
def test_a_damaged_cache_is_replaced(otto: FakeOtto, settings: Settings, content: bytes) -> None:
    with OttoClient(settings()) as client:
        client.order(ORDER)
    cache_file(settings()).write_bytes(content)
    with OttoClient(settings()) as client:
        client.order(ORDER)
    assert token_requests(otto) == 2


def test_a_token_is_renewed_before_it_runs_out(
    otto: FakeOtto, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_000_000.0]
    with OttoClient(settings()) as client:
        monkeypatch.setattr(client._transport._tokens, "_now", lambda: now[0])
        client.order(ORDER)
        now[0] += 1800 - 61
        client.order(ORDER)
        assert token_requests(otto) == 1
        now[0] += 2
        client.order(ORDER)
        assert token_requests(otto) == 2


def test_a_very_short_token_is_still_used(
    otto: FakeOtto, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    otto.token_life = 30
    now = [1_000_000.0]
    with OttoClient(settings()) as client:
        monkeypatch.setattr(client._transport._tokens, "_now", lambda: now[0])
        client.order(ORDER)
        now[0] += 26
        client.order(ORDER)
        assert token_requests(otto) == 1


def test_credentials_by_header_and_the_second_address(otto: FakeOtto, settings: Settings) -> None:
    chosen = settings(client_auth="basic", token_path="/oauth2/token")
    with OttoClient(chosen) as client:
        client.order(ORDER)
    assert token_requests(otto, "/oauth2/token") == 1
    assert otto.violations == []


def test_a_token_that_dies_between_two_pages_is_renewed_once(
    otto: FakeOtto, client: OttoClient
) -> None:
    otto.orders = [order_json(number) for number in range(9)]
    pages = client._orders_pages(OrdersQuery(limit=3))
    found = [order.sales_order_id for order in next(pages).orders]
    otto.revoke_tokens()
    for page in pages:
        found += [order.sales_order_id for order in page.orders]
    assert found == [order["salesOrderId"] for order in otto.orders]
    assert token_requests(otto) == 2
    assert client.faults == {"token_expired": 1}


def test_threads_that_meet_a_dead_token_renew_it_once(otto: FakeOtto, client: OttoClient) -> None:
    client.order(ORDER)
    otto.revoke_tokens()
    barrier = threading.Barrier(6)

    def read() -> None:
        barrier.wait()
        client.order(ORDER)

    threads = [threading.Thread(target=read) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert token_requests(otto) == 2


def test_a_command_refused_for_its_token_is_sent_again_with_a_new_one(
    otto: FakeOtto, client: OttoClient
) -> None:
    client.order(ORDER)
    otto.revoke_tokens()
    client.cancel_order(ORDER)
    assert len(otto.calls("POST", f"{ORDER_PATH}/cancellation")) == 2


def test_a_new_token_that_is_refused_too_ends_in_an_error(
    otto: FakeOtto, client: OttoClient
) -> None:
    otto.plan("GET", ORDER_PATH, *[Reply(401, error_body("Unauthorized"))] * 9)
    with pytest.raises(OttoAuthError, match="OTTO_CLIENT_ID"):
        client.order(ORDER)
    assert len(otto.calls("GET", ORDER_PATH)) == 2
    assert client.faults == {}


def test_wrong_credentials_name_the_variables_and_never_the_secret(
    otto: FakeOtto, settings: Settings
) -> None:
    wrong = "wrong-s3cret"
    with (
        OttoClient(settings(client_secret=wrong)) as client,
        pytest.raises(OttoAuthError, match="OTTO_CLIENT_ID and OTTO_CLIENT_SECRET") as caught,
    ):
        client.order(ORDER)
    assert wrong not in "".join(traceback.format_exception(caught.value))
    assert wrong not in repr(settings(client_secret=wrong))
    assert token_requests(otto) == 1


def test_an_unusable_token_answer_is_tried_again(otto: FakeOtto, client: OttoClient) -> None:
    otto.plan(
        "POST",
        "/v1/token",
        Reply(429, HTML, content_type="text/html"),
        Reply(503),
        Reply(200, b'{"access_token": "abc", "expires_in": "soon"}'),
    )
    client.order(ORDER)
    assert client.faults == {"rate_limited": 1, "server_error": 1, "truncated": 1}


def test_a_token_endpoint_that_stays_down_is_transient(otto: FakeOtto, client: OttoClient) -> None:
    otto.plan("POST", "/v1/token", *[Reply(503)] * 4)
    with pytest.raises(OttoTransient, match="POST /v1/token"):
        client.order(ORDER)


def test_scopes_the_app_may_not_have_are_named(otto: FakeOtto, settings: Settings) -> None:
    with (
        OttoClient(settings(scope=("orders", "no-such-scope"))) as client,
        pytest.raises(OttoScopeMissing, match=r"orders no-such-scope.*OTTO Partner Connect"),
    ):
        client.order(ORDER)


def test_a_scope_that_the_token_lacks_is_named(otto: FakeOtto, client: OttoClient) -> None:
    otto.granted = "orders"
    client.order(ORDER)
    with pytest.raises(OttoScopeMissing, match=r"'shipments'.*OTTO Partner Connect"):
        client.find_shipment("DHL", "1")
    otto.granted = "orders shipments"
    assert client.find_shipment("DHL", "1") is None


def test_somebody_elses_shipment_is_no_missing_scope(otto: FakeOtto, client: OttoClient) -> None:
    with pytest.raises(OttoPermanent, match="belongs to another partner") as caught:
        client.shipment("4711")
    assert caught.value.status == 403
    assert caught.value.titles == {"INSUFFICIENT_PERMISSION"}
