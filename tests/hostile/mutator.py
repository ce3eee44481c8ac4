"""Mutations of JSON payloads, all from one seed.

Belongs here: what a hostile sender may do to one row, and to a page as bytes. What must become of
it does not belong here (the modules of kinds).
"""

import gzip
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

DEEP = 10_000
_ENCODE = msgspec.json.Encoder().encode
Tree = Any


@dataclass(frozen=True)
class Verbatim:
    """A value as it is to stand in the text, valid or not."""

    text: bytes


@dataclass(frozen=True)
class Doubled:
    """An object that names keys more than once."""

    pairs: tuple[tuple[str, Tree], ...]


FORMULAS = ("=1+1", "=cmd|' /C calc'!A0", "+49 170 1", "-2+3", "@SUM(A1)", "\t=1", "\r=1")
TEXTS = (
    *FORMULAS,
    "",
    " ",
    "x" * 300,
    "y" * 20_000,
    "\u0000",
    "a\u0000b",
    "line\nbreak",
    "\u202egnp.exe",
    "\ufeffBOM",
    "'; DROP TABLE orders; --",
    '" OR 1=1 --',
    "%s %(x)s {0} {x} {",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "null",
    "NaN",
    "\U0001f600",
    "e\u0301",
    "\u0130\u0131\u00df",
    "DROPSHIP",
    "0",
    "-1",
)
NUMBERS = (
    b"0",
    b"-0",
    b"-0.0",
    b"-1",
    b"-12.34",
    b"0.01",
    b"0.001",
    b"19.999",
    b"0.30000000000000004",
    b"10.000000000000000000000000000000000001",
    b"1e2",
    b"1E-2",
    b"1.5e1",
    b"1e400",
    b"-1e400",
    b"1E+1000001",
    b"1e-10000000",
    b"0e99999999",
    b"1e99999999999999999999",
    b"1000000000000",
    b"1000000000000.01",
    b"1000000000000000000",
    b"-1000000000000000000",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551616",
    b"9" * 400,
    b"9" * 5000,
    b"1." + b"0" * 5000,
    b"2147483648",
    b"1000",
    b"1",
)
NUMBERS_AS_TEXT = (
    "10.00", "19,99", " 19.99 ", "1e3", "NaN", "sNaN", "-sNaN", "Infinity", "-Infinity", "1e400",
    "1E+1000001", "0x10", "+5", "5.", ".5", "19.999", "1_000", "\u0661\u0660", "--1", "1.2.3", "",
    "9" * 400, "9" * 5000, "True",
)  # fmt: skip
DATES = (
    "9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+23:59", "2026-02-30T00:00:00Z", "2026-06-30T23:59:60Z",
    "2026-06-30T24:00:00Z", "2026-06-08T10:00:00", "2026-06-08", "2026-06-08T10:00:00+99:00",
    "2026-06-08T10:00:00.123456789123Z", "2026-06-08T10:00:00+14:00", "1999-12-31T23:59:59Z",
    "2100-01-01T00:00:00Z", "2026-W24-1T10:00:00Z", "20260608T100000Z", "1780912800",
    "Mon, 08 Jun 2026 10:00:00 GMT", "2026-06-08T10:00:00.000+0000", "2026-06-08t10:00:00z",
    "10000-01-01T00:00:00Z", "-001-01-01T00:00:00Z", "2026-06-08T10:00:00Z[Europe/Berlin]",
)  # fmt: skip
WORDS = ("ANNOUNCED", "SENT", "LOST_IN_SPACE", "sent", "Sent ", "EUR", "USD", "eur", "\u20ac", "")
LITERALS = (b"null", b"true", b"false", b"[]", b"{}", b"[[]]", b"[{}]", b"[null]", b'{"":null}')
# None of these is JSON, and each stands inside one value: the rest of the page is sound.
BROKEN = (
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b'"\\ud800"',
    b'"\\udc00x"',
    b'"\\ud800\\u0041"',
    b'"\xff\xfe"',
    b'"\xed\xa0\x80"',
    b'"a\x00b"',
    b'"a\nb"',
    b'"\\x41"',
    b"01",
    b"1.",
    b".5",
    b"0x1F",
    b"undefined",
    b"'single'",
)
DEEP_VALUES = (b"[" * DEEP + b"]" * DEEP, b'{"a":' * DEEP + b"1" + b"}" * DEEP)
BIG = (
    b"[" + b",".join([b"0"] * 50_000) + b"]",
    b'"' + b"z" * 200_000 + b'"',
    b"{" + b",".join(b'"k%d":%d' % (n, n) for n in range(5_000)) + b"}",
)


