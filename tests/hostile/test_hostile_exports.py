"""What leaves: text that looks like a formula is none, for whoever opens the file."""

import csv
import io
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.wms.files.outgoing import order_file
from resources.wms.files.policy import FilesPolicy
from resources.wms.files.table import BadValue
from tests.hostile.mutator import FORMULAS
from tests.resources.wms.files_partner import an_order

POLICY = FilesPolicy()
BEGINNINGS = ("=", "+", "-", "@", "\t", "\r")
CALLS = (*FORMULAS[:2], "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n =1")


def _cells(**address: Any) -> dict[str, str]:
    order = an_order()
    order = msgspec.structs.replace(
        order, ship_to=msgspec.structs.replace(order.ship_to, **address)
    )
    _, content = order_file(order, POLICY)
    return next(csv.DictReader(io.StringIO(content.decode(), newline=""), delimiter=";"))


@pytest.mark.parametrize("text", CALLS)
@pytest.mark.parametrize("field", ["name", "street", "house_number", "city", "addition", "email"])
def test_text_of_a_buyer_never_begins_like_a_formula_in_the_file_for_the_warehouse(
    field: str, text: str
) -> None:
    cell = _cells(**{field: text})[field]
    assert not cell.startswith(BEGINNINGS)
    assert cell.split() == text.split()


@given(st.text(max_size=20))
def test_whatever_a_buyer_writes_no_cell_begins_like_a_formula(text: str) -> None:
    if not any(0xD800 <= ord(sign) < 0xE000 for sign in text):
        assert not _cells(name=text)["name"].startswith(BEGINNINGS[:1])


@pytest.mark.parametrize("number", ["+49 351 47 11", "-", "+49(0)351/4711", "0351 4711"])
def test_a_phone_number_stays_as_it_is(number: str) -> None:
    assert _cells(phone=number)["phone"].strip() == number


@pytest.mark.parametrize("sku", ["=1+1", "@SUM(A1)", "+cmd|x", "-2+3"])
def test_an_article_that_begins_like_a_formula_is_refused_and_not_altered(sku: str) -> None:
    with pytest.raises(BadValue, match="begins like a formula"):
        order_file(an_order(skus=[sku]), POLICY)
