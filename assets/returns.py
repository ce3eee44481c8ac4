"""Assets of returns: what OTTO and the warehouse tell of them, our decisions, and their delivery.

Belongs here: the Dagster shells and their checks. Reading stands in `money_reading`, the rules of a
decision in `rules.returns`, a person's decisions in `return_desk`, delivery in
`outbound.otto_return`.
"""

from collections.abc import Iterator
from typing import Any, Literal

import dagster as dg
from pydantic import Field

from assets import money_reading, return_desk
from assets.money_report import KEYED, row_checks, row_results, row_specs
from assets.outbound.delivery import deliver
from assets.outbound.otto_return import KIND, OttoReturnHandler, enqueue_decisions
from assets.outbox_report import outbox_rows
from assets.reporting import check_result, named_check, numbers
from resources.clock import Clock
from resources.operating_model import OperatingModel
from resources.operations.database import OperationsDatabase
from resources.operations.outbox import Outbox
from resources.operations.sync_log import SyncLog
from resources.otto.client import OttoClient
from resources.wms.port import WmsPort

RETURNS, SHIPMENTS, WMS_RETURNS = "otto_returns", "otto_return_shipments", "wms_returns"
DECISIONS, TOLD = "return_decisions", "otto_return_decisions"
SOURCES, DECIDING = "finance_sources", "refunds"

_OF_WMS = row_specs(WMS_RETURNS, ("row_readable",))
_OWNED = named_check(
    "returned_units_have_an_owner",
    WMS_RETURNS,
    "It is known of every unit that came back whose it is.",
    "Find the order in the warehouse and enter it there; the next reading of its feed "
    "matches the unit. If the sender cannot be found, keep the unit and explain the break.",
)
_DECIDED = named_check(
    "returned_units_decided",
    DECISIONS,
    "No unit that came back waits for a person's decision.",
    "Look at the unit, then: otto-pipelines returns accept|reject ORDER ITEM; or start "
    "the job decide_returns with the decision.",
)
_ACCEPTED = named_check(
    "decisions_accepted_by_otto",
    TOLD,
    "OTTO took every decision on a return, or is still being told.",
    "Correct what OTTO names, then: otto-pipelines errors retry",
)


class ReturnsConfig(dg.Config):
    """How much to read."""

    everything: bool = Field(
        default=False, description="read the whole history again, not only what changed"
    )


class PersonsDecision(dg.Config):
    """A person's decision on one unit; an acceptance is final and refunds its full price."""

    sales_order_id: str
    position_item_id: str
    decision: Literal["ACCEPT", "REJECT"]
    condition: Literal["A", "B", "C", "D", "E"] = Field(
        description="A original packaging, B mint, C slightly used, D heavily used, E incomplete"
    )
    reason: str = Field(description="OTTO's word, such as RETURN_RECEIVED or ITEM_DAMAGED")
    decided_by: str
    note: str = ""

    def wanted(self) -> return_desk.PersonDecision:
        """The decision without Dagster."""
        return return_desk.PersonDecision(**{**self.model_dump(), "note": self.note or None})


class DecisionsConfig(dg.Config):
    """What persons decided; the operating model's rules are applied in any case."""

    by_person: list[PersonsDecision] = Field(
        default=[], description="all of them are written down, or none where one is refused"
    )


