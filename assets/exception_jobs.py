"""What a person does about exceptions from the Dagster UI: the steps of jobs, with typed config.

Belongs here: the Dagster shells of `assets.exceptions.desk` and `assets.exceptions.pull`. Each job
has its config ready in the launchpad; the same is done by `otto-pipelines errors`.
"""

import dagster as dg
from pydantic import Field

from assets.exceptions import desk
from assets.exceptions.pull import pull_orders
from assets.reporting import table
from resources.clock import Clock
from resources.operating_model import OperatingModel
from resources.operations.database import OperationsDatabase
from resources.operations.outbox_desk import OutboxRefusal
from resources.otto.client import OttoClient


class RetryConfig(dg.Config):
    """Which messages to send again; as it stands, all that can be."""

    ids: list[str] = Field(default=[], description="numbers of the list of exceptions; empty: all")
    kinds: list[str] = Field(
        default=[], description="only of these kinds, such as otto_shipment; empty: of any kind"
    )


class DecisionConfig(dg.Config):
    """Which exceptions, who decides, and why; all are decided on, or none."""

    ids: list[str] = Field(description="ids of the list of exceptions")
    reason: str = Field(description="why; it is kept")
    person: str = Field(description="who decides; it is kept")


class PullConfig(dg.Config):
    """Which orders to read anew."""

    sales_order_ids: list[str] = Field(description="OTTO's sales order ids")


@dg.op(
    name="retry",
    description="Make messages due now; the sensor outbox_due takes them on within seconds.",
)
def retry(
    context: dg.OpExecutionContext,
    config: RetryConfig,
    operations: dg.ResourceParam[OperationsDatabase],
) -> None:
    """Send again."""
    try:
        count = desk.retry(operations, config.ids, config.kinds)
    except desk.ExceptionRefusal as error:
        raise _refused(error) from error
    context.log.info("%s message(s) are due now", count)
    context.add_output_metadata({"due_now": count})


@dg.op(
    name="ignore",
    description="Let exceptions be as they are, with reason and person; it can be taken back.",
)
def ignore(
    context: dg.OpExecutionContext,
    config: DecisionConfig,
    operations: dg.ResourceParam[OperationsDatabase],
    model: dg.ResourceParam[OperatingModel],
    clock: dg.ResourceParam[Clock],
) -> None:
    """Let be."""
    try:
        person = desk.Person(name=config.person, reason=config.reason)
        desk.ignore(operations, model, config.ids, person, clock.now())
    except (desk.ExceptionRefusal, OutboxRefusal) as error:
        raise _refused(error) from error
    context.add_output_metadata({"ignored": len(config.ids)})


@dg.op(name="reopen", description="Take up again what was ignored.")
def reopen(
    context: dg.OpExecutionContext,
    config: DecisionConfig,
    operations: dg.ResourceParam[OperationsDatabase],
) -> None:
    """Take up again."""
    try:
        person = desk.Person(name=config.person, reason=config.reason)
        desk.reopen(operations, config.ids, person)
    except desk.ExceptionRefusal as error:
        raise _refused(error) from error
    context.add_output_metadata({"open_again": len(config.ids)})


@dg.op(name="pull", description="Read orders anew from OTTO, judge and store them.")
def pull(
    context: dg.OpExecutionContext,
    config: PullConfig,
    otto: dg.ResourceParam[OttoClient],
    operations: dg.ResourceParam[OperationsDatabase],
    model: dg.ResourceParam[OperatingModel],
    clock: dg.ResourceParam[Clock],
) -> None:
    """Pull."""
    if not config.sales_order_ids:
        raise _refused("no order is named: fill in sales_order_ids in the launchpad")
    pulled = pull_orders(operations, otto, model, config.sales_order_ids, clock.now())
    rows = [{"order": p.sales_order_id, "result": p.result, "why": p.why} for p in pulled]
    context.add_output_metadata({"orders": table(rows)})
    if bad := [p for p in pulled if not p.is_stored]:
        told = "; ".join(f"{p.sales_order_id} {p.result}: {p.why}" for p in bad)
        raise _refused(f"{len(bad)} of {len(pulled)} order(s) are not in order: {told}")


def _refused(why: object) -> dg.Failure:
    return dg.Failure(description=str(why), allow_retries=False)
