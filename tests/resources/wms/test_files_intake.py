"""Adapter `files`: a file is read when it is complete, once, whatever breaks off in between."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from resources.wms.files.adapter import FilesWms
from resources.wms.files.folder import LocalFolder
from tests.resources.wms.conftest import AdapterMaker
from tests.resources.wms.files_partner import Partner

ACCEPTED = {"order_ref": "order-1", "event": "ACCEPTED", "line_id": "l1", "sku": "A"}


def _ids(wms: FilesWms) -> list[str]:
    return [event.order_ref for event in wms.poll_fulfilment(None).events]


def test_a_file_that_still_grows_is_left_alone(
    make_adapter: AdapterMaker, partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    wms = make_adapter(settle_seconds=60)
    now = wms._now()

    def at(seconds: float) -> list[str]:
        moment = type(now).fromtimestamp(now.timestamp() + seconds, now.tzinfo)
        monkeypatch.setattr(wms._intake, "_now", lambda: moment)
        return _ids(wms)

    path = partner.put("dispatch", "d.csv", [ACCEPTED])
    assert at(0) == []
    assert at(59) == []
    path.write_text(path.read_text() + "order-2;ACCEPTED;l1;A\r\n")
    assert at(61) == []
    assert at(120) == []
    assert at(121) == ["order-1", "order-2"]


def test_with_a_done_marker_only_the_marker_counts(
    make_adapter: AdapterMaker, partner: Partner
) -> None:
    wms = make_adapter(settle_seconds=3600, done_marker=".done")
    partner.put("dispatch", "d.csv", [ACCEPTED])
    assert _ids(wms) == []
    partner.put_text("dispatch", "d.csv.done", "")
    assert _ids(wms) == ["order-1"]
    assert partner.files("dispatch") == []


@pytest.mark.parametrize("name", [".d.csv.part", "d.csv.tmp", "d.csv.part", "d.csv.filepart"])
def test_unfinished_names_are_left_alone(
    make_adapter: AdapterMaker, partner: Partner, name: str
) -> None:
    wms = make_adapter(dispatch={"pattern": "*"})
    partner.put("dispatch", name, [ACCEPTED])
    assert _ids(wms) == []
    assert partner.files("dispatch") == [name]


@pytest.mark.parametrize("broken", ["publish", "move"])
def test_a_crash_before_a_file_is_put_away_tells_nothing_twice(
    make_adapter: AdapterMaker,
    partner: Partner,
    monkeypatch: pytest.MonkeyPatch,
    broken: str,
) -> None:
    wms = make_adapter()
    partner.put("dispatch", "d.csv", [ACCEPTED, ACCEPTED | {"order_ref": ""}])

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(LocalFolder, broken, crash)
        with pytest.raises(KeyboardInterrupt):
            wms.poll_fulfilment(None)
    assert partner.files("dispatch") == ["d.csv"]
    page = make_adapter().poll_fulfilment(None)
    assert (len(page.events), len(page.unreadable)) == (1, 1)
    assert partner.files("dispatch/processed") == ["d.csv", "d.csv.reason.txt"]
    assert "row 3" in (partner.root / "dispatch/processed/d.csv.reason.txt").read_text()


def test_a_crash_while_a_file_is_read_leaves_it_for_the_next_look(
    make_adapter: AdapterMaker, partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    wms = make_adapter()
    partner.put("dispatch", "d.csv", [ACCEPTED])

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("resources.wms.files.dispatch.tell_event", crash)
        with pytest.raises(KeyboardInterrupt):
            wms.poll_fulfilment(None)
    assert _ids(make_adapter()) == ["order-1"]


def test_several_processes_take_each_file_once(
    make_adapter: AdapterMaker, partner: Partner
) -> None:
    for number in range(10):
        row = ACCEPTED | {"order_ref": f"order-{number}"}
        partner.put("dispatch", f"{number}.csv", [row])
    adapters = [make_adapter() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda wms: wms.poll_fulfilment(None), adapters))
    assert sorted(_ids(adapters[0])) == [f"order-{number}" for number in range(10)]
    assert len(partner.files("dispatch/processed")) == 10


def test_a_file_that_arrives_late_with_an_old_time_is_not_lost(
    wms: FilesWms, partner: Partner
) -> None:
    partner.put("dispatch", "2.csv", [ACCEPTED | {"order_ref": "second"}])
    cursor = wms.poll_fulfilment(None).next_cursor
    late = partner.put("dispatch", "1.csv", [ACCEPTED | {"order_ref": "first"}])
    os.utime(late, (1, 1))
    assert [event.order_ref for event in wms.poll_fulfilment(cursor).events] == ["first"]


def test_a_lost_state_starts_the_feed_anew_instead_of_skipping_news(
    make_adapter: AdapterMaker, partner: Partner, tmp_path: Path
) -> None:
    wms = make_adapter()
    for number in range(3):
        partner.put("dispatch", f"{number}.csv", [ACCEPTED | {"order_ref": f"order-{number}"}])
    cursor = wms.poll_fulfilment(None).next_cursor
    for file in (tmp_path / "state").iterdir():
        file.unlink()
    partner.put("dispatch", "new.csv", [ACCEPTED | {"order_ref": "new"}])
    assert [e.order_ref for e in make_adapter().poll_fulfilment(cursor).events] == ["new"]


def test_between_two_looks_the_folders_are_left_in_peace(
    make_adapter: AdapterMaker, partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    wms = make_adapter(look_every_seconds=3600)
    looks: list[str] = []
    entries = LocalFolder.entries

    def counted(self: LocalFolder, folder: str) -> object:
        looks.append(folder)
        return entries(self, folder)

    monkeypatch.setattr(LocalFolder, "entries", counted)
    for _ in range(3):
        wms.poll_fulfilment(None)
    make_adapter(look_every_seconds=3600).poll_returns(None)
    assert looks == ["dispatch", "stock", "returns"]


def test_links_are_not_followed(wms: FilesWms, partner: Partner, tmp_path: Path) -> None:
    wms.poll_fulfilment(None)
    secret = tmp_path / "secret.csv"
    secret.write_text("order_ref;event\r\nx;ACCEPTED\r\n")
    (partner.root / "dispatch" / "link.csv").symlink_to(secret)
    assert wms.poll_fulfilment(None).events == ()
    assert secret.exists()
