"""The Excel workbook of a close: one sheet per area, what was booked late, and totals that tie.

Belongs here: laying the figures out. Every total is a formula over the sheets, beside the value of
the manifest and a cell that says whether both are equal. Text is always written as text, so that a
value which begins like a formula is none.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.utility import xl_col_to_name, xl_rowcol_to_cell
from xlsxwriter.worksheet import Worksheet

from assets.closing.figures import LISTED, Figures

WORKBOOK = "workbook.xlsx"
# Excel keeps 15 digits of a number; a larger amount is written as text rather than rounded.
_LARGEST_CENTS = 10**15 - 1
_LIKE_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_WIDTHS = {"break_id": 19, "otto_value": 24, "wms_value": 24, "explanation": 80}
_WIDTH = 16


def write_workbook(path: Path, figures: Figures, closed_at: datetime, closed_by: str) -> None:
    """Write the workbook of a close to `path`."""
    # Text stays text: nothing becomes a formula, a link or a number by what it looks like.
    options = {
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    with xlsxwriter.Workbook(str(path), options) as book:
        created = closed_at.replace(tzinfo=None)
        book.set_properties({"title": f"Close of {figures.period.name}", "created": created})
        sheets = _Sheets(book)
        totals = book.add_worksheet("Totals")
        for area, breaks in figures.breaks.items():
            sheets.list(_sheet_name(area), LISTED, breaks)
        sheets.list("Booked late", _LATE_COLUMNS, figures.late)
        sheets.list("Tables", _TABLE_COLUMNS, _table_rows(figures))
        _write_totals(totals, sheets, figures, f"{closed_at:%Y-%m-%d %H:%M} UTC", closed_by)


_LATE_COLUMNS = (
    "late_for",
    "table_name",
    "row_key",
    "amount_name",
    "before_cents",
    "after_cents",
    "difference_cents",
    "currency",
    "explanation",
)
_TABLE_COLUMNS = ("table", "rows", "amount", "currency", "total_cents", "content_hash")


def _table_rows(figures: Figures) -> list[dict[str, Any]]:
    return [
        {
            "table": table.name,
            "rows": table.rows,
            "amount": amount,
            "currency": currency,
            "total_cents": cents,
            "content_hash": table.content_hash,
        }
        for table in figures.tables
        for amount, currency, cents in (table.totals or (("", "", None),))
    ]


class _Sheets:
    """Writes cells in their formats."""

    def __init__(self, book: xlsxwriter.Workbook) -> None:
        self._book = book
        self.head = book.add_format({"bold": True, "bg_color": "#E8EEF4", "bottom": 1})
        self.money = book.add_format({"num_format": "#,##0.00"})
        self._day = book.add_format({"num_format": "yyyy-mm-dd"})
        self._time = book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        self._quoted = book.add_format({"quote_prefix": True})

    def list(self, name: str, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
        """A sheet with a frozen header, a filter, and one row each."""
        sheet = self._book.add_worksheet(name)
        self.header(sheet, 0, [column.removesuffix("_cents") for column in columns])
        for number, row in enumerate(rows, start=1):
            for at, column in enumerate(columns):
                self.write(sheet, number, at, row[column], money=column.endswith("_cents"))
        for at, column in enumerate(columns):
            sheet.set_column(at, at, _WIDTHS.get(column, _WIDTH))
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, len(rows), len(columns) - 1)

    def header(self, sheet: Worksheet, row: int, names: Sequence[str]) -> None:
        """Column names."""
        for at, name in enumerate(names):
            sheet.write_string(row, at, name.replace("_", " "), self.head)

    def write(
        self, sheet: Worksheet, row: int, at: int, value: object, *, money: bool = False
    ) -> None:
        """One cell, by the kind of its value; `money` is given in cents."""
        if value is None:
            return
        if money and isinstance(value, int):
            self._write_money(sheet, row, at, value)
        elif isinstance(value, int):
            sheet.write_number(row, at, value)
        elif isinstance(value, datetime):
            sheet.write_datetime(row, at, value.replace(tzinfo=None), self._time)
        elif isinstance(value, date):
            sheet.write_datetime(row, at, value, self._day)
        else:
            text = str(value)
            form = self._quoted if text.startswith(_LIKE_A_FORMULA) else None
            sheet.write_string(row, at, text, form)

    def _write_money(self, sheet: Worksheet, row: int, at: int, cents: int) -> None:
        amount = Decimal(cents).scaleb(-2)
        if abs(cents) > _LARGEST_CENTS:
            sheet.write_string(row, at, f"{amount:.2f}", self.money)
        else:
            # The shortest text of the nearest double is the amount itself: exact to the cent.
            sheet.write_number(row, at, float(amount), self.money)


def _write_totals(
    sheet: Worksheet, sheets: _Sheets, figures: Figures, closed_at: str, closed_by: str
) -> None:
    """Per area, currency and status the sum of the sheet, beside what the manifest says."""
    for row, (name, text) in enumerate(
        [("Period", figures.period.name), ("Closed at", closed_at), ("Closed by", closed_by)]
    ):
        sheet.write_string(row, 0, name, sheets.head)
        sheets.write(sheet, row, 1, text)
    top = 4
    sheets.header(
        sheet, top, ["area", "currency", "status", "breaks", "sum of sheet", "manifest", "ties"]
    )
    first = top + 1
    for row, total in enumerate(figures.areas, start=first):
        for at, value in enumerate((total.area, total.currency, total.status, total.breaks)):
            sheets.write(sheet, row, at, value)
        amounts, currencies, statuses = (
            _column(total.area, name, len(figures.breaks[total.area]))
            for name in ("amount_at_risk_cents", "currency", "status")
        )
        formula = f"SUMIFS({amounts},{currencies},$B{row + 1},{statuses},$C{row + 1})"
        _write_tie(sheet, sheets.money, row, formula, total.cents)
    after = first + len(figures.areas)
    by_currency = Counter[str]()
    for total in figures.areas:
        by_currency[total.currency] += total.cents
    for row, (currency, cents) in enumerate(by_currency.items(), start=after):
        sheet.write_string(row, 0, "all areas", sheets.head)
        sheet.write_string(row, 1, currency, sheets.head)
        formula = f"SUMIFS(E${first + 1}:E${after},B${first + 1}:B${after},$B{row + 1})"
        _write_tie(sheet, sheets.money, row, formula, cents)
    sheet.set_column(0, 6, _WIDTH)
    sheet.freeze_panes(first, 0)
    if figures.areas:
        sheet.autofilter(top, 0, after - 1, 6)


def _write_tie(sheet: Worksheet, money: Format, row: int, formula: str, cents: int) -> None:
    amount = float(Decimal(cents).scaleb(-2))
    # Sums of doubles drift far below the cent; rounding takes that away.
    sheet.write_formula(row, 4, f"=ROUND({formula},2)", money, amount)
    sheet.write_number(row, 5, amount, money)
    summed, stated = xl_rowcol_to_cell(row, 4), xl_rowcol_to_cell(row, 5)
    sheet.write_formula(row, 6, f'=IF({summed}={stated},"ties","DIFFERS")', None, "ties")


def _column(area: str, name: str, rows: int) -> str:
    letter = xl_col_to_name(LISTED.index(name))
    return f"'{_sheet_name(area)}'!${letter}$2:${letter}${max(rows, 1) + 1}"


def _sheet_name(area: str) -> str:
    return area.capitalize()
