"""Every error message that a person can meet, read from the code that raises it.

Belongs here: finding the messages and showing them with placeholders. Their words stand where they
are raised, so the catalogue cannot drift; that each says what to do is held by a test.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
_PACKAGES = ("resources", "assets", "sensors", "otto_pipelines")
# The sandbox is no part of an installation; what it raises, only engineers meet.
_LEFT_OUT = ("otto_pipelines/sandbox",)
_CURE = "What to do:"
_SHORTEST = 12
# What a call only passes on: the placeholder is named after what is passed.
_PASSING = {"join", "strip", "get", "splitlines", "group", "len", "str", "repr", "sorted"}


@dataclass(frozen=True)
class Kind:
    """One class of errors: what it means, what to do about it, and its messages."""

    name: str
    meaning: str
    cure: str
    messages: tuple[str, ...]


def catalogue() -> list[Kind]:
    """All kinds of errors of our own that are raised with words, by name."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in _modules()]
    kinds = {name: docstring for tree in trees for name, docstring in _kinds(tree)}
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for tree in trees:
        for kind, text in _raised(tree):
            if kind in kinds:
                found[kind][text] = None
    return [
        Kind(name, *_meaning_and_cure(kinds[name]), tuple(found[name])) for name in sorted(found)
    ]


def _meaning_and_cure(docstring: str) -> tuple[str, str]:
    paragraphs = [" ".join(part.split()) for part in docstring.split("\n\n")]
    cures = [part.removeprefix(_CURE).strip() for part in paragraphs if part.startswith(_CURE)]
    return paragraphs[0], cures[0] if cures else ""


def _modules() -> Iterator[Path]:
    for package in _PACKAGES:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            if not path.relative_to(REPOSITORY).as_posix().startswith(_LEFT_OUT):
                yield path


def _kinds(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Classes of exceptions with their docstrings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any(map(_is_exception, node.bases)):
            yield node.name, ast.get_docstring(node) or ""


def _is_exception(base: ast.expr) -> bool:
    name = base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")
    return name.endswith(("Exception", "Error", "Failure", "Retryable", "Transient", "Permanent"))


def _raised(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            text = " ".join(_text(node.args[0]).split()) if node.args else ""
            if len(text.replace("<", "")) >= _SHORTEST and " " in text:
                yield name, text


def _text(node: ast.expr) -> str:
    """The words of an expression; what is filled in is shown by its name."""
    match node:
        case ast.Constant(value=str(value)):
            return value
        case ast.JoinedStr(values=values):
            return "".join(map(_text, values))
        case ast.FormattedValue(value=value):
            return f"<{_name(value)}>"
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text(left) + _text(right)
        case _:
            return f"<{_name(node)}>"


def _name(node: ast.expr) -> str:  # noqa: PLR0911 - one case a line
    match node:
        case ast.Name(id=name) if name != "self":
            return name.strip("_")
        case ast.Constant(value=value):
            return str(value)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return f"{_name(left)}/{_name(right)}"
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[first, *_]) if (
            name in _PASSING
        ):
            return _name(first)
        case ast.Call(func=ast.Attribute(attr=name, value=value)) if name in _PASSING:
            return _name(value)
        case ast.Attribute(attr=name) | ast.Call(func=ast.Attribute(attr=name)):
            return name.strip("_")
        case ast.Call(func=ast.Name(id=name)):
            return name.strip("_")
        case ast.Subscript(value=value) | ast.Starred(value=value):
            return _name(value)
        case ast.GeneratorExp(elt=element) | ast.ListComp(elt=element):
            return _name(element)
        case _:
            return "…"
