"""Adapter `files` over SFTP, against a real sshd on this machine."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import paramiko
import pytest

from resources.wms.errors import WmsAuthError, WmsRetryable, WmsUnknownOutcome
from resources.wms.files.adapter import FilesWms
from resources.wms.files.policy import FilesPolicy
from resources.wms.files.sftp import SftpFolder, sftp_login
from resources.wms.port import SubmitOutcome
from tests.resources.wms.files_partner import Partner, an_order
from tests.resources.wms.sftp_server import SSHD, SftpServer, sftp_server

FolderMaker = Callable[..., SftpFolder]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SftpServer]:
    if not Path(SSHD).exists():
        reason = "sshd is not installed (apt install openssh-server)"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{reason}; CI must run these tests")
        pytest.skip(reason)
    with sftp_server(tmp_path_factory.mktemp("sftp")) as running:
        yield running


@pytest.fixture
def partner(server: SftpServer, tmp_path: Path) -> Partner:
    root = server.root / tmp_path.name
    root.mkdir()
    return Partner(root)


@pytest.fixture
def make_folder(server: SftpServer, partner: Partner) -> Iterator[FolderMaker]:
    opened: list[SftpFolder] = []

    def make(**changed: object) -> SftpFolder:
        settings = {"host_key": server.host_key, "key_file": server.key_file, **changed}
        url = f"{server.url}/{partner.root.name}"
        opened.append(SftpFolder(sftp_login(url, **settings), timeout_seconds=10))  # type: ignore[arg-type]
        return opened[-1]

    yield make
    for folder in opened:
        folder.close()


@pytest.fixture
def wms(make_folder: FolderMaker, tmp_path: Path) -> FilesWms:
    policy = FilesPolicy(settle_seconds=0, look_every_seconds=0)
    return FilesWms(make_folder(), policy, tmp_path / "state" / "files.sqlite")


def test_orders_leave_and_news_come_back(wms: FilesWms, partner: Partner) -> None:
    (result,) = wms.submit_orders([an_order()])
    assert result.outcome is SubmitOutcome.CREATED
    (name,) = partner.files("orders")
    assert partner.rows("orders", name)[0]["name"] == "Änne"
    partner.put(
        "dispatch",
        "d.csv",
        [
            {"order_ref": "order-1", "line_id": "l1", "tracking_number": "T1"},
            {"order_ref": "", "line_id": "l2", "tracking_number": "T1"},
        ],
    )
    partner.put("stock", "s.csv", [{"sku": "A", "on_hand": 3}])
    page = wms.poll_fulfilment(None)
    assert [event.parcels[0].tracking_number for event in page.events] == ["T1"]
    assert len(page.unreadable) == 1
    assert wms.stock_snapshot(["A"]).levels[0].on_hand == 3
    assert partner.files("dispatch/processed") == ["d.csv", "d.csv.reason.txt"]
    assert wms.health().ok


def test_a_server_with_another_key_gets_nothing(
    make_folder: FolderMaker, server: SftpServer, tmp_path: Path, partner: Partner
) -> None:
    folder = make_folder(host_key=server.other_key)
    wms = FilesWms(folder, FilesPolicy(), tmp_path / "files.sqlite")
    with pytest.raises(WmsAuthError, match="another key than WMS_SFTP_HOST_KEY"):
        wms.submit_orders([an_order()])
    assert list(partner.root.iterdir()) == []


def test_a_server_without_a_key_of_our_type_gets_nothing(make_folder: FolderMaker) -> None:
    key = paramiko.ECDSAKey.generate()
    folder = make_folder(host_key=f"{key.get_name()} {key.get_base64()}")
    with pytest.raises(WmsAuthError, match="WMS_SFTP_HOST_KEY"):
        folder.entries("")


def test_a_login_that_is_refused_names_what_to_check(
    make_folder: FolderMaker, server: SftpServer
) -> None:
    with pytest.raises(WmsAuthError, match="WMS_SFTP_KEY_FILE"):
        make_folder(key_file=server.other_key_file).entries("")
    with pytest.raises(WmsAuthError, match="WMS_API_KEY") as caught:
        make_folder(key_file=None, secret="s3cret").entries("")
    assert "s3cret" not in str(caught.value)


def test_a_connection_that_broke_is_opened_anew(make_folder: FolderMaker, partner: Partner) -> None:
    folder = make_folder()
    folder.make("orders")
    assert folder._ssh is not None
    transport = folder._ssh.get_transport()
    assert transport is not None
    transport.close()
    folder.publish("orders/a.csv", b"x")
    assert (partner.root / "orders" / "a.csv").read_bytes() == b"x"


def test_a_server_that_is_gone_is_tried_again_later(server: SftpServer) -> None:
    login = sftp_login(
        "sftp://somebody@127.0.0.1:1/x", host_key=server.host_key, key_file=server.key_file
    )
    with pytest.raises(WmsRetryable, match=r"sftp://127\.0\.0\.1:1/x"):
        SftpFolder(login, timeout_seconds=2).entries("")


def test_a_renaming_without_answer_is_unknown_and_the_repeat_writes_one_file(
    wms: FilesWms, partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = paramiko.SFTPClient.posix_rename

    def silent(self: paramiko.SFTPClient, source: str, target: str) -> None:
        rename(self, source, target)
        raise TimeoutError

    with monkeypatch.context() as patched:
        patched.setattr(paramiko.SFTPClient, "posix_rename", silent)
        with pytest.raises(WmsUnknownOutcome, match="no answer to the renaming"):
            wms.submit_orders([an_order()])
    (result,) = wms.submit_orders([an_order()])
    assert result.outcome is SubmitOutcome.CREATED
    assert len(partner.files("orders")) == 1


def test_a_missing_file_is_a_missing_file_and_a_folder_is_made_once(
    make_folder: FolderMaker,
) -> None:
    folder = make_folder()
    folder.make("a/b")
    folder.make("a/b")
    assert folder.exists("a/b")
    with pytest.raises(FileNotFoundError):
        folder.read("a/b/none.csv")
    folder.remove("a/b/none.csv")


def test_two_adapters_work_at_once(
    make_folder: FolderMaker, partner: Partner, tmp_path: Path
) -> None:
    policy = FilesPolicy(settle_seconds=0, look_every_seconds=0)
    state = tmp_path / "state" / "files.sqlite"
    both = [FilesWms(make_folder(), policy, state) for _ in range(2)]
    orders = [an_order(f"order-{number}") for number in range(10)]
    threads = [threading.Thread(target=wms.submit_orders, args=(orders,)) for wms in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(partner.files("orders")) == 10


@pytest.mark.parametrize(
    ("url", "settings", "reason"),
    [
        ("sftp://host/x", {"secret": "p"}, "sftp://user@host"),
        ("ftp://me@host/x", {"secret": "p"}, "sftp://user@host"),
        ("sftp://me:pw@host/x", {}, "WMS_API_KEY"),
        ("sftp://me@host/x", {}, "or WMS_SFTP_KEY_FILE"),
        ("sftp://me@host/x", {"secret": "p", "host_key": "rsa"}, "WMS_SFTP_HOST_KEY"),
        ("sftp://me@host/x", {"secret": "p", "host_key": "ssh-ed25519 ??"}, "WMS_SFTP_HOST_KEY"),
    ],
)
def test_settings_that_cannot_work_name_their_variable(
    url: str, settings: dict[str, str], reason: str
) -> None:
    good = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1SxT5pnZ6wmeE0IVC5HCNQO0VkJ8jcEHPn2yoE3aVn"
    with pytest.raises(ValueError, match=reason) as caught:
        sftp_login(url, **{"host_key": good, **settings})  # type: ignore[arg-type]
    assert ":pw@" not in str(caught.value)
