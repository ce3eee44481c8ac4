"""Fixtures for the adapters: a partner's folders and the adapter that works with them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from resources.wms.files.adapter import FilesWms
from resources.wms.files.folder import LocalFolder
from resources.wms.files.policy import FilesPolicy
from tests.resources.wms.files_partner import Partner

AdapterMaker = Callable[..., FilesWms]


@pytest.fixture
def partner(tmp_path: Path) -> Partner:
    root = tmp_path / "partner"
    root.mkdir()
    return Partner(root)


@pytest.fixture
def make_adapter(tmp_path: Path, partner: Partner) -> Iterator[AdapterMaker]:
    """Adapters on the same folders and state; settings of the policy by name."""
    opened: list[FilesWms] = []

    def make(**settings: object) -> FilesWms:
        policy = FilesPolicy.model_validate(
            {"settle_seconds": 0, "look_every_seconds": 0, **settings}
        )
        adapter = FilesWms(LocalFolder(partner.root), policy, tmp_path / "state" / "files.sqlite")
        opened.append(adapter)
        return adapter

    yield make
    for adapter in opened:
        adapter.close()


@pytest.fixture
def wms(make_adapter: AdapterMaker) -> FilesWms:
    return make_adapter()
