"""How Ongoing WMS is set up for this seller: the section `wms.ongoing` of the operating model.

Belongs here: ids, codes and statuses, which every installation chooses for itself. Address, user
and password come from the environment.
"""

from pydantic import Field, model_validator

from resources.model_section import Section
from resources.wms.port import Condition, Disposition


class Statuses(Section):
    """Numbers of order statuses; `GET /orders/statuses` lists those of an installation."""

    accepted_from: int = Field(default=200, description="the warehouse has the order (open)")
    allocated_from: int = Field(default=320, description="units are reserved")
    picked_from: int = Field(default=400, description="picking is over")
    shipped_from: int = Field(default=450, description="parcels left")
    short_final_from: int = Field(
        default=450, description="a unit that is not picked and has no back order is given up"
    )
    cancelled: tuple[int, ...] = Field(default=(1000,), description="nothing will leave any more")
    changeable: tuple[int, ...] = Field(
        default=(150, 200, 300), description="the order may still be changed or cancelled"
    )

    @model_validator(mode="after")
    def _rising(self) -> "Statuses":
        steps = [self.accepted_from, self.allocated_from, self.picked_from, self.shipped_from]
        if steps != sorted(steps):
            raise ValueError("accepted, allocated, picked and shipped must rise")
        return self


class ReturnStatus(Section):
    """What an article item status means that a returned unit was booked with."""

    condition: Condition = Field(description="how the unit looks")
    disposition: Disposition = Field(description="what becomes of it")


class Transporter(Section):
    """Carrier and service that an order asks for."""

    code: str = Field(min_length=1, description="transporter code")
    service_code: str = Field(min_length=1, description="transporter service code")


class OngoingPolicy(Section):
    """One goods owner of one Ongoing installation."""

    goods_owner_id: int = Field(default=0, ge=0, description="our id in Ongoing; must be set")
    statuses: Statuses = Statuses()
    transporter: Transporter | None = Field(
        default=None, description="absent: the warehouse chooses"
    )
    return_transporter: Transporter | None = Field(
        default=None, description="carrier of return labels; absent: the warehouse chooses"
    )
    location: str = Field(default="ONGOING", min_length=1, description="name of its stock")
    return_statuses: dict[str, ReturnStatus] = Field(
        default_factory=dict,
        description="code of an article item status to grade; others are UNKNOWN, in QUARANTINE",
    )
    default_return: ReturnStatus = Field(
        default=ReturnStatus(condition=Condition.UNKNOWN, disposition=Disposition.QUARANTINE),
        description="grade of a returned unit without a status",
    )
    overlap_minutes: int = Field(
        default=10, ge=1, le=600, description="news are read so far back, for late commits"
    )
    first_look_days: int = Field(
        default=30, ge=1, description="how far back the first look reaches"
    )
    look_every_seconds: float = Field(default=10.0, ge=0, description="between two looks")
    page_size: int = Field(default=100, ge=1, le=1000, description="records per answer")
