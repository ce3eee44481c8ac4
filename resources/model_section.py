"""What every section of the operating model is made of.

Belongs here: the one base class. Settings do not belong here (`operating_model`).
"""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A section in which a misspelt key is an error, not a silent default."""

    model_config = ConfigDict(extra="forbid", frozen=True)
