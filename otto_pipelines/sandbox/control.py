"""The control API under `/_sandbox`: time, ledger, truth, and things made to happen now.

It is for tests, demos and marking; a product never calls more of it than the clock.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from otto_pipelines.sandbox import transport_faults
from otto_pipelines.sandbox.config import SandboxError
from otto_pipelines.sandbox.http_server import Answer, Request, json_answer
from otto_pipelines.sandbox.money_control import MoneyControl
from otto_pipelines.sandbox.otto_auth import TokenDesk
from otto_pipelines.sandbox.routing import Routes
from otto_pipelines.sandbox.stock_control import Control, StockControl
from otto_pipelines.sandbox.transport_faults import FaultyApp
from otto_pipelines.sandbox.truth import stock_marks, truth
from otto_pipelines.sandbox.world import World

PREFIX = "/_sandbox"


class ControlApi:
    """Answers control requests; needs no token and never fails on purpose."""

    def __init__(self, world: World, desk: TokenDesk, faulty: list[FaultyApp]) -> None:
        self._world = world
        self._desk = desk
        self._faulty = faulty
        further = StockControl(world).routes() | MoneyControl(world).routes()
        self._routes = Routes[Callable[[dict[str, Any]], Answer]](
            {
                **{route: _answering(control) for route, control in further.items()},
                "GET /_sandbox/clock": self._clock,
                "POST /_sandbox/clock/advance": self._advance,
                "GET /_sandbox/ledger": self._ledger,
                "GET /_sandbox/truth": lambda _: json_answer(200, truth(world)),
                "GET /_sandbox/sent-shipments": self._sent_shipments,
                "POST /_sandbox/orders": self._create_order,
                "POST /_sandbox/warehouse/dispatch": self._dispatch,
                "POST /_sandbox/faults": self._faults,
                "POST /_sandbox/outage": self._outage,
                "POST /_sandbox/tokens/expire": self._expire_tokens,
            }
        )

    def __call__(self, request: Request) -> Answer:
        """Answer one control request."""
        handler = self._routes.find(request)
        if handler is None:
            return json_answer(404, {"error": f"no such control: {request.method} {request.path}"})
        try:
            body = request.json() if request.body else dict(request.query)
            with self._world.turn():
                return handler(body)
        except (msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
            return json_answer(400, {"error": f"{request.path}: {error!r}"})
        except SandboxError as error:
            return json_answer(409, {"error": str(error)})

    def _ledger(self, _: dict[str, Any]) -> Answer:
        return json_answer(200, self._world.ledger.as_json() | stock_marks(self._world))

    def _clock(self, body: dict[str, Any]) -> Answer:
        """The time; to a machine whose clock is wrong by `ahead_seconds`, that much later."""
        clock = self._world.sim.clock
        ahead = timedelta(seconds=float(body.get("ahead_seconds", 0)))
        return json_answer(
            200,
            {
                "now": self._world.sim.now + ahead,
                "speed": clock.speed,
                "mode": clock.mode,
                "start": clock.start,
                "orders_end": self._world.orders_end,
            },
        )

    def _advance(self, body: dict[str, Any]) -> Answer:
        to = datetime.fromisoformat(body["to"])
        if to.tzinfo is None:
            raise ValueError("'to' needs an offset, such as Z")
        if body.get("stop_before_overselling", False):
            self._world.advance_to_overselling(to)
        else:
            self._world.advance(to)
        return self._clock({})

    def _sent_shipments(self, _: dict[str, Any]) -> Answer:
        parcels = {
            parcel.number: parcel.parcel_id for parcel in self._world.warehouse.parcels.values()
        }
        return json_answer(
            200,
            [
                {
                    "shipment_id": shipment.shipment_id,
                    "parcel_id": parcels.get(shipment.tracking_number),
                    "carrier": shipment.carrier,
                    "tracking_number": shipment.tracking_number,
                    "accepted_at": shipment.accepted_epoch,
                }
                for shipment in self._world.market.shipments.values()
            ],
        )

    def _create_order(self, body: dict[str, Any]) -> Answer:
        lines = int(body.get("lines", 1))
        if not 1 <= lines <= 50:
            raise ValueError(f"lines={lines}: from 1 to 50")
        sku = body.get("sku")
        if sku is not None and not self._world.shelf.knows(sku):
            raise ValueError(f"OTTO knows no article {sku!r}")
        order = self._world.create_order(lines, sku)
        return json_answer(
            201,
            {
                "sales_order_id": order.order_id,
                "order_number": order.number,
                "position_item_ids": [item.item_id for item in order.items],
            },
        )

    def _dispatch(self, body: dict[str, Any]) -> Answer:
        order_id = body["sales_order_id"]
        if order_id not in self._world.warehouse.orders:
            return json_answer(404, {"error": f"the warehouse has no order {order_id}"})
        parcels = self._world.warehouse.dispatch_now(order_id)
        if not parcels:
            raise SandboxError(f"nothing of order {order_id} is left to dispatch")
        return json_answer(
            200,
            {
                "parcel_ids": [parcel.parcel_id for parcel in parcels],
                "tracking_numbers": [parcel.number for parcel in parcels],
            },
        )

    def _faults(self, body: dict[str, Any]) -> Answer:
        rate, kinds = float(body["transport_rate"]), body.get("kinds")
        if not 0 <= rate <= 1:
            raise ValueError(f"transport_rate={rate}: from 0 to 1")
        known = (*transport_faults.KINDS, *transport_faults.FURTHER_KINDS)
        unknown = set(kinds or ()) - set(known)
        if unknown:
            raise ValueError(f"kinds {sorted(unknown)}: choose of {known}")
        for app in self._faulty:
            app.use(rate, kinds)
        return json_answer(200, {"transport_rate": rate, "kinds": kinds})

    def _outage(self, body: dict[str, Any]) -> Answer:
        """Let a server be down in one of the ways of `OUTAGES`, or up again (null)."""
        server, how = body["server"], body["how"]
        if how is not None and how not in transport_faults.OUTAGES:
            raise ValueError(f"how={how!r}: null or one of {transport_faults.OUTAGES}")
        apps = {app.server: app for app in self._faulty}
        if server not in apps:
            raise ValueError(f"server={server!r}: one of {tuple(apps)}")
        apps[server].outage = how
        return json_answer(200, {"server": server, "how": how})

    def _expire_tokens(self, _: dict[str, Any]) -> Answer:
        self._desk.expire_all()
        return json_answer(200, {})


def _answering(control: Control) -> Callable[[dict[str, Any]], Answer]:
    return lambda body: json_answer(200, control(body))
