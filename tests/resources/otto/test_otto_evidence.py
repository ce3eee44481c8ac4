from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from resources.otto.evidence import EvidenceError, EvidenceStore

AT = datetime(2026, 11, 22, 14, 5, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> EvidenceStore:
    return EvidenceStore(tmp_path / "evidence")


def test_a_page_is_read_as_it_came(store: EvidenceStore) -> None:
    reference = store.keep("orders", "run", 1, AT, b'{"a": "\xff"}')
    assert reference == "orders/2026-11-22/run-00001.json.gz"
    assert store.read(reference) == b'{"a": "\xff"}'


def test_only_this_user_may_read(store: EvidenceStore, tmp_path: Path) -> None:
    reference = store.keep("orders", "run", 1, AT, b"{}")
    file = tmp_path / "evidence" / reference
    assert file.stat().st_mode & 0o777 == 0o600
    for folder in (file.parent, file.parent.parent, tmp_path / "evidence"):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_evidence_is_never_overwritten(store: EvidenceStore) -> None:
    store.keep("orders", "run", 1, AT, b"first")
    with pytest.raises(FileExistsError):
        store.keep("orders", "run", 1, AT, b"second")


def test_purging_erases_whole_days_that_are_over(store: EvidenceStore) -> None:
    old = store.keep("orders", "run", 1, AT - timedelta(days=2), b"old")
    store.keep("orders", "run", 2, AT - timedelta(days=2), b"old")
    yesterday = store.keep("orders", "run", 1, AT - timedelta(days=1), b"yesterday")
    assert store.purge(AT - timedelta(days=1)) == 2
    assert store.read(yesterday) == b"yesterday"
    with pytest.raises(EvidenceError, match="retention erased it"):
        store.read(old)
    assert store.purge(AT.replace(hour=0, minute=0, second=0)) == 1


def test_purging_leaves_foreign_folders_alone(store: EvidenceStore, tmp_path: Path) -> None:
    foreign = tmp_path / "evidence" / "orders" / "notes"
    foreign.mkdir(parents=True)
    assert store.purge(AT) == 0
    assert foreign.exists()


@pytest.mark.parametrize("reference", ["../secret", "/etc/passwd", "orders/../../x"])
def test_a_reference_never_leaves_the_store(store: EvidenceStore, reference: str) -> None:
    with pytest.raises(EvidenceError, match="is no reference"):
        store.read(reference)


@pytest.mark.parametrize("damage", [b"", b"no gzip", None])
def test_damaged_evidence_is_named(
    store: EvidenceStore, tmp_path: Path, damage: bytes | None
) -> None:
    reference = store.keep("orders", "run", 1, AT, b"content" * 100)
    file = tmp_path / "evidence" / reference
    file.write_bytes(file.read_bytes()[:-9] if damage is None else damage)
    with pytest.raises(EvidenceError, match="damaged"):
        store.read(reference)
