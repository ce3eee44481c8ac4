"""The operating model's section on how old a source may be before somebody is told.

Belongs here: settings only. Which asset each is about stands in `assets.source_freshness`.
"""

from typing import Annotated

from pydantic import Field

from resources.model_section import Section

_Minutes = Annotated[int, Field(ge=2)]


class FreshnessPolicy(Section):
    """Minutes since a source was last read; a schedule that is slowed down needs more."""

    orders: _Minutes = Field(default=30, description="OTTO's orders")
    fulfilment: _Minutes = Field(default=60, description="the warehouse's picks and dispatches")
    stock: _Minutes = Field(default=120, description="the warehouse's stock")
    wms_audit: _Minutes = Field(default=120, description="what the warehouse has of open orders")
    returns: _Minutes = Field(default=120, description="returns of OTTO and of the warehouse")
    receipts: _Minutes = Field(default=240, description="receipts and price reductions")
    products: _Minutes = Field(default=2880, description="products and their prices")
