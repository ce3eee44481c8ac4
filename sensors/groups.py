"""Groups of schedules and sensors: what a person switches on and off together.

Belongs here: the groups, and the tag by which a schedule or sensor says which one it is of. The
switching itself is a command (`otto_pipelines.commands.automation`); the state is Dagster's own, so
that command line and UI never differ.
"""

GROUP_TAG = "otto_pipelines/group"

GROUPS = {
    "orders": "read orders and hand them to the warehouse",
    "shipments": "bring the warehouse's news to OTTO",
    "stock": "keep OTTO's quantities true",
    "returns": "read returns, decide on them, tell OTTO",
    "receipts": "read receipts and price reductions",
    "finance": "read prices, compare both systems, publish the finance file",
    "delivery": "deliver what waits and follow up what changed, of every flow",
    "operations": "exceptions, alerts, figures and housekeeping",
}


def in_group(name: str) -> dict[str, str]:
    """Make the tag of a schedule or sensor; a group that does not exist is a mistake in code."""
    if name not in GROUPS:
        raise ValueError(f"no such group: {name}; known: {', '.join(GROUPS)}")
    return {GROUP_TAG: name}
