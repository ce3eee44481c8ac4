"""One HTTP exchange with a WMS: sent again while that is harmless, its failures as the port's.

Belongs here: what the adapters over HTTP share. Paths, records and the wording of one vendor's
errors belong to its adapter.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from resources.answer_body import ACCEPTED, BodyError, read_body
from resources.json_parts import is_whole
from resources.operating_model import Http
from resources.tls import trusted
from resources.wms.errors import WmsAuthError, WmsRejected, WmsRetryable, WmsUnknownOutcome

RATE_LIMITED = 429
# They describe the body as it travelled, not as it was unpacked.
_OF_THE_WIRE = frozenset({"content-encoding", "content-length", "transfer-encoding"})
_LONGEST_COMPLAINT = 300


class Transport:
    """Sends requests. One instance may be used by several threads.

    `complaint` reads the reason from an error answer; it must leave personal data out.
    `nothing_happened` are the statuses by which this WMS says that a request had no effect.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        http: Http,
        *,
        complaint: Callable[[httpx.Response], str],
        nothing_happened: frozenset[int] = frozenset({RATE_LIMITED}),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = httpx.Client(
            base_url=base_url,
            headers={**headers, **ACCEPTED},
            timeout=http.timeout_seconds,
            verify=trusted(),
        )
        self._http = http
        self._complaint = complaint
        self._nothing_happened = nothing_happened
        self._sleep = sleep
        self.faults: Counter[str] = Counter()
        """Transport faults met, kind to count."""

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        params: httpx.QueryParams | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = False,
    ) -> httpx.Response:
        """Send; try again while that is certainly harmless, up to the configured attempts.

        `repeatable` marks requests that change nothing, or for which a repeat changes nothing.

        Raises:
            WmsError: of the kind that the answer, or its absence, calls for.
        """
        attempt = 1
        while True:
            try:
                return self._send(method, path, params, content, headers)
            except WmsRetryable as error:
                failure: WmsRetryable | WmsUnknownOutcome = error
            except WmsUnknownOutcome as error:
                if not repeatable:
                    raise
                failure = error
            if attempt >= self._http.attempts:
                raise WmsRetryable(f"{failure} (given up after {attempt} attempts)") from failure
            told = failure.retry_after_s if isinstance(failure, WmsRetryable) else None
            ceiling = min(
                self._http.longest_backoff_seconds,
                self._http.first_backoff_seconds * 2 ** (attempt - 1),
            )
            self._sleep(told if told is not None else random.uniform(0, ceiling))
            attempt += 1

    def _send(
        self,
        method: str,
        path: str,
        params: httpx.QueryParams | None,
        content: bytes | None,
        headers: Mapping[str, str] | None,
    ) -> httpx.Response:
        where = f"WMS {method} {path}"
        kind = {"Content-Type": "application/json"} if content is not None else {}
        try:
            answer = self._exchange(
                method, path, params=params, content=content, headers={**kind, **(headers or {})}
            )
        except httpx.ConnectError as error:
            self.faults["connection_broken"] += 1
            raise WmsRetryable(f"{where}: cannot connect; check WMS_BASE_URL") from error
        except httpx.TimeoutException as error:
            self.faults["timeout"] += 1
            raise WmsUnknownOutcome(f"{where}: no answer in time") from error
        except httpx.TransportError as error:
            # A body that ends early breaks off inside httpx; the peer tells us which it was.
            broken = "truncated" if "message body" in str(error) else "connection_broken"
            self.faults[broken] += 1
            raise WmsUnknownOutcome(f"{where}: connection broke ({broken})") from error
        except BodyError as error:
            self.faults["unusable_body"] += 1
            raise WmsUnknownOutcome(f"{where}: cannot read the answer, {error}") from error
        self._raise_for(answer, where)
        if _is_cut(answer):
            self.faults["truncated"] += 1
            raise WmsUnknownOutcome(f"{where}: HTTP {answer.status_code} with JSON that is cut")
        return answer

    def _exchange(self, method: str, path: str, **request: Any) -> httpx.Response:
        """The answer with its body, of which no more is read than the bound allows."""
        with self._client.stream(method, path, **request) as answer:
            body = read_body(answer)
        headers = [pair for pair in answer.headers.multi_items() if pair[0] not in _OF_THE_WIRE]
        return httpx.Response(
            answer.status_code, headers=headers, content=body, request=answer.request
        )

    def _raise_for(self, answer: httpx.Response, where: str) -> None:
        status = answer.status_code
        if status < 300:
            return
        text = f"{where}: HTTP {status} {self._complaint(answer)[:_LONGEST_COMPLAINT]}"
        if status in self._nothing_happened:
            self.faults["rate_limited" if status == RATE_LIMITED else "busy"] += 1
            raise WmsRetryable(text, retry_after_s=self._retry_after(answer))
        if status >= 500:
            self.faults["server_error"] += 1
            raise WmsUnknownOutcome(text)
        if status in {401, 403}:
            raise WmsAuthError(f"{text}; check WMS_API_KEY")
        raise WmsRejected(text)

    def _retry_after(self, answer: httpx.Response) -> float | None:
        value = answer.headers.get("Retry-After", "")
        return min(float(value), self._http.longest_backoff_seconds) if value.isdecimal() else None


def _is_cut(answer: httpx.Response) -> bool:
    """Whether what calls itself JSON ends too early: something on the way gave up its end."""
    kind = answer.headers.get("Content-Type", "")
    if not answer.content or not kind.startswith("application/json"):
        return False
    return not is_whole(answer.content)
