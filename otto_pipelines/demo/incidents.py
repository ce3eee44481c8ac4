"""What goes wrong with stock in the live demo, minute by minute, so that each guard is seen once.

Belongs here: which fault the sandbox's stock list has when, and what a person is told of it. The
faults themselves stand in the sandbox; starting and stopping the demo in `live`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx


@dataclass(frozen=True)
class Incident:
    """From `minute` on (since the demo was ready) the stock list has `fault`; None: it is right."""

    minute: float
    fault: str | None
    told: str


INCIDENTS = (
    Incident(
        3,
        "shrunken",
        "the warehouse's stock list lacks every second SKU. The mass-drop guard refuses it: see "
        "wms_stock > Checks > stock_list_believable. To let it through, launch the job sync_stock "
        "with confirm_drop: true",
    ),
    Incident(13, None, "the stock list is whole again"),
    Incident(
        15,
        "stale",
        "the warehouse tells of its stock as it was. After five minutes no figure rises any more: "
        "see available_to_sell > Checks > stock_is_of_now",
    ),
    Incident(26, None, "the warehouse tells of its stock as it is; every figure is free again"),
)


def play(
    sandbox_url: str,
    say: Callable[[str], None],
    *,
    incidents: tuple[Incident, ...] = INCIDENTS,
    seconds_per_minute: float = 60.0,
) -> None:
    """Let all incidents happen, each in its minute; returns after the last one.

    Raises:
        httpx.HTTPError: the sandbox does not answer.
    """
    began = time.monotonic()
    for incident in incidents:
        wait = began + incident.minute * seconds_per_minute - time.monotonic()
        time.sleep(max(0.0, wait))
        body = {"fault": incident.fault}
        httpx.post(f"{sandbox_url}/_sandbox/stock/list", json=body, timeout=30).raise_for_status()
        say(incident.told)
