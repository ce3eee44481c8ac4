"""JSON taken apart: what is no JSON costs only the part in which it stands."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.json_parts import MOST_ELEMENTS, check_size, elements, is_whole, members, text_member

DEEP = b"[" * 10_000 + b"]" * 10_000
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "broken", [DEEP, b'"\\ud800"', b"NaN", b'"a\nb"', b"01", b"'x'"], ids=lambda part: part[:8]
)
def test_a_part_that_is_no_json_leaves_the_others_whole(broken: bytes) -> None:
    array = b'[{"a":[1,"],"]}, ' + broken + b' ,\n"x\\"y"]'
    assert [bytes(part) for part in elements(array)] == [b'{"a":[1,"],"]}', broken, b'"x\\"y"']
    whole = members(b'{"first": 1, "rows": ' + array + b', "last": "z"}')
    assert bytes(whole["rows"]) == array.strip()
    assert bytes(whole["last"]) == b'"z"'
    assert text_member(b'{"x": ' + broken + b', "key": "k-1"}', "key") == "k-1"


@given(parts=st.lists(JSON, max_size=5), broken=st.sampled_from([DEEP, b"NaN", b'"\\udc00"']))
def test_splitting_by_hand_finds_what_the_parser_finds(parts: list[object], broken: bytes) -> None:
    written = [msgspec.json.encode(part) for part in parts]
    assert [bytes(part) for part in elements(b"[" + b",".join([*written, broken]) + b"]")] == [
        *written,
        broken,
    ]


@pytest.mark.parametrize(
    "cut", [b'{"a":NaN', b'{"a":NaN}]', b'{"a":NaN} x', b'{"a":[NaN}', b'{"a":NaN,"b', b"NaN", b""]
)
def test_what_is_cut_stays_unreadable(cut: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        members(cut)
    assert not is_whole(cut)


def test_broken_parts_are_no_missing_end() -> None:
    assert is_whole(b'{"a": [NaN, ' + DEEP + b"]}")
    assert is_whole(b"[]")


@pytest.mark.parametrize("other", [b"[]", b"1", b'"x"', b"null"])
def test_another_kind_of_value_is_no_object(other: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        members(other)


@pytest.mark.parametrize("count", [MOST_ELEMENTS + 1, 1_000_002])
def test_more_elements_than_any_page_has_are_refused(count: int) -> None:
    array = msgspec.Raw(b"[" + b",".join([b"0"] * count) + b"]")
    with pytest.raises(msgspec.DecodeError, match="more than"):
        elements(array)
    with pytest.raises(msgspec.DecodeError, match="more than"):
        check_size(array)
