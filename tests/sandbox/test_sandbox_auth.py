"""Tokens, scopes, limits, addresses."""

import base64
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from otto_pipelines.sandbox.config import SandboxError
from otto_pipelines.sandbox.http_server import Answer, LoopbackServer
from otto_pipelines.sandbox.otto_auth import RequestLimit

FORM = {
    "grant_type": "client_credentials",
    "client_id": "sandbox-client",
    "client_secret": "sandbox-secret",
    "scope": "orders shipments",
}


@pytest.mark.parametrize("path", ["/v1/token", "/oauth2/token"])
def test_a_token_is_given_for_form_credentials_on_both_paths(seller: Any, path: str) -> None:
    answer = seller.otto.post(path, data=FORM).json()
    assert answer["expires_in"] == 1800
    assert answer["token_type"] == "bearer"
    assert answer["scope"] == "orders shipments"


def test_a_token_is_given_for_basic_credentials(seller: Any) -> None:
    basic = base64.b64encode(b"sandbox-client:sandbox-secret").decode()
    answer = seller.otto.post(
        "/oauth2/token",
        data={"grant_type": "client_credentials", "scope": "orders"},
        headers={"Authorization": f"Basic {basic}"},
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"scope": "orders everything"}, 400, "invalid_scope"),
        ({"scope": ""}, 400, "invalid_scope"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
def test_a_wrong_token_request_is_refused_as_oauth_says(
    seller: Any, change: dict[str, str], status: int, error: str
) -> None:
    answer = seller.otto.post("/v1/token", data=FORM | change)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_an_expired_token_is_refused_and_a_new_one_helps(open_sandbox: Callable[..., Any]) -> None:
    seller = open_sandbox()
    assert seller.otto.get("/v4/orders").status_code == 200
    seller.control("tokens/expire", {})
    refused = seller.otto.get("/v4/orders")
    assert (refused.status_code, refused.json()["errors"][0]["title"]) == (401, "Unauthorized")
    assert seller.otto.get("/v1/shipments?datefrom=2026-06-08").status_code == 401
    seller.log_in()
    assert seller.otto.get("/v4/orders").status_code == 200


def test_a_token_lives_as_long_as_configured(open_sandbox: Callable[..., Any]) -> None:
    seller = open_sandbox(token_lifetime_seconds=0.0)
    assert seller.otto.get("/v4/orders").status_code == 401


@pytest.mark.parametrize(
    ("scope", "path", "title"),
    [
        ("shipments", "/v4/orders", "Forbidden"),
        ("orders", "/v1/shipments?datefrom=2026-06-08", "INSUFFICIENT_PERMISSION"),
    ],
)
def test_a_missing_scope_is_a_403_in_json(seller: Any, scope: str, path: str, title: str) -> None:
    seller.log_in(scope)
    answer = seller.otto.get(path)
    assert (answer.status_code, answer.json()["errors"][0]["title"]) == (403, title)


def test_an_unknown_path_answers_like_the_gateway(seller: Any) -> None:
    answer = seller.otto.get("/v3/orders")
    assert answer.status_code == 404
    assert answer.json() == {"message": "no Route matched with those values"}


def test_the_request_limit_counts_in_sliding_windows() -> None:
    now = {"at": 0.0}
    limit = RequestLimit((1, 2), (60, 3), monotonic=lambda: now["at"])
    assert [limit.allows() for _ in range(3)] == [True, True, False]
    now["at"] = 1.5
    assert [limit.allows() for _ in range(2)] == [True, False]
    now["at"] = 61.0
    assert limit.allows()


def test_enforced_limits_answer_429_and_are_counted(open_sandbox: Callable[..., Any]) -> None:
    seller = open_sandbox(rate_limits_enforced=True, requests_per_second=5)
    answers = [seller.otto.get("/v4/orders") for _ in range(20)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert refused[0].headers["Retry-After"] == "1"
    assert seller.control("ledger")["transport"]["otto"] == {"rate_limited": len(refused)}


def test_the_server_listens_on_loopback_only() -> None:
    with pytest.raises(SandboxError, match=r"127\.0\.0\.1"):
        LoopbackServer("0.0.0.0", 0, lambda request: Answer(200), 1)  # noqa: S104


def test_a_taken_port_is_named_and_leaves_nothing_open(open_sandbox: Callable[..., Any]) -> None:
    taken = int(open_sandbox().sandbox.wms_url.rsplit(":", 1)[1])
    with pytest.raises(SandboxError, match=str(taken)):
        open_sandbox(wms_port=taken)


def test_a_stopped_sandbox_answers_no_more(open_sandbox: Callable[..., Any]) -> None:
    seller = open_sandbox()
    seller.sandbox.stop()
    seller.sandbox.stop()
    with pytest.raises(httpx.TransportError):
        seller.otto.get("/v4/orders")
