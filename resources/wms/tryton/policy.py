"""What the Tryton adapter must know of this warehouse: the section `wms.tryton` of the model.

Belongs here: names and codes as they stand in Tryton. Address and key come from the environment.
"""

from pydantic import Field

from resources.model_section import Section
from resources.wms.port import Condition, Disposition


class Grade(Section):
    """What it means that a returned unit was put to a location."""

    condition: Condition = Field(description="how the unit looks")
    disposition: Disposition = Field(description="what becomes of it")


class TrytonPolicy(Section):
    """Names and codes of one Tryton database."""

    customer: str = Field(
        default="OTTO", min_length=1, description="code of the party that stands for OTTO"
    )
    warehouse: str = Field(default="WH", description="code of the warehouse that ships")
    blocked_locations: tuple[str, ...] = Field(
        default=("QUAR",), description="codes of locations whose units may not be sold"
    )
    return_label: str = Field(
        default="Return label", description="package type that carries a return number"
    )
    return_carrier: str | None = Field(
        default=None, description="code of the carrier of returns; without it, that of the parcel"
    )
    grades: dict[str, Grade] = Field(
        default_factory=lambda: {
            "PICK": Grade(condition=Condition.NEW, disposition=Disposition.RESTOCK),
            "QUAR": Grade(condition=Condition.USED_LIGHT, disposition=Disposition.QUARANTINE),
            "SCRAP": Grade(condition=Condition.DEFECT, disposition=Disposition.SCRAP),
        },
        description="code of the location of a returned unit to its grade; others are UNKNOWN",
    )
    overlap_minutes: int = Field(
        default=5, ge=1, le=60, description="news are read so far back, for late commits"
    )
