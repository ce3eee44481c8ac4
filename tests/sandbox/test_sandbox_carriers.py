"""Numbers of the simulated carriers."""

import random

import pytest

from otto_pipelines.sandbox.carriers import (
    CARRIERS,
    NumberRange,
    check_digit,
    choose,
    link,
    spoil,
    ups_check_digit,
)


@pytest.mark.parametrize(
    ("number", "weights"),
    [
        ("577546565072", (4, 9)),
        ("406522044489", (4, 9)),
        ("221557927533", (4, 9)),
        ("00340434268030693122", (3, 1)),
        ("09133131530724", (3, 1)),
    ],
)
def test_published_numbers_carry_the_computed_check_digit(
    number: str, weights: tuple[int, int]
) -> None:
    assert check_digit(number[:-1], weights) == number[-1]


def test_the_dummy_of_the_documentation_fails_its_check() -> None:
    assert check_digit("40652204448", (4, 9)) != "8"


@pytest.mark.parametrize(
    ("raw", "length", "weights"),
    [
        ("HERMES-STD", {14}, {14: (3, 1)}),
        ("DPD-CLASSIC", {14}, {14: (3, 1)}),
        ("GLS-BUSINESS", {12}, {12: (3, 1)}),
        ("DHL-PAKET", {12, 20}, {12: (4, 9), 20: (3, 1)}),
    ],
)
def test_numbers_are_valid_and_never_repeated(
    raw: str, length: set[int], weights: dict[int, tuple[int, int]]
) -> None:
    numbers = NumberRange(7)
    drawn = [numbers.tracking(raw) for _ in range(400)]
    assert len(set(drawn)) == 400
    assert {len(number) for number in drawn} == length
    for number in drawn:
        assert check_digit(number[:-1], weights[len(number)]) == number[-1]


def test_ups_numbers_follow_the_published_scheme() -> None:
    # 1Z999AA10123456784 is the example that UPS prints.
    assert ups_check_digit("999AA1012345678") == "4"
    number = NumberRange(7).tracking("UPS-STD")
    assert number[:2] == "1Z"
    assert len(number) == 18
    assert ups_check_digit(number[2:-1]) == number[-1]


def test_return_numbers_are_valid_and_never_repeated() -> None:
    numbers = NumberRange(7)
    drawn = [numbers.return_number() for _ in range(400)]
    assert len(set(drawn)) == 400
    assert all(len(n) == 12 and check_digit(n[:-1], (4, 9)) == n[-1] for n in drawn)


def test_a_spoilt_number_is_never_a_valid_one() -> None:
    rng, numbers = random.Random(3), NumberRange(7)
    for _ in range(400):
        raw = choose(rng, with_check_digit=True)
        good = numbers.tracking(raw)
        bad = spoil(good, rng)
        same_length = len(bad) == len(good)
        assert len(bad) < len(good) or (same_length and bad[:-1] == good[:-1] and bad != good)


def test_links_are_https_and_contain_the_number() -> None:
    for raw in (*CARRIERS, "XPRESS-24"):
        assert link(raw, "12345678").startswith("https://")
        assert "12345678" in link(raw, "12345678")
