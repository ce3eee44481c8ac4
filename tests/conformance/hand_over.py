"""A process of its own that hands orders over to the warehouse, as a second run beside another.

python -m tests.conformance.hand_over <operations url> <WMS_BASE_URL> <model file> < key
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

from assets.outbound.delivery import deliver
from assets.outbound.wms_order import WmsOrderHandler, enqueue_orders
from resources.clock import SystemClock
from resources.operating_model import load_operating_model
from resources.operations.database import OperationsDatabase
from resources.operations.outbox import Outbox
from resources.wms.tryton.adapter import TrytonWms


def main(operations_url: str, wms_url: str, model_file: str) -> None:
    model = load_operating_model(Path(model_file))
    policy = model.outbox.model_copy(update={"batch": 5})
    db = OperationsDatabase(operations_url)
    wms = TrytonWms(wms_url, sys.stdin.readline().strip(), model.http, model.wms.tryton)
    enqueue_orders(db, datetime.now(UTC))
    handler = WmsOrderHandler(db, wms, model, SystemClock())
    sys.stdout.write(f"{dict(deliver(Outbox(db, policy), handler, policy))}\n")
    wms.close()
    db.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
