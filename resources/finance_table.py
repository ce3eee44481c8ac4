"""What a table of the finance database is made of.

Belongs here: the description of a table and its columns. The tables themselves stand in
`resources.finance_schema` and `resources.finance_staging`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column; `type` is DuckDB's, cents are BIGINT and never a floating-point number."""

    name: str
    type: str
    meaning: str = ""


@dataclass(frozen=True)
class Table:
    """One table; no key constraints, uniqueness is the one writer's task."""

    schema: str
    name: str
    meaning: str
    columns: tuple[Column, ...]
    derived: bool = True

    @property
    def full_name(self) -> str:
        """Schema and name, as SQL writes it."""
        return f"{self.schema}.{self.name}"


def columns(text: str) -> tuple[Column, ...]:
    """Columns from text, one a line: name, type, meaning."""
    lines = (line.split(maxsplit=2) for line in text.strip().splitlines())
    return tuple(Column(*(part.strip() for part in parts)) for parts in lines)
