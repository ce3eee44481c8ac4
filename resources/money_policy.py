"""The operating model's section `money`: how receipts, returns and prices are read and judged.

Belongs here: the section's settings. When the flows run stands in `automation`, what is decided on
returns in `returns` (`returns_policy`), tolerances and grace in `reconciliation`.
"""

from pydantic import Field

from resources.model_section import Section


class MoneyPolicy(Section):
    """How receipts, returns and price reductions are read."""

    first_import_days: int = Field(
        default=90,
        ge=1,
        description="days that the first read of receipts and returns reaches back",
    )
    receipts_overlap_days: int = Field(
        default=2, ge=1, description="days of receipts re-read; OTTO filters them by day only"
    )
    returns_overlap: int = Field(
        default=120, ge=0, description="minutes of changes of returns re-read"
    )
    judged_days: int = Field(
        default=35, ge=1, description="age of receipts that the price rules judge; breaks keep all"
    )
