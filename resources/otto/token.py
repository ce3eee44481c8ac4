"""Access tokens: one is fetched when none is left, and shared by threads, processes and runs.

Belongs here: the client-credentials grant, the cache file and its lock. The cache file holds a
token of limited life and never the client secret; like its folder only this user can read it.
"""

import base64
import hashlib
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlencode

import filelock
import msgspec

from resources.otto.errors import OttoAuthError, OttoScopeMissing, OttoTransient
from resources.otto.exchange import Call, Exchange
from resources.otto.limiter import RateLimiter
from resources.otto.problems import problems_of

ClientAuth = Literal["form", "basic"]
_MARGIN_S = 60.0
_LOCK_WAIT_S = 120.0
# In digits: some years.
_LONGEST_LIFE = 9
_CREDENTIALS = "OTTO_CLIENT_ID and OTTO_CLIENT_SECRET (OTTO Partner Connect, API access)"


class Token(msgspec.Struct, frozen=True):
    """A token to send, until when (`time.time()`), and the scopes it is known to have."""

    value: str
    expires_at: float
    scope: str | None = None

    def __repr__(self) -> str:
        """Hide the value."""
        return f"Token(expires_at={self.expires_at}, scope={self.scope!r})"

    def lacks(self, scope: str) -> bool:
        """Whether OTTO said at issue that `scope` is not among this token's scopes."""
        return self.scope is not None and scope not in self.scope.split()


class _Issued(msgspec.Struct):
    access_token: str
    expires_in: int | str
    scope: str | None = None


class TokenSource:
    """Gives the current token; safe for threads and, through a lock file, for processes."""

    def __init__(
        self,
        exchange: Exchange,
        limiter: RateLimiter,
        *,
        base_url: str,
        client_id: str,
        client_secret: str,
        client_auth: ClientAuth,
        path: str,
        scope: tuple[str, ...],
        folder: Path,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._exchange = exchange
        self._limiter = limiter
        self._client_id = client_id
        self._client_secret = client_secret
        self._client_auth = client_auth
        self._path = path
        self._scope = " ".join(scope)
        self._now = now
        key = hashlib.sha256("\n".join((base_url, client_id, self._scope)).encode()).hexdigest()[
            :16
        ]
        self._file = folder / f"otto-token-{key}.json"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file_lock = filelock.FileLock(
            folder / f"otto-token-{key}.lock", mode=0o600, timeout=_LOCK_WAIT_S
        )
        self._lock = threading.Lock()
        self._token: Token | None = None

    def current(self) -> Token:
        """Return a token with life left, from memory, from the cache file, or from OTTO.

        Raises:
            OttoAuthError, OttoScopeMissing, OttoTransient: OTTO gives none.
        """
        with self._lock:
            if not self._alive(self._token):
                with self._locked_file():
                    self._token = self._stored()
                    if not self._alive(self._token):
                        self._token = self._fetch()
                        self._store(self._token)
            if self._token is None:
                raise AssertionError("a token was just set")
            return self._token

    def invalidate(self, token: Token) -> None:
        """Forget `token`, which OTTO refused; a newer one that somebody fetched stays."""
        with self._lock:
            if self._token is not None and self._token.value == token.value:
                self._token = None
            with self._locked_file():
                stored = self._stored()
                if stored is not None and stored.value == token.value:
                    self._file.unlink(missing_ok=True)

    def _alive(self, token: Token | None) -> bool:
        return token is not None and token.expires_at > self._now()

    @contextmanager
    def _locked_file(self) -> Iterator[None]:
        try:
            with self._file_lock:
                yield
        except filelock.Timeout as error:
            raise OttoTransient(
                f"another process has held {self._file_lock.lock_file} for {_LOCK_WAIT_S:g} s "
                "while it fetches a token from OTTO; the next run tries again"
            ) from error

    def _stored(self) -> Token | None:
        """Read the cache file; one that is missing or unreadable is simply fetched anew."""
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=Token)
        except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
            return None

    def _store(self, token: Token) -> None:
        fresh = self._file.with_suffix(f".{os.getpid()}.tmp")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(msgspec.json.encode(token))
        fresh.replace(self._file)

    def _fetch(self) -> Token:
        asked_at = self._now()
        answer = self._exchange.send(self._call(), _read, self._limiter)
        issued = answer.value
        if issued is None:
            raise self._refusal(answer.status, answer.body)
        life = float(issued.expires_in)
        # A token with little life left would run out under way; a very short one keeps most of it.
        margin = min(_MARGIN_S, life / 10)
        return Token(issued.access_token, asked_at + life - margin, issued.scope)

    def _call(self) -> Call:
        form = {"grant_type": "client_credentials", "scope": self._scope}
        headers = [("Content-Type", "application/x-www-form-urlencoded")]
        if self._client_auth == "basic":
            pair = f"{quote(self._client_id, safe='')}:{quote(self._client_secret, safe='')}"
            headers.append(("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}"))
        else:
            form |= {"client_id": self._client_id, "client_secret": self._client_secret}
        return Call(
            "POST",
            self._path,
            repeatable=True,
            content=urlencode(form, quote_via=quote).encode(),
            headers=tuple(headers),
        )

    def _refusal(self, status: int, body: bytes) -> OttoAuthError | OttoScopeMissing:
        """Say why there is no token. Only OTTO's error code is shown, never what it echoes."""
        code = problems_of(status, body)[0].title
        if code == "invalid_scope":
            return OttoScopeMissing(
                f"OTTO POST {self._path}: the app may not use all of the scopes {self._scope!r}; "
                "grant them to it in OTTO Partner Connect, API access, then use its new secret"
            )
        if code in {"invalid_client", "unauthorized_client"} or status in {401, 403}:
            reason = "OTTO does not accept the credentials"
        else:
            reason = f"OTTO gives no token ({code.replace(self._client_secret, '***')})"
        return OttoAuthError(
            f"OTTO POST {self._path}: HTTP {status}, {reason}; check {_CREDENTIALS} "
            "and that OTTO_API_BASE_URL is the same system, sandbox or production"
        )


def _read(body: bytes) -> _Issued:
    issued = msgspec.json.decode(body, type=_Issued)
    life = str(issued.expires_in)
    if not (life.isascii() and life.isdecimal() and len(life) <= _LONGEST_LIFE):
        raise msgspec.ValidationError("expires_in is no number of seconds")
    # It travels in a header, which takes no line break and no letter beyond ASCII.
    if not re.fullmatch(r"[\x21-\x7e]{1,16384}", issued.access_token):
        raise msgspec.ValidationError("access_token is no token")
    return issued
