from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from resources.operating_model import Http
from resources.otto.client import OttoClient, OttoSettings
from tests.resources.otto.fake_otto import SECRET, FakeOtto

FAST = Http(
    timeout_seconds=5,
    requests_per_second=10_000,
    requests_per_minute=600_000,
    attempts=4,
    first_backoff_seconds=0.5,
    longest_backoff_seconds=30,
)


@pytest.fixture
def otto() -> Iterator[FakeOtto]:
    fake = FakeOtto()
    yield fake
    fake.stop()


@pytest.fixture
def settings(otto: FakeOtto, tmp_path: Path) -> Callable[..., OttoSettings]:
    def make(**changes: Any) -> OttoSettings:
        return OttoSettings(
            **{
                "base_url": otto.base_url,
                "client_id": "me",
                "client_secret": SECRET,
                "state_dir": tmp_path / "state",
                "http": FAST,
                **changes,
            }
        )

    return make


@pytest.fixture
def slept() -> list[float]:
    """Seconds that the client meant to wait between attempts."""
    return []


@pytest.fixture
def client(
    otto: FakeOtto, settings: Callable[..., OttoSettings], slept: list[float]
) -> Iterator[OttoClient]:
    with OttoClient(settings(), sleep=slept.append, jitter=lambda low, high: high) as opened:
        yield opened
    # Whatever a test did with the client, it kept to the contract.
    assert otto.violations == []
