"""Looking for news again and again within one tick.

Belongs here: how long a tick looks, and what a look that fails means. What counts as news does not
belong here (`sensors.fast_lane`, `sensors.stock_news`).
"""

import time
from collections.abc import Callable

import dagster as dg

from resources.wms.errors import WmsError, WmsRetryable


def look_for(
    what: str, has_news: Callable[[], bool], *, look_seconds: float, pause_seconds: float
) -> bool:
    """Look until there is news or `look_seconds` are over; returns whether there is.

    A look that the WMS did not answer is one that missed, for the next one follows at once. If the
    last one of the tick is such a look, the tick fails: silence would look like no news.

    Raises:
        dg.Failure: the WMS did not answer in the end, or refuses to.
    """
    until = time.monotonic() + look_seconds
    while True:
        missed: WmsError | None = None
        try:
            if has_news():
                return True
        except WmsRetryable as error:
            missed = error
        except WmsError as error:
            raise _failed(what, error) from error
        if time.monotonic() > until:
            if missed is not None:
                raise _failed(what, missed) from missed
            return False
        time.sleep(pause_seconds)


def _failed(what: str, error: WmsError) -> dg.Failure:
    return dg.Failure(f"cannot look for news of {what}: {error}")
