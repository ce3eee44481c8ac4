"""Which hindrance a step of a campaign meets: made from the seed, before anything runs.

Belongs here: the plan. What a hindrance does to files stands in `disk` and `holders`, to servers in
the sandbox.
"""

import random
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

HINDRANCES = (
    "disk_full",
    "sqlite_held_for_long",
    "sqlite_held_briefly",
    "working_file_read",
    "finance_file_read",
    "clock_ahead",
    "clock_behind",
)
SKEW_SECONDS = {"clock_ahead": 300, "clock_behind": -300}
ALL_KINDS = (
    "rate_limited",
    "firewall",
    "server_error",
    "timeout",
    "connection_broken",
    "truncated",
    "repeated_page",
    "reset",
    "cut_json",
    "token_expired",
)
# Rare by their nature or by their place: steps of their own see to it that each happens.
STALLS = ("timeout",)
RARE = (("token_expired", "repeated_page"), STALLS, ("reset", "cut_json", "firewall"))


@dataclass(frozen=True)
class Step:
    """One step up to `until`: which servers are `down` and how, other hindrances, faults."""

    until: datetime
    down: dict[str, str]
    hindrances: tuple[str, ...]
    rate: float
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Outage:
    """`server` is down from `begin` on, for so many steps."""

    server: str
    how: str
    begin: int
    steps: int


def plan(
    moments: list[datetime], outages: list[Outage], seed: int, rate: float, every: int
) -> list[Step]:
    """A step per moment; of the later ones each, or `every` so many, has a hindrance, in turn."""
    rng = random.Random(f"weather:{seed}")
    # From the third step on: before it there is no finance file that anybody could hold.
    turns = {place: (place - 2) // every for place in range(2, len(moments), every)}
    order = rng.sample(HINDRANCES, len(HINDRANCES))
    hindered = {place: [order[turn % len(order)]] for place, turn in turns.items()}
    steps = []
    for number, until in enumerate(moments):
        down = {
            outage.server: outage.how
            for outage in outages
            if outage.begin <= number < outage.begin + outage.steps
        }
        kinds = ALL_KINDS if number % 2 else RARE[number // 2 % len(RARE)]
        # Each stall costs as long as a time-out.
        share = rate / 3 if kinds is STALLS else rate
        steps.append(Step(until, down, tuple(hindered.get(number, ())), share, kinds))
    return steps


def counted(steps: list[Step]) -> Counter[str]:
    """How many steps each hindrance and each outage takes."""
    found = Counter(name for step in steps for name in step.hindrances)
    found.update(f"{server}_down" for step in steps for server in step.down)
    return found
