"""The body of an HTTP answer, up to a bound: what the other side sends must not fill our memory.

Belongs here: the bound, and unpacking within it. What a body means belongs to the clients.
"""

import zlib

import httpx

MOST_BYTES = 16 * 1024 * 1024
"""Far above the largest page of either side, which has about a megabyte."""

ACCEPTED = {"Accept-Encoding": "gzip"}
"""What a client that reads by this module asks for."""

_GZIP = 31


class BodyError(Exception):
    """The body of an answer will not be read; the message says why.

    What to do: nothing after a single one, the call is repeated or its effect asked about. If it
    stays so, look whether the address is that of OTTO or the warehouse, and whether a proxy on the
    way changes answers.
    """


def read_body(answer: httpx.Response) -> bytes:
    """Read the body of a streamed answer, unpacked.

    Raises:
        BodyError: more than `MOST_BYTES`, damaged, or in an encoding that nobody asked for.
        httpx.HTTPError: it broke off.
    """
    if answer.is_stream_consumed:
        # It was made in memory, not received.
        return answer.content
    encoding = answer.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in {"", "identity", "gzip"}:
        raise BodyError("a body in an encoding that nobody asked for")
    unpacker = zlib.decompressobj(_GZIP) if encoding == "gzip" else None
    body = bytearray()
    for part in answer.iter_raw():
        # At most a byte too much: a few kilobytes could unpack to gigabytes.
        body += part if unpacker is None else _unpacked(unpacker, part, MOST_BYTES + 1 - len(body))
        if len(body) > MOST_BYTES:
            raise BodyError(f"a body of more than {MOST_BYTES // 1024**2} MiB")
    if unpacker is not None and not unpacker.eof:
        raise BodyError("a body that is cut")
    return bytes(body)


def _unpacked(unpacker: "zlib._Decompress", part: bytes, most: int) -> bytes:
    try:
        return unpacker.decompress(part, most)
    except zlib.error:
        raise BodyError("a body whose encoding is damaged") from None
