import threading
from itertools import pairwise
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.otto.limiter import RateLimiter, limits_of, shared_limiter


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


def limiter_on(time: Time, limits: list[tuple[int, float]]) -> RateLimiter:
    return RateLimiter(limits, clock=lambda: time.now, sleep=time.sleep)


def starts(time: Time, limiter: RateLimiter, count: int) -> list[float]:
    found = []
    for _ in range(count):
        limiter.acquire()
        found.append(time.now)
    return found


@given(
    st.lists(st.tuples(st.integers(1, 30), st.floats(0.5, 70)), min_size=1, max_size=2),
    st.lists(st.floats(0, 3), min_size=1, max_size=80),
)
def test_no_span_ever_holds_more_than_its_count(
    limits: list[tuple[int, float]], gaps: list[float]
) -> None:
    time = Time()
    limiter = limiter_on(time, limits)
    at = []
    for gap in gaps:
        time.now += gap
        at += starts(time, limiter, 1)
    for count, seconds in limits:
        assert all(
            later - earlier >= seconds - 1e-6
            for earlier, later in zip(at, at[count:], strict=False)
        )


def test_a_burst_within_the_limit_waits_for_nothing() -> None:
    time = Time()
    limiter = limiter_on(time, limits_of(20, 1200))
    assert starts(time, limiter, 20) == [0.0] * 20
    limiter.acquire()
    assert time.now == pytest.approx(1.0)


def test_the_limit_per_minute_binds_where_it_is_the_tighter_one() -> None:
    time = Time()
    limiter = limiter_on(time, limits_of(20, 30))
    assert starts(time, limiter, 31)[-1] == pytest.approx(60.0)


def test_a_rate_below_one_becomes_one_request_per_longer_span() -> None:
    assert limits_of(0.5, 1200)[0] == (1, 2.0)


def test_a_pause_holds_everybody_and_the_longer_pause_wins() -> None:
    time = Time()
    limiter = limiter_on(time, limits_of(20, 1200))
    limiter.pause(7)
    limiter.pause(3)
    limiter.acquire()
    assert time.now == pytest.approx(7.0)


def test_threads_share_one_count() -> None:
    lock = threading.Lock()
    moved = Time()

    def sleep(seconds: float) -> None:
        with lock:
            moved.now += seconds

    limiter = RateLimiter([(10, 5.0)], clock=lambda: moved.now, sleep=sleep)
    threads = [
        threading.Thread(target=lambda: [limiter.acquire() for _ in range(10)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # 40 requests at 10 per 5 s: the last ten cannot have started before 15 s.
    assert moved.now >= 15.0 - 1e-6


def test_clients_with_the_same_credentials_share_a_limiter() -> None:
    first = shared_limiter(("https://one", "me"), [(1, 1.0)])
    assert shared_limiter(("https://one", "me"), [(9, 9.0)]) is first
    assert shared_limiter(("https://one", "you"), [(1, 1.0)]) is not first


@given(
    st.lists(st.tuples(st.booleans(), st.floats(0, 0.5)), min_size=1, max_size=120),
    st.integers(2, 30),
    st.floats(0.01, 0.9),
)
def test_bulk_leaves_its_reserve_free_and_all_together_keep_the_limit(
    calls: list[tuple[bool, float]], count: int, reserve: float
) -> None:
    time = Time()
    limiter = RateLimiter([(count, 1.0)], reserve=reserve, clock=lambda: time.now, sleep=time.sleep)
    at: list[float] = []
    for bulk, gap in calls:
        time.now += gap
        limiter.acquire(bulk=bulk)
        at.append(time.now)
        if bulk:
            in_span = sum(moment + 1.0 > time.now for moment in at)
            assert in_span <= max(1, count - ceil(count * reserve))
    assert all(
        later - earlier >= 1.0 - 1e-6 for earlier, later in zip(at, at[count:], strict=False)
    )


def test_an_urgent_request_does_not_wait_behind_bulk() -> None:
    time = Time()
    limiter = RateLimiter([(20, 1.0)], reserve=0.05, clock=lambda: time.now, sleep=time.sleep)
    for _ in range(19):
        limiter.acquire(bulk=True)
    last = time.now
    assert last < 1.0
    limiter.acquire()
    assert time.now == last
    limiter.acquire(bulk=True)
    assert time.now > 1.0


def test_bulk_requests_start_evenly_spaced_and_use_all_of_their_share() -> None:
    time = Time()
    limiter = RateLimiter(
        limits_of(20, 1200), reserve=0.05, clock=lambda: time.now, sleep=time.sleep
    )
    at = []
    for _ in range(191):
        limiter.acquire(bulk=True)
        at.append(time.now)
    assert at[-1] == pytest.approx(10.0)
    assert all(later - earlier == pytest.approx(1 / 19) for earlier, later in pairwise(at))


def test_bulk_makes_up_for_a_start_a_little_late_and_not_for_a_break() -> None:
    time = Time()
    limiter = RateLimiter([(20, 1.0)], reserve=0.05, clock=lambda: time.now, sleep=time.sleep)
    limiter.acquire(bulk=True)
    time.now = 1 / 19 + 0.01
    limiter.acquire(bulk=True)
    limiter.acquire(bulk=True)
    assert time.now == pytest.approx(2 / 19)
    time.now = 10.0
    at = []
    for _ in range(3):
        limiter.acquire(bulk=True)
        at.append(time.now - 10.0)
    assert at == pytest.approx([0, 0.75 / 19, 1.75 / 19])


def test_a_count_of_one_has_no_reserve_and_bulk_still_gets_through() -> None:
    time = Time()
    limiter = RateLimiter([(1, 1.0)], reserve=0.5, clock=lambda: time.now, sleep=time.sleep)
    limiter.acquire(bulk=True)
    limiter.acquire(bulk=True)
    assert time.now == pytest.approx(1.0)
