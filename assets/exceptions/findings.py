"""A finding: an exception as its source names it, before anything is looked up for it.

Belongs here: the record only. Sources make it (`assets.exceptions.sources`), the list completes it
(`assets.exceptions.listing`).
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What is wrong, and what it is about.

    `items` are position items of `order`; None stands for all that OTTO waits for. Of a parcel they
    are those in it, of a price reduction the one of the request. Without a deadline of its own a
    finding is due at the nearest ship-by time of its units, without `cents` it is worth what their
    buyers pay. `units` limits that of a SKU. Owner and remedy are those of its kind unless it names
    its own.
    """

    kind: str
    state: str
    key: str
    subject: str
    cause: str
    first_seen_at: datetime
    content: str = ""
    message_id: int | None = None
    order: str | None = None
    items: tuple[str, ...] | None = None
    sku: str | None = None
    units: int | None = None
    parcel_id: str | None = None
    request_id: str | None = None
    deadline_at: datetime | None = None
    cents: int | None = None
    owner: str | None = None
    remedy: str | None = None
