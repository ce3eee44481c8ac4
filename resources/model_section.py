"""What every section of the operating model is made of.

Belongs here: the one base class. Settings do not belong here (`operating_model`).
"""

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

_LARGEST = 1_000_000_000
_MOST_DAYS = 36_500


class Section(BaseModel):
    """A section in which a misspelt key is an error, not a silent default.

    Numbers stay within what times and databases can hold, whatever they are for.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*")
    @classmethod
    def _countable(cls, value: object, info: ValidationInfo) -> object:
        most = _MOST_DAYS if "days" in (info.field_name or "") else _LARGEST
        # So written, a number that is none is refused, too.
        if isinstance(value, int | float) and not abs(value) <= most:
            raise ValueError(f"must be a number of at most {most:,}")
        return value
