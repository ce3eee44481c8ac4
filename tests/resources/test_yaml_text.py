"""YAML of a person: every mistake is told, and none ends the process."""

import pytest
import yaml

from resources.yaml_text import read_yaml


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[" * 200_000, "line 1: nested"),
        ("- " * 30 + "x", "line 1: nested"),
        ("a: 1\nb: 2\na: 3", "line 3: 'a' stands twice"),
        ("a:\n  b: 1\n  b: 2", "line 3: 'b' stands twice"),
        ("a: 2026-13-45", "a number or time that is none"),
        ("a: !!timestamp x", "a number or time that is none"),
        ("a: !!bool x", "a number or time that is none"),
        ("a: !!python/object/apply:os.system [ls]", "could not determine"),
        ("{[a]: b}", "unhashable"),
    ],
)
def test_a_mistake_is_named(text: str, told: str) -> None:
    with pytest.raises(yaml.YAMLError, match=told):
        read_yaml(text)


def test_sound_yaml_is_read_as_it_is() -> None:
    text = "base: &base {a: 1}\nmore: {<<: *base, b: [1, 2.5, x]}\n"
    assert read_yaml(text) == {"base": {"a": 1}, "more": {"a": 1, "b": [1, 2.5, "x"]}}
