"""Adapter `files` and retention: which files go, which stay."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from resources.wms.errors import WmsUnknownOutcome
from resources.wms.files.adapter import FilesWms
from resources.wms.files.folder import LocalFolder, hidden
from resources.wms.keeping import KeepsFiles
from tests.resources.wms.files_partner import AT, Partner, an_order

LATER = AT + timedelta(days=30)
ARRIVAL = {"order_ref": "order-1", "line_id": "l1", "quantity": "1", "consignee": "Änne"}


def over(*ended: str) -> object:
    return lambda refs: set(refs) & set(ended)


def test_only_files_of_orders_that_are_over_go(wms: FilesWms, partner: Partner) -> None:
    wms.submit_orders([an_order("order-1"), an_order("order-2")])
    partner.put_text("orders", "ORD_note.csv", "the partner's own")
    assert isinstance(wms, KeepsFiles)
    assert wms.erase_files(LATER, over("order-1")) == (1, 1)
    assert [name.split("_")[1] for name in partner.files("orders")] == ["note.csv", "order-2"]
    assert wms.erase_files(LATER, over("order-1")) == (0, 1)


@pytest.mark.parametrize(("age", "left"), [(timedelta(days=29), 1), (timedelta(days=31), 0)])
def test_files_that_were_taken_in_go_by_their_age(
    wms: FilesWms, partner: Partner, age: timedelta, left: int
) -> None:
    path = partner.put("dispatch", "d.csv", [ARRIVAL])
    moment = (LATER - age).timestamp()
    os.utime(path, (moment, moment))
    wms.poll_fulfilment(None)
    assert partner.files("dispatch") == []
    erased = wms.erase_files(LATER - timedelta(days=30), over())
    stayed = [*partner.files("dispatch/processed"), *partner.files("dispatch/error")]
    assert erased.left == len(stayed)
    assert ("d.csv" in stayed) is bool(left)


def test_a_file_that_was_begun_and_never_completed_goes_with_its_order(
    wms: FilesWms, partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks_off(self: LocalFolder, path: str, content: bytes) -> None:
        (partner.root / hidden(path)).write_bytes(content)
        raise WmsUnknownOutcome("killed")

    with monkeypatch.context() as patched:
        patched.setattr(LocalFolder, "publish", breaks_off)
        with pytest.raises(WmsUnknownOutcome):
            wms.submit_orders([an_order("order-1")])
    assert _names(partner.root / "orders") != []
    wms.erase_files(LATER, over("order-2"))
    assert _names(partner.root / "orders") != []
    wms.erase_files(LATER, over("order-1"))
    assert _names(partner.root / "orders") == []


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]
