"""Calls of OTTO's interface with a token, and what a refusal means.

Belongs here: authorisation, one renewal of a refused token, and the step from an error answer to
an exception of `errors.py`. Retries live one floor below (`exchange.py`), the meaning of single
operations one floor above (`client.py`).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from resources.otto.errors import (
    OttoAuthError,
    OttoError,
    OttoForbidden,
    OttoPermanent,
    OttoScopeMissing,
)
from resources.otto.exchange import Answer, Call, Exchange
from resources.otto.limiter import RateLimiter
from resources.otto.problems import problems_of
from resources.otto.token import Token, TokenSource

T = TypeVar("T")


class Transport:
    """Sends authorised calls. Safe for threads."""

    def __init__(self, exchange: Exchange, tokens: TokenSource, limiter: RateLimiter) -> None:
        self._exchange = exchange
        self._tokens = tokens
        self._limiter = limiter

    def request(self, call: Call, read: Callable[[bytes], T]) -> T:
        """Send `call`; `read` makes the value of a success (see `Exchange.send`).

        Raises:
            OttoPermanent: refused for good; `OttoForbidden` where it belongs to somebody else.
            OttoScopeMissing, OttoAuthError: the app or its credentials do not allow it.
            OttoTransient, OttoUnknownOutcome: see `Exchange.send`.
        """
        token = self._tokens.current()
        answer = self._authorised(call, read, token)
        if answer.status == 401:
            # The token may have been withdrawn before its time: one new one, one repeat.
            self._tokens.invalidate(token)
            token = self._tokens.current()
            answer = self._authorised(call, read, token)
            if answer.status != 401:
                self._exchange.count("token_expired")
        if answer.value is None:
            error = _refusal(call, answer.status, answer.body, token)
            if isinstance(error, OttoScopeMissing):
                # Once the scope is granted, only a new token has it.
                self._tokens.invalidate(token)
            raise error
        return answer.value

    def _authorised(self, call: Call, read: Callable[[bytes], T], token: Token) -> Answer[T]:
        headers = (*call.headers, ("Authorization", f"Bearer {token.value}"))
        return self._exchange.send(replace(call, headers=headers), read, self._limiter)


_SCOPES = (
    ("/v4/orders", "orders"),
    ("/v1/availability", "availability"),
    ("/v3/receipts", "receipts"),
    ("/v3/returns", "returns"),
    ("/v1/price-reductions", "price-reduction"),
    ("/v5/products", "products"),
)


def scope_of(path: str) -> str:
    """Name the scope that a path of this interface needs."""
    return next((scope for start, scope in _SCOPES if path.startswith(start)), "shipments")


def _refusal(call: Call, status: int, body: bytes, token: Token) -> OttoError:
    problems = problems_of(status, body)
    text = f"{call.name}: HTTP {status} {'; '.join(str(problem) for problem in problems)}"
    if status == 401:
        return OttoAuthError(
            f"{text}; OTTO refuses even a new token: check OTTO_CLIENT_ID, OTTO_CLIENT_SECRET "
            "and that OTTO_API_BASE_URL is the same system, sandbox or production"
        )
    if status == 403:
        titles = {problem.title for problem in problems}
        if not token.lacks(scope_of(call.path)) and "INSUFFICIENT_PERMISSION" in titles:
            return OttoForbidden(
                f"{text}; it belongs to another partner: check the id and the credentials",
                status=status,
                problems=problems,
            )
        return OttoScopeMissing(
            f"{text}; this call needs the scope {scope_of(call.path)!r}: grant it to the app in "
            "OTTO Partner Connect, API access"
        )
    if status < 400:
        text += "; an answer of this kind is not foreseen, check OTTO_API_BASE_URL"
    return OttoPermanent(text, status=status, problems=problems)
