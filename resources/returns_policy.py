"""The operating model's section `returns`: what is decided on returned units without a person.

Belongs here: the section's settings, and OTTO's words for reasons. How a decision follows from them
does not belong here (`assets.rules.returns`).
"""

from typing import Literal

from pydantic import Field, field_validator

from resources.model_section import Section

WarehouseCondition = Literal[
    "NEW", "MINT", "USED_LIGHT", "USED_HEAVY", "DEFECT", "MISSING", "UNKNOWN"
]
AcceptReason = Literal[
    "RETURN_RECEIVED",
    "STATUS_SENT_BY_ACCIDENT",
    "CANCEL_REQUEST_BY_CUSTOMER",
    "REFUND_AFTER_AFFIDAVIT",
    "COMPLAINT",
    "SHIPMENT_LOST",
    "RETURN_LOST",
    "UNDELIVERABLE",
]
RejectReason = Literal[
    "THIRD_PARTY_ITEM",
    "WRONG_ITEM",
    "EXCHANGE",
    "DAMAGE_TO_THE_HYGIENE_SEAL",
    "ITEM_DAMAGED",
    "RETURN_PERIOD_EXCEEDED",
    "ITEM_NOT_IN_THE_PARCEL",
]


class ReturnsPolicy(Section):
    """Which returned units are decided without a person; all others wait for one.

    An acceptance is final and refunds the full price at once.
    """

    auto_accept: tuple[WarehouseCondition, ...] = Field(
        default=("NEW", "MINT"), description="conditions of the warehouse that accept"
    )
    auto_reject: dict[WarehouseCondition, RejectReason] = Field(
        default_factory=dict, description="conditions that reject, with OTTO's reason"
    )
    accept_reason: AcceptReason = Field(
        default="RETURN_RECEIVED", description="OTTO's reason where none below fits"
    )
    accept_reasons: dict[str, AcceptReason] = Field(
        default_factory=dict, description="the warehouse's reason code to OTTO's reason"
    )
    reject_reasons: dict[str, RejectReason] = Field(
        default_factory=dict, description="the warehouse's reason codes that reject"
    )
    window_days: int = Field(
        default=30, ge=14, description="days from dispatch in which a buyer may announce a return"
    )
    reject_late: bool = Field(default=False, description="reject after the window by itself")
    reject_wrong_article: bool = Field(
        default=False, description="reject another article than the one sold by itself"
    )

    @field_validator("auto_accept")
    @classmethod
    def _graded(cls, value: tuple[WarehouseCondition, ...]) -> tuple[WarehouseCondition, ...]:
        ungraded = {"MISSING", "UNKNOWN"} & set(value)
        if ungraded:
            raise ValueError(
                f"{', '.join(sorted(ungraded))} says that nobody has seen a good unit: "
                "an acceptance refunds it, so leave it to a person"
            )
        return value
