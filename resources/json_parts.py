"""JSON of the other side taken apart: a part that is no JSON costs only itself.

Belongs here: the members of an object and the elements of an array as unread texts, also where
some part is nested too deeply, has half a surrogate, or is no value at all. What a part means, and
what becomes of one that cannot be read, belongs to the callers.
"""

import re
from collections import deque
from collections.abc import Iterator

import msgspec

MOST_ELEMENTS = 10_000
"""Far above any page of either side; what comes beyond would only fill the memory."""

_LONGEST_REASON = 300
_MOST_VALUES = 1_000_000
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_NAME = msgspec.json.Decoder(str)
_ANY = msgspec.json.Decoder(msgspec.Raw)
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{},"]', re.DOTALL)
_NAMED = re.compile(rb'\s*("(?:[^"\\]++|\\.)*+")\s*:(.*)', re.DOTALL)
_CLOSING = {b"[": b"]", b"{": b"}"}

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What reading any part may raise."""


def is_whole(text: bytes) -> bool:
    """Whether nothing is missing at the end, whatever its parts are."""
    try:
        _ANY.decode(text)
    except (msgspec.DecodeError, RecursionError):
        try:
            # To the last part: that the text goes on so far is what counts.
            deque(_split(text, text.strip()[:1]), maxlen=0)
        except msgspec.DecodeError:
            return False
    return True


def members(text: bytes | msgspec.Raw) -> dict[str, msgspec.Raw]:
    """The values of an object, unread, by name; of two with one name the later one.

    Raises:
        msgspec.DecodeError: it is no object, or not a whole one.
    """
    try:
        return _OBJECT.decode(text)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, RecursionError):
        found: dict[str, msgspec.Raw] = {}
        for part in _split(bytes(text), b"{"):
            named = _NAMED.fullmatch(part)
            if named is None:
                raise msgspec.DecodeError("a value without a name") from None
            found[_NAME.decode(named[1])] = msgspec.Raw(named[2].strip())
        return found


def elements(text: bytes | msgspec.Raw) -> list[msgspec.Raw]:
    """The elements of an array, unread.

    Raises:
        msgspec.DecodeError: it is no array, not a whole one, or one of too many elements.
    """
    # Counted before anything is made: what fits into a small text may need much more memory.
    if bytes(text).count(b",") > _MOST_VALUES:
        raise msgspec.DecodeError(f"more than {_MOST_VALUES} values")
    try:
        found = _ARRAY.decode(text)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, RecursionError):
        found = [msgspec.Raw(part.strip()) for part in _split(bytes(text), b"[")]
    if len(found) > MOST_ELEMENTS:
        raise msgspec.DecodeError(f"more than {MOST_ELEMENTS} elements")
    return found


def check_size(array: msgspec.Raw) -> None:
    """Look whether `elements` would take it.

    Raises:
        msgspec.DecodeError: it has too many elements.
    """
    # Few texts have so many commas, and each element but one has its own.
    if bytes(array).count(b",") >= MOST_ELEMENTS:
        elements(array)


def text_member(text: bytes | msgspec.Raw, name: str) -> str | None:
    """A member that is text; None where there is none, or it cannot be read."""
    try:
        return _NAME.decode(members(text)[name])
    except (KeyError, *UNREADABLE):
        return None


def reason_of(error: Exception) -> str:
    """Why a part could not be read, without any of it."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return str(error)[:_LONGEST_REASON]


def _split(text: bytes, opening: bytes) -> Iterator[bytes]:
    """The parts between the commas of the outermost array or object."""
    start, end = None, len(text)
    for sign, depth, at in _signs(text):
        if start is None:
            if sign != opening or text[:at].strip():
                raise msgspec.DecodeError("it is something else")
            start = at + 1
        elif depth == 0 or (depth == 1 and sign == b","):
            if depth == 1 or text[start:at].strip():
                yield text[start:at]
            start, end = at + 1, at + 1
    if start is None or text[end:].strip():
        raise msgspec.DecodeError("it is cut, or something follows it")


def _signs(text: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Each bracket and comma outside of strings, the depth after it, and where it stands."""
    awaited: list[bytes] = []
    for token in _TOKEN.finditer(text):
        sign = token[0]
        if sign in _CLOSING:
            awaited.append(_CLOSING[sign])
        elif sign == b'"' or (sign in {b"]", b"}"} and (not awaited or awaited.pop() != sign)):
            raise msgspec.DecodeError("its quotes or brackets do not match")
        if len(sign) == 1:
            yield sign, len(awaited), token.start()
    if awaited:
        raise msgspec.DecodeError("it is cut")
