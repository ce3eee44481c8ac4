"""CSV of a partner: whatever stands in a file, rows are read or refused, and nothing breaks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from resources.wms.files.dispatch import dispatch_row
from resources.wms.files.outgoing import order_file
from resources.wms.files.policy import FilesPolicy
from resources.wms.files.stock import stock_row
from resources.wms.files.table import BadValue, UnreadableFile, money, rows_of
from resources.wms.port import StockLevel
from tests.resources.wms.files_partner import AT, an_order


def _levels(content: bytes, policy: FilesPolicy) -> tuple[list[StockLevel], list[str]]:
    return rows_of(content, policy.stock, policy, lambda row: stock_row(row, AT))


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        good, bad = _levels(b"sku;on_hand\r\n" + content, FilesPolicy())
    except UnreadableFile:
        good, bad = [], ["the whole file"]
    assert len(good) + len(bad) <= content.count(b"\n") + content.count(b"\r") + 1


@given(st.text(max_size=30), st.text(max_size=30), st.booleans())
def test_any_text_in_a_number_is_a_number_or_a_reason_without_the_text(
    sku: str, units: str, comma: bool
) -> None:
    policy = FilesPolicy(decimal_comma=comma)
    quoted = [f'"{value.replace(chr(34), chr(34) * 2)}"' for value in (sku, units)]
    content = f"sku;on_hand\r\n{';'.join(quoted)}\r\n".encode("utf-8", "surrogatepass")
    try:
        good, bad = _levels(content, policy)
    except UnreadableFile:
        return
    assert all(isinstance(level.on_hand, int) for level in good)
    assert all(reason.startswith("row ") for reason in bad)


@pytest.mark.parametrize(
    ("text", "comma", "units"),
    [("3", False, 3), ("3,0", True, 3), ("3.00", False, 3), ("-2", False, -2), ("1e2", False, 100)],
)
def test_whole_units_are_read(text: str, comma: bool, units: int) -> None:
    policy = FilesPolicy(decimal_comma=comma)
    ((level,), bad) = _levels(f"sku;on_hand\nA;{text}\n".encode(), policy)
    assert (level.on_hand, bad) == (units, [])


@pytest.mark.parametrize(
    "text", ["3,5", "3.5", "NaN", "Infinity", "1e999999999", "", "0x10", "1e-9999999"]
)
def test_what_is_no_whole_unit_is_refused(text: str) -> None:
    good, bad = _levels(f"sku;on_hand\nA;{text}\n".encode(), FilesPolicy(decimal_comma=True))
    assert (good, len(bad)) == ([], 1)


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("19.99", 1999),
        ("19.990", 1999),
        ("9999999.99", 999_999_999),
        ("0", 0),
        ("19.9900000000000000000000000000001", None),
        ("1e-9999999", None),
        ("10000000", None),
        ("-1", None),
        ("sNaN", None),
    ],
)
def test_a_price_is_exact_or_refused(text: str, cents: int | None) -> None:
    policy = FilesPolicy()
    content = f"order_ref;unit_price;currency;line_id\no;{text};EUR;l\n".encode()
    good, bad = rows_of(content, policy.dispatch, policy, lambda row: dispatch_row(row, AT))
    assert [row.price_cents for row in good] == ([] if cents is None else [cents])
    assert len(bad) == (cents is None)


def test_a_byte_order_mark_and_blank_rows_do_no_harm() -> None:
    good, bad = _levels("\ufeffsku;on_hand\r\n\r\nA;1\r\n;\r\n".encode(), FilesPolicy())
    assert ([level.sku for level in good], bad) == (["A"], [])


@pytest.mark.parametrize(
    ("cents", "comma", "text"),
    [(0, False, "0.00"), (5, True, "0,05"), (123456, False, "1234.56"), (-105, False, "-1.05")],
)
def test_cents_are_written_exactly(cents: int, comma: bool, text: str) -> None:
    assert money(cents, FilesPolicy(decimal_comma=comma)) == text


def test_a_name_is_made_from_the_content_and_fits_every_system() -> None:
    policy = FilesPolicy()
    name, content = order_file(an_order("../ä b"), policy)
    assert "/" not in name
    assert (name, content) == order_file(an_order("../ä b"), policy)
    assert name != order_file(an_order("../ä b", content="v2"), policy)[0]
    assert name != order_file(an_order("../ö b"), policy)[0]


def test_a_letter_that_the_encoding_lacks_is_refused_by_column() -> None:
    with pytest.raises(BadValue, match="'name' has a letter that latin-1 lacks"):
        order_file(an_order(name="Łucja"), FilesPolicy(encoding="latin-1"))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"encoding": "utf-9"}, "no such encoding"),
        ({"timezone": "Mars/Base"}, "no such time zone"),
        ({"dispatch": {"columns": {"trackng": "T"}}}, "no such field: trackng"),
        ({"dispatch": {"columns": {"sku": "X", "reason": "X"}}}, "same column"),
        ({"orders": {"fields": ["order_ref"]}}, "must be written"),
        ({"orders": {"folder": "../out"}}, "String should match"),
        ({"orders": {"folder": "a/../../out"}}, "String should match"),
    ],
)
def test_a_wrong_policy_is_refused_by_its_rule(settings: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        FilesPolicy.model_validate(settings)
