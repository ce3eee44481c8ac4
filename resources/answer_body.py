"""The body of an HTTP answer, up to a bound: what the other side sends must not fill our memory.

Belongs here: the bound, and which encodings are unpacked. What a body means belongs to the clients.
"""

import httpx

MOST_BYTES = 16 * 1024 * 1024
"""Far above the largest page of either side, which has about a megabyte."""

# A second layer, or one of another kind, could make gigabytes of a kilobyte in one step.
_ENCODINGS = frozenset({"", "identity", "gzip", "deflate"})


class BodyError(Exception):
    """The body will not be read; the message says why."""


def read_body(answer: httpx.Response) -> bytes:
    """Read the body of a streamed answer, unpacked.

    Raises:
        BodyError: more than `MOST_BYTES`, or an encoding that nobody asked for.
        httpx.HTTPError: it broke off, or its encoding is damaged.
    """
    encoding = answer.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in _ENCODINGS:
        raise BodyError("a body in an encoding that nobody asked for")
    parts: list[bytes] = []
    size = 0
    for part in answer.iter_bytes():
        size += len(part)
        if size > MOST_BYTES:
            raise BodyError(f"a body of more than {MOST_BYTES // 1024**2} MiB")
        parts.append(part)
    return b"".join(parts)
