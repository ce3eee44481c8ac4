"""What may name a thing: ids and SKUs of either side, as types of received fields.

Belongs here: bounds that every database holds. PostgreSQL indexes no long text, and its text has no
NUL: without that sign, one SKU would become another one. Which ids exist does not belong here.
"""

import re
from typing import Annotated

import msgspec

LONGEST = 200
_NAME = r"\A[^\x00-\x1f\x7f]*\Z"
_KEY = r"\A[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*\Z"
_IS_KEY = re.compile(_KEY)

Name = Annotated[str, msgspec.Meta(max_length=LONGEST, pattern=_NAME)]
"""A name that may be empty, which another rule may forbid."""

Key = Annotated[str, msgspec.Meta(max_length=LONGEST, pattern=_KEY)]
"""A name that is there, and not blank."""


def is_key(text: str | None) -> bool:
    """Whether `text` could be a `Key`."""
    return text is not None and len(text) <= LONGEST and _IS_KEY.match(text) is not None
