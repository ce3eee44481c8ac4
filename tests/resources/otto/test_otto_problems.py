import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.otto.errors import ApiProblem, OttoPermanent
from resources.otto.problems import json_object, problems_of
from tests.resources.otto.fake_otto import HTML


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (  # orders
            {"errors": [{"path": "/v4/orders", "title": "Not Found", "detail": "no order"}]},
            ApiProblem(400, "Not Found", "no order", "/v4/orders"),
        ),
        (  # shipments
            {
                "errors": [
                    {
                        "title": "PROPERTY_IS_MANDATORY",
                        "path": "/shipments",
                        "jsonPath": "trackingKey",
                    }
                ]
            },
            ApiProblem(400, "PROPERTY_IS_MANDATORY", None, "/shipments", "trackingKey"),
        ),
        (  # the general form, code as a number, one object instead of a list
            {"errors": {"title": "t", "detail": "d", "jsonpath": "$.a", "code": 100004}},
            ApiProblem(400, "t", "d", None, "$.a", "100004"),
        ),
        (  # flat
            {"path": "/p", "title": "t", "code": "7", "detail": "d", "logref": "x"},
            ApiProblem(400, "t", "d", "/p", None, "7", "x"),
        ),
        (  # shipping profiles
            {"title": "Invalid", "status": 400, "validationErrors": [{"detail": "too long"}]},
            ApiProblem(400, "Invalid", "too long"),
        ),
        ({"message": "Forbidden"}, ApiProblem(400, "Forbidden")),
        ({"error": "invalid_scope"}, ApiProblem(400, "invalid_scope")),
        ({"something": "else"}, ApiProblem(400, "the answer has no readable error")),
        ({"errors": []}, ApiProblem(400, "the answer has no readable error")),
    ],
)
def test_each_form_of_error_body_is_read(body: object, expected: ApiProblem) -> None:
    assert problems_of(400, json.dumps(body).encode()) == (expected,)


def test_html_and_empty_bodies_are_named_and_not_echoed() -> None:
    assert problems_of(403, HTML)[0].title == "answer is no JSON, perhaps from a gateway"
    assert problems_of(403, b" ")[0].title == "empty answer"


def test_fields_are_one_short_printable_line() -> None:
    body = json.dumps({"title": "a\nb\x1b[31m", "detail": "x" * 9999}).encode()
    (problem,) = problems_of(400, body)
    assert problem.title == "a b [31m"
    assert len(problem.detail or "") == 300


def test_titles_and_places_reach_the_person() -> None:
    problem = ApiProblem(400, "WRONG", "bad number", json_path="positionItems[0]")
    assert str(problem) == "WRONG at positionItems[0]: bad number"
    assert OttoPermanent("text", status=409, problems=[problem]).titles == {"WRONG"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["errors", "title", "detail", "code", "message", "validationErrors"])
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(st.integers(300, 599), JSON.map(lambda value: json.dumps(value).encode()) | st.binary())
def test_reading_an_error_body_never_fails(status: int, body: bytes) -> None:
    found = problems_of(status, body)
    assert found
    assert all(problem.status == status and problem.title for problem in found)
    assert "\n" not in "".join(str(problem) for problem in found)


def test_a_body_nested_without_end_is_no_object() -> None:
    assert json_object(b'{"a":' * 100_000) is None
