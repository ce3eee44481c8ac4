"""Every error that a person can meet says what it means and what to do."""

import ast

import pytest

from tools import error_catalogue
from tools.error_catalogue import Kind, catalogue

KINDS = catalogue()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_of_error_says_what_it_means_and_what_to_do(kind: Kind) -> None:
    assert kind.meaning
    assert kind.cure, f"add a paragraph 'What to do: …' to the docstring of {kind.name}"


def test_the_errors_that_commands_explain_are_all_in_the_catalogue() -> None:
    from otto_pipelines.commands.opening import EXPECTED

    named = {kind.name for kind in KINDS}
    assert {
        error.__name__
        for error in EXPECTED
        if error.__name__ not in named and not error.__subclasses__()
    } == set()


def test_a_message_is_shown_with_the_names_of_what_it_fills_in() -> None:
    code = '''
class NoRoomError(Exception):
    """There is no room."""

def check(self, rows):
    raise NoRoomError(f"{self.path}: {len(rows)} rows, {', '.join(rows)}; " + "free some room")
'''
    tree = ast.parse(code)
    assert list(error_catalogue._raised(tree)) == [
        ("NoRoomError", "<path>: <rows> rows, <rows>; free some room")
    ]
    assert list(error_catalogue._kinds(tree)) == [("NoRoomError", "There is no room.")]


def test_a_kind_without_a_cure_would_be_found() -> None:
    assert error_catalogue._meaning_and_cure("It broke.\n\nIn two.") == ("It broke.", "")
    assert error_catalogue._meaning_and_cure("It broke.\n\nWhat to do: mend\nit.") == (
        "It broke.",
        "mend it.",
    )