_POOLS: tuple[tuple[Tree, ...], ...] = (
    TEXTS,
    tuple(map(Verbatim, NUMBERS)),
    NUMBERS_AS_TEXT,
    DATES,
    WORDS,
    tuple(map(Verbatim, LITERALS)),
    tuple(map(Verbatim, BROKEN)),
    tuple(map(Verbatim, (*DEEP_VALUES, *BIG))),
)
_WEIGHTS = (8, 8, 6, 6, 2, 4, 4, 0.3)

Damaged = tuple[bytes, dict[str, str]]
_NO_PAGES = (b"", b" ", b"null", b"[]", b'"x"', b"<html>no</html>", *DEEP_VALUES)


def _cut_out(rng: random.Random, body: bytes) -> Damaged:
    start, end = sorted((rng.randrange(len(body)), rng.randrange(len(body))))
    return body[:start] + body[end:], {}


def _one_byte(rng: random.Random, body: bytes) -> Damaged:
    at, kept = rng.randrange(len(body)), rng.randrange(2)
    return body[:at] + bytes([rng.randrange(256)]) + body[at + kept :], {}


def _cut_gzip(rng: random.Random, body: bytes) -> Damaged:
    packed = gzip.compress(body, 1)
    return packed[: rng.randrange(len(packed))], {"Content-Encoding": "gzip"}


_PAGE_WAYS: tuple[Callable[[random.Random, bytes], Damaged], ...] = (
    _cut_out,
    _one_byte,
    _one_byte,
    _cut_gzip,
    lambda rng, body: (body[: rng.randrange(len(body))], {}),
    lambda rng, body: (b"\xef\xbb\xbf" + body, {}),
    lambda rng, body: (body.decode().encode(rng.choice(("utf-16", "utf-32", "utf-7"))), {}),
    lambda rng, body: (rng.choice(_NO_PAGES), {}),
    lambda rng, body: (gzip.compress(body, 1), {"Content-Encoding": "gzip"}),
    lambda rng, body: (body, {"Content-Encoding": rng.choice(("gzip", "deflate", "br", "x"))}),
    lambda rng, body: (body + rng.choice((b"}", b"]", b"{}", b"\x00", b"garbage")), {}),
)


def dump(tree: Tree) -> bytes:
    """The tree as JSON text, with what is verbatim in it as it stands."""
    match tree:
        case Verbatim(text):
            return text
        case Doubled(pairs):
            members = pairs
        case dict():
            members = tuple(tree.items())
        case list():
            return b"[" + b",".join(map(dump, tree)) + b"]"
        case _:
            return _ENCODE(tree)
    return b"{" + b",".join(_ENCODE(name) + b":" + dump(value) for name, value in members) + b"}"


