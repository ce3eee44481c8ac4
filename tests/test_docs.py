"""The documents say what the code says: tables, checks, commands, variables, queries and links."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from assets.contracts.money_rules import MONEY_RULES
from assets.contracts.price_rules import PRICE_RULES
from assets.contracts.rules import RULES
from assets.reconciliation.break_kinds import BREAK_KINDS
from assets.rules.shipment_gate import GATE_RULES
from otto_pipelines.cli import app
from otto_pipelines.definitions import build_definitions
from resources import settings
from resources.operating_model import Reconciliation
from tools import doc_tables

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = {
    str(path.relative_to(REPOSITORY)): path
    for path in [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
}


def text_of(name: str) -> str:
    return DOCS[name].read_text(encoding="utf-8")


def section_of(name: str, heading: str) -> str:
    """What stands below a heading, up to the next one of its level or above."""
    text = text_of(name)
    start = text.index(f"\n{heading}\n") + 1
    level = len(heading) - len(heading.lstrip("#"))
    following = re.compile(rf"^#{{1,{level}}} ", re.MULTILINE).search(text, start + len(heading))
    return text[start : following.start() if following else None]


def first_column(text: str) -> set[str]:
    return set(re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE))


BLOCKS = [
    (document, name)
    for document, path in DOCS.items()
    for name in doc_tables.blocks(text_of(document))
]


def test_every_table_of_the_code_stands_in_one_document() -> None:
    assert sorted(name for _, name in BLOCKS) == sorted(doc_tables.TABLES)


@pytest.mark.parametrize(("document", "name"), BLOCKS)
def test_generated_tables_are_those_of_the_code(document: str, name: str) -> None:
    shown = doc_tables.blocks(text_of(document))[name]
    assert shown == doc_tables.TABLES[name]().strip(), "run .venv/bin/python -m tools.doc_tables"


def test_every_rule_of_the_tracking_gate_has_a_remedy() -> None:
    section = section_of("docs/operations.md", "### Asset `parcels`: the tracking gate")
    remedies = re.findall(r"^\* `(\w+)`: \S", section, re.MULTILINE)
    assert remedies == list(GATE_RULES)


def test_every_asset_check_is_explained() -> None:
    others = section_of("docs/operations.md", "### Other assets")
    named = set(re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|", others, re.MULTILINE))
    keys = build_definitions().resolve_asset_graph().asset_check_keys
    checks = {(key.asset_key.to_user_string(), key.name) for key in keys}
    elsewhere = {("otto_orders", name) for name in RULES}
    elsewhere |= {("parcels", name) for name in GATE_RULES}
    elsewhere |= {(rule.asset, rule.name) for rule in PRICE_RULES.values()}
    elsewhere |= {(asset, name) for asset, name in checks if name in MONEY_RULES}
    elsewhere |= {("reconciliation/breaks", f"no_{kind}") for kind in BREAK_KINDS}
    assert elsewhere <= checks
    assert named == checks - elsewhere


def test_environment_variables_are_those_that_the_code_reads() -> None:
    read = set(settings._REQUIRED)
    pattern = re.compile(r"environ\w*(?:\.get\(|\[)\"([A-Z_]+)\"")
    for path in [*(REPOSITORY / "resources").rglob("*.py"), *_roof_without_the_demo()]:
        read |= set(pattern.findall(path.read_text(encoding="utf-8")))
    assert "OPERATIONS_DATABASE_URL" in read
    assert first_column(section_of("docs/operations.md", "## Environment")) == read | {
        "ALERT_URL_<CHANNEL>",
        "DAGSTER_HOME",
    }


def _roof_without_the_demo() -> Iterator[Path]:
    roof = REPOSITORY / "otto_pipelines"
    yield from roof.glob("*.py")
    yield from (roof / "commands").glob("*.py")


def commands_named_in(text: str) -> Iterator[str]:
    """What follows `otto-pipelines` in code, up to the end of the line or of the code."""
    text = text.replace("\\\n", " ")
    yield from re.findall(r"`(?:\S*/)?otto-pipelines ([^`]*)`", text)
    yield from re.findall(r"^    (?:\S*/)?otto-pipelines (.*)$", text, re.MULTILINE)


def wrong_words(line: str) -> list[str]:
    """Words of a command line that the command line interface does not know."""
    words = shlex.split(line.partition("#")[0])
    at: Any = typer.main.get_command(app)
    while words and hasattr(at, "commands"):
        if words[0] not in at.commands:
            return [word for word in words[:1] if word != "--help"]
        at = at.commands[words.pop(0)]
    known = {option for param in at.params for option in param.opts} | {"--help"}
    return [word for word in words if word.startswith("--") and word not in known]


@pytest.mark.parametrize("document", DOCS)
def test_commands_in_documents_exist(document: str) -> None:
    lines = list(commands_named_in(text_of(document)))
    assert [(line, wrong) for line in lines if (wrong := wrong_words(line))] == []


def test_a_command_that_does_not_exist_would_be_found() -> None:
    lines = list(
        commands_named_in(
            "Type `otto-pipelines breaks list --colour`, then\n\n    otto-pipelines fly\n"
        )
    )
    assert [wrong_words(line) for line in lines] == [["--colour"], ["fly"]]


def test_remedies_name_commands_that_exist() -> None:
    remedies = [kind.remedy for kind in BREAK_KINDS.values()]
    lines = [line for remedy in remedies for line in commands_named_in(remedy)]
    assert lines
    assert [line for line in lines if wrong_words(line)] == []


def slug(heading: str) -> str:
    """The anchor that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("document", DOCS)
def test_links_lead_somewhere(document: str) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(document)):
        if target.startswith("https://"):
            continue
        place, _, anchor = target.partition("#")
        path = (DOCS[document].parent / place).resolve() if place else DOCS[document]
        if not path.exists():
            broken.append(target)
        elif anchor:
            headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            broken += [] if anchor in map(slug, headings) else [target]
    assert broken == []


@pytest.mark.parametrize("document", DOCS)
def test_files_named_in_documents_exist(document: str) -> None:
    named = set(re.findall(r"`([\w./-]+/[\w.-]+\.(?:py|sql|yaml|md|txt))`", text_of(document)))
    # README's table names files below the folder of their row.
    roots = [REPOSITORY, *(REPOSITORY / each for each in ("resources", "assets", "sensors"))]
    assert [name for name in named if not any((root / name).exists() for root in roots)] == []


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(name for extra in extras for name in extra)]
    names = {re.split(r"[\[<>=! ]", requirement)[0] for requirement in wanted}
    assert first_column(text_of("docs/dependencies.md")) == names


def test_grace_and_tolerances_in_finance_are_the_defaults() -> None:
    section = section_of("docs/finance.md", "## How to read it")
    shown = dict(re.findall(r"^\| `(\w+)` \| (\d+)", section, re.MULTILINE))
    defaults = Reconciliation().model_dump()
    numbers = {name: str(value) for name, value in defaults.items() if isinstance(value, int)}
    assert {name: shown.get(name) for name in numbers} == numbers
    assert [name for name in defaults.keys() - numbers.keys() if f"`{name}`" not in section] == []
