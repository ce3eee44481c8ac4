import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.rules.tracking import check_digit, check_tracking_number, tracking_url

DIGITS = "0123456789"


def status(carrier, number):
    return check_tracking_number(carrier, number).status


def numbers(body_length, weights, prefix=""):
    """Numbers with a right check digit, without repetitions of one digit."""
    bodies = st.text(DIGITS, min_size=body_length, max_size=body_length).map(prefix.__add__)
    complete = bodies.map(lambda body: body + str(check_digit(body, weights)))
    return complete.filter(lambda number: len(set(number)) > 1)


SCHEMES = {
    "DHL 12": ("DHL", numbers(11, (4, 9)), (4, 9)),
    "DHL 20": ("DHL", numbers(15, (3, 1), "0034"), (3, 1)),
    "HERMES 14": ("HERMES", numbers(13, (3, 1)), (3, 1)),
    "DPD 14": ("DPD", numbers(13, (3, 1)), (3, 1)),
}


@pytest.mark.parametrize(
    ("carrier", "number"),
    [
        ("DHL", "577546565072"),
        ("DHL", "406522044489"),
        ("DHL", "221557927533"),
        ("DHL", "00340434268030693122"),
        ("HERMES", "09133131530724"),
        ("DPD", "09133131530724"),
        ("GLS", "ZK3R8F2A"),
        ("GLS", "12345678901"),
        ("GLS", "12345678901234"),
        ("UPS", "1Z999AA10123456784"),
    ],
)
def test_real_numbers_of_known_carriers_are_valid(carrier, number):
    assert status(carrier, number) == "valid"


@pytest.mark.parametrize(
    ("carrier", "number"),
    [
        ("DHL", "406522044488"),
        ("DHL", "00340434268030693123"),
        ("DHL", "10340434268030693122"),
        ("DHL", "57754656507"),
        ("DHL", "5775465650722"),
        ("DHL", "577546565072\n"),
        ("DHL", "٥٧٧٥٤٦٥٦٥٠٧٢"),
        ("HERMES", "09133131530725"),
        ("HERMES", "9133131530724"),
        ("DPD", "0913313153072"),
        ("DPD", "09133131530725"),
        ("GLS", "ZK3R8F2"),
        ("GLS", "123456789"),
        ("UPS", "1Z999AA1012345678"),
        ("UPS", "2Z999AA10123456784"),
    ],
)
def test_numbers_that_cannot_be_the_carriers_are_invalid(carrier, number):
    assert status(carrier, number) == "invalid"


@pytest.mark.parametrize("carrier", ["DHL", "HERMES", "DPD", "GLS", "UPS", "DACHSER"])
@pytest.mark.parametrize(
    "number",
    [
        "",
        " ",
        "n/a",
        "N/A",
        "tbd",
        "TBD",
        "000000000000",
        "00000000000000",
        "XXXXXXXX",
        " 577546565072",
        "5775 4656 5072",
        "zk3r8f2a",
        "1z999aa10123456784",
    ],
)
def test_placeholders_blanks_and_lower_case_are_invalid_for_every_carrier(carrier, number):
    assert status(carrier, number) == "invalid"


@pytest.mark.parametrize(
    ("carrier", "number"),
    [
        ("DACHSER", "4711-0815"),
        ("DHL_EXPRESS", "1234567890"),
        ("HERMES", "H1234567890123456789"),
        ("DHL", "JJD014600003000123456"),
    ],
)
def test_plausible_numbers_without_a_known_check_are_unverified_and_never_silently_valid(
    carrier, number
):
    verdict = check_tracking_number(carrier, number)
    assert verdict.status == "unverified"
    assert verdict.reason


@pytest.mark.parametrize("scheme", SCHEMES)
@given(data=st.data())
def test_a_number_with_its_check_digit_is_valid(scheme, data):
    carrier, strategy, _ = SCHEMES[scheme]
    assert status(carrier, data.draw(strategy)) == "valid"


@pytest.mark.parametrize("scheme", SCHEMES)
@given(data=st.data())
def test_one_wrong_digit_is_caught_wherever_the_scheme_can_see_it(scheme, data):
    carrier, strategy, weights = SCHEMES[scheme]
    number = data.draw(strategy)
    place = data.draw(st.integers(0, len(number) - 1))
    digit = data.draw(st.sampled_from([d for d in DIGITS if d != number[place]]))
    weight = 1 if place == len(number) - 1 else weights[place % 2]
    # A weight of 4 cannot tell digits that differ by 5 apart; 9, 3 and 1 tell all digits apart.
    if weight == 4 and abs(int(digit) - int(number[place])) == 5:
        return
    assert status(carrier, number[:place] + digit + number[place + 1 :]) == "invalid"


@given(st.text(max_size=60), st.sampled_from(["DHL", "HERMES", "DPD", "GLS", "UPS", "OTHER"]))
def test_any_text_gets_a_verdict_and_only_plain_ascii_passes(number, carrier):
    if status(carrier, number) != "invalid":
        assert number.isascii()
        assert number == number.strip().upper()


def test_the_link_is_the_template_with_the_encoded_number():
    url = tracking_url("https://carrier.example/track?no={number}&lang=de", "AB/1 2?&x")
    assert url == "https://carrier.example/track?no=AB%2F1%202%3F%26x&lang=de"


@pytest.mark.parametrize(
    "template",
    [
        "http://carrier.example/{number}",
        "https://carrier.example/",
        "https:///{number}",
        "{number}",
    ],
)
def test_a_link_that_is_not_https_or_lacks_the_number_is_refused(template):
    with pytest.raises(ValueError, match="https address that contains"):
        tracking_url(template, "577546565072")