class Mutator:
    """Mutates rows and pages; equal generators make equal mutations."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._row_ways: tuple[Callable[[Tree], None], ...] = (
            self._replace,
            self._replace,
            self._replace,
            self._spoil_leaf,
            self._spoil_leaf,
            self._drop,
            self._rename,
            self._double,
            self._add,
            self._repeat_element,
            self._swap,
        )

    def row(self, tree: Tree) -> bytes:
        """The row with one to three mutations."""
        holder = {"row": json.loads(json.dumps(tree))}
        for _ in range(self._rng.choice((1, 1, 1, 2, 3))):
            self._rng.choice(self._row_ways)(holder)
        return dump(holder["row"])

    def page(self, body: bytes) -> tuple[bytes, dict[str, str]]:
        """The body damaged as bytes, and headers that go with it."""
        return self._rng.choice(_PAGE_WAYS)(self._rng, body)

    def hostile_value(self) -> Tree:
        """Any value that nobody expects."""
        return self._rng.choice(self._rng.choices(_POOLS, _WEIGHTS)[0])

    def _places(self, tree: Tree) -> Iterator[tuple[Tree, Any]]:
        """Every container with a key or index of it, below the outermost."""
        if isinstance(tree, dict):
            members: Any = list(tree.items())
        elif isinstance(tree, list):
            members = list(enumerate(tree))
        else:
            return
        for key, value in members:
            yield tree, key
            yield from self._places(value)

    def _place(self, holder: Tree, *, in_object: bool = False) -> tuple[Tree, Any]:
        places = [
            (container, key)
            for container, key in self._places(holder)
            if container is not holder and (isinstance(container, dict) or not in_object)
        ]
        return self._rng.choice(places) if places else (holder, "row")

    def _replace(self, holder: Tree) -> None:
        container, key = self._place(holder)
        container[key] = self.hostile_value()

    def _spoil_leaf(self, holder: Tree) -> None:
        """Replace a value by a hostile one of its own kind."""
        rng = self._rng
        leaves = [
            (container, key)
            for container, key in self._places(holder)
            if isinstance(container[key], str | int | float) and container is not holder
        ]
        if not leaves:
            return
        container, key = rng.choice(leaves)
        value = container[key]
        if isinstance(value, bool):
            container[key] = rng.choice(("true", 1, 0, "0", None, "yes"))
        elif isinstance(value, str) and value[:2] == "20" and "T" in value:
            container[key] = rng.choice(DATES)
        elif isinstance(value, str) and value.isupper():
            container[key] = rng.choice((*WORDS, value.lower(), value + " "))
        elif isinstance(value, str):
            text = rng.choice(TEXTS)
            container[key] = rng.choice((text, text + value, value + text))
        else:
            number = Verbatim(rng.choice(NUMBERS))
            container[key] = rng.choice((number, number, rng.choice(NUMBERS_AS_TEXT)))

    def _drop(self, holder: Tree) -> None:
        container, key = self._place(holder)
        if container is not holder:
            del container[key]

    def _rename(self, holder: Tree) -> None:
        container, key = self._place(holder, in_object=True)
        if container is not holder:
            new = self._rng.choice((key.upper(), key.lower(), key + " ", "", "\ufeff" + key))
            container[new] = container.pop(key)

    def _double(self, holder: Tree) -> None:
        container, key = self._place(holder)
        value = container[key]
        if isinstance(value, dict) and value:
            again = self._rng.choice(list(value))
            pairs = (*value.items(), (again, self.hostile_value()))
            container[key] = Doubled(pairs if self._rng.random() < 0.5 else pairs[::-1])

    def _add(self, holder: Tree) -> None:
        container, _ = self._place(holder, in_object=True)
        if container is not holder:
            container[self._rng.choice(("extra", "__class__", "$ref", ""))] = self.hostile_value()

    def _repeat_element(self, holder: Tree) -> None:
        container, key = self._place(holder)
        value = container[key]
        if isinstance(value, list) and value:
            value.append(self._rng.choice(value))

    def _swap(self, holder: Tree) -> None:
        """Put the value of another place here: ids meet, currencies mix, types are wrong."""
        container, key = self._place(holder)
        other, name = self._place(holder)
        container[key] = json.loads(json.dumps(other[name], default=lambda _: None))
