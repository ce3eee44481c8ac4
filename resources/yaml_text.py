"""YAML as a person writes it, read so that every mistake is told and none ends the process.

Belongs here: what the parser's own checks leave out. What the content means belongs to the reader.
"""

from collections.abc import Hashable
from typing import Any

import yaml

# Each run reads the file some times; the loader in C is as safe and ten times as fast.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEEPEST = 20
# What YAML's own constructors raise for a word that is tagged as a number or time, and is none.
_NO_VALUE = (ValueError, KeyError, TypeError, AttributeError, OverflowError)


def read_yaml(text: str) -> object:
    """What the text says; null for an empty one.

    Raises:
        yaml.YAMLError: it is no YAML, is nested too deeply, or names an entry twice.
    """
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            # The composer in C calls itself for each level, and would end this process.
            raise yaml.YAMLError(f"{_place(event)}: nested more than {_DEEPEST} levels deep")
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe one
    except _NO_VALUE as error:
        raise yaml.YAMLError(
            f"a number or time that is none ({error}); put it in quotes"
        ) from error


class _Loader(_LOADER):  # type: ignore[misc] # chosen at import
    """Refuses an entry that stands twice, of which YAML silently takes the later one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Look at the names before they become one."""
        names: set[object] = set()
        for name, _ in node.value:
            if isinstance(name, yaml.ScalarNode):
                if name.value in names:
                    raise yaml.YAMLError(f"{_place(name)}: {name.value!r} stands twice: keep one")
                names.add(name.value)
        found: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return found


def _place(found: Any) -> str:
    mark = found.start_mark
    return f"line {mark.line + 1}" if mark else "somewhere"
