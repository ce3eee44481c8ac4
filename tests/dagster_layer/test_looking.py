"""A look that misses is followed by the next one; only a tick that ends blind fails."""

from collections.abc import Callable

import dagster as dg
import pytest

from resources.wms.errors import WmsAuthError, WmsRetryable
from sensors.looking import look_for

DOWN = WmsRetryable("the WMS did not answer")


def looks(*answers: bool | Exception) -> Callable[[], bool]:
    """Answer in turn; the last answer stays."""
    rest = list(answers)

    def look() -> bool:
        answer = rest.pop(0) if len(rest) > 1 else rest[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return look


def found(look: Callable[[], bool], seconds: float = 0.05) -> bool:
    return look_for("stock", look, look_seconds=seconds, pause_seconds=0.001)


def test_news_behind_looks_without_an_answer_are_found() -> None:
    assert found(looks(DOWN, False, DOWN, True), seconds=30)


def test_an_answer_after_looks_without_one_is_silence() -> None:
    assert not found(looks(DOWN, DOWN, False))


def test_a_tick_that_ends_without_an_answer_fails() -> None:
    with pytest.raises(dg.Failure, match="news of stock: the WMS did not answer"):
        found(looks(False, DOWN))


def test_a_refusal_fails_at_once() -> None:
    answers = looks(WmsAuthError("check WMS_API_KEY"), True)
    with pytest.raises(dg.Failure, match="check WMS_API_KEY"):
        found(answers, seconds=30)
    assert answers()