@dg.asset(
    group_name=SOURCES,
    kinds={"http", "python"},
    owners=["team:customer-care"],
    tags={"system": "otto"},
    metadata={"dagster/table_name": "operations.otto_returns"},
    description=(
        "Returned units as OTTO tells of them: announced, accepted, rejected, misdirected. Read "
        "from the newest change back to what is known; all that are announced are read each time."
    ),
)
def otto_returns(
    config: ReturnsConfig,
    otto: dg.ResourceParam[OttoClient],
    operations: dg.ResourceParam[OperationsDatabase],
    model: dg.ResourceParam[OperatingModel],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult:
    """Read returns, store the good rows, quarantine the others."""
    books = money_reading.Books(operations, model, clock.now())
    with SyncLog(operations, "returns", books.now, otto.faults) as log:
        done = money_reading.read_returns(books, otto, everything=config.everything)
        log.counts.update(done.counts)
    return dg.MaterializeResult(metadata=numbers(done.counts))


@dg.asset(
    group_name=SOURCES,
    kinds={"http", "python"},
    owners=["team:customer-care"],
    tags={"system": "otto"},
    metadata={"dagster/table_name": "operations.return_shipments"},
    description="Parcels in which units come back, and which units travel in them.",
)
def otto_return_shipments(
    config: ReturnsConfig,
    otto: dg.ResourceParam[OttoClient],
    operations: dg.ResourceParam[OperationsDatabase],
    model: dg.ResourceParam[OperatingModel],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult:
    """Read return parcels, store the good rows, quarantine the others."""
    books = money_reading.Books(operations, model, clock.now())
    with SyncLog(operations, "return_shipments", books.now, otto.faults) as log:
        done = money_reading.read_return_shipments(books, otto, everything=config.everything)
        log.counts.update(done.counts)
    return dg.MaterializeResult(metadata=numbers(done.counts))


@dg.asset(
    deps=[RETURNS, SHIPMENTS, "otto_orders"],
    group_name=SOURCES,
    kinds={"http", "python"},
    owners=["team:warehouse"],
    tags={"system": "wms"},
    metadata={"dagster/table_name": "operations.wms_return_units"},
    description=(
        "Units that the warehouse booked in, with their condition, and whose they are: matched by "
        "line, by order and SKU, or by the number of the parcel. Where that leaves a doubt, a unit "
        "stays without an owner."
    ),
)
def wms_returns(
    wms: dg.ResourceParam[WmsPort],
    operations: dg.ResourceParam[OperationsDatabase],
    model: dg.ResourceParam[OperatingModel],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult:
    """Read the warehouse's feed, then match units with position items."""
    books = money_reading.Books(operations, model, clock.now())
    with SyncLog(operations, "wms_returns", books.now, wms.faults) as log:
        done, matched = money_reading.read_wms_returns(books, wms)
        counts = {**done.counts, **{f"units_{name}": count for name, count in matched.items()}}
        log.counts.update(counts)
    return dg.MaterializeResult(metadata=numbers(counts))


@dg.asset(
    deps=[RETURNS, WMS_RETURNS, "otto_orders"],
    group_name=DECIDING,
    kinds={"python"},
    owners=["team:customer-care"],
    metadata={"dagster/table_name": "operations.return_decisions"},
    description=(
        "Our decision on each unit that the warehouse received: by the operating model, or by a "
        "person. Each names its basis, a receipt of the warehouse or the person who decided."
    ),
)
def return_decisions(
    context: dg.AssetExecutionContext,
    config: DecisionsConfig,
    operations: dg.ResourceParam[OperationsDatabase],
    model: dg.ResourceParam[OperatingModel],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult:
    """Write down what persons decided, then what the rules decide."""
    now = clock.now()
    with SyncLog(operations, "return_decisions", now, {}) as log:
        try:
            new = return_desk.decide_all(operations, [d.wanted() for d in config.by_person], now)
        except return_desk.DecisionRefused as error:
            raise dg.Failure(description=str(error), allow_retries=False) from error
        decided = enqueue_decisions(operations, model, now)
        counts = {
            "by_person": new,
            "accepted_by_rule": decided["accept"],
            "rejected_by_rule": decided["reject"],
            "waiting_for_person": decided["person"],
        }
        log.counts.update(counts)
    if new < len(config.by_person):
        context.log.info("%s decision(s) had been written down before", len(config.by_person) - new)
    return dg.MaterializeResult(metadata=numbers(counts))


@dg.asset(
    deps=[DECISIONS],
    group_name=DECIDING,
    kinds={"http", "python"},
    owners=["team:customer-care"],
    tags={"system": "otto"},
    description=(
        "Decisions on returns as told to OTTO, exactly once in effect: an uncertain outcome is "
        "settled by asking OTTO before anything is sent again. An acceptance refunds at once."
    ),
)
def otto_return_decisions(
    otto: dg.ResourceParam[OttoClient],
    operations: dg.ResourceParam[OperationsDatabase],
    model: dg.ResourceParam[OperatingModel],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult:
    """Deliver the decisions that are due."""
    # A batch has to end within its lease, with room for the call under way.
    within = model.outbox.lease_seconds / 2
    handler = OttoReturnHandler(operations, otto.returns, within_seconds=within)
    with SyncLog(operations, "otto_return_decisions", clock.now(), otto.faults) as log:
        told = deliver(Outbox(operations, model.outbox), handler, model.outbox)
        log.counts.update(told)
    return dg.MaterializeResult(metadata=numbers({"decisions": told.total(), **told}))


otto_returns_checks = row_checks(RETURNS, KEYED)
otto_return_shipments_checks = row_checks(SHIPMENTS, KEYED)


@dg.multi_asset_check(name="wms_returns_checks", specs=[*_OF_WMS, _OWNED])
def wms_returns_checks(
    operations: dg.ResourceParam[OperationsDatabase], model: dg.ResourceParam[OperatingModel]
) -> Iterator[dg.AssetCheckResult]:
    """Judge by all that is so now, not only by what one run read."""
    yield from row_results(operations, _OF_WMS, [WMS_RETURNS])
    yield check_result(
        _OWNED,
        failing=[],
        warned=[_shown(u) for u in return_desk.waiting_units(operations, model) if not u.is_owned],
    )


@dg.multi_asset_check(name="return_decisions_checks", specs=[_DECIDED])
def return_decisions_checks(
    operations: dg.ResourceParam[OperationsDatabase], model: dg.ResourceParam[OperatingModel]
) -> Iterator[dg.AssetCheckResult]:
    """Judge by all that waits now, not only by what one run decided."""
    yield check_result(
        _DECIDED,
        failing=[],
        warned=[_shown(u) for u in return_desk.waiting_units(operations, model) if u.is_owned],
    )


@dg.multi_asset_check(name="otto_return_decisions_checks", specs=[_ACCEPTED])
def otto_return_decisions_checks(
    operations: dg.ResourceParam[OperationsDatabase],
) -> Iterator[dg.AssetCheckResult]:
    """Show what OTTO refused."""
    yield check_result(
        _ACCEPTED,
        failing=outbox_rows(operations, KIND),
    )


def _shown(unit: return_desk.WaitingUnit) -> dict[str, Any]:
    return {
        "sales_order_id": unit.sales_order_id,
        "position_item_id": unit.position_item_id,
        "sku": unit.sku,
        "receipt": unit.receipt_id,
        "received": unit.received_at.isoformat(),
        "condition": unit.condition,
        "warehouse reason": unit.reason,
        "why": unit.why,
    }
