"""The house stands: imports run from the roof to the ground, and every module says what it is."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
FLOORS = ("resources", "assets", "sensors", "otto_pipelines")
SANDBOX = "otto_pipelines.sandbox"
LONGEST_MODULE = 400

# Rules and clients are used and tested without Dagster.
WITHOUT_DAGSTER = (
    "assets.alerting",
    "assets.contracts",
    "assets.exceptions",
    "assets.outbound",
    "assets.reconciliation",
    "assets.rules",
    "resources.alerts",
    "resources.clock",
    "resources.finance",
    "resources.operating_model",
    "resources.operations",
    "resources.otto",
    "resources.settings",
    "resources.wms",
    SANDBOX,
)


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)


MODULES = {
    name_of(path): path for floor in FLOORS for path in sorted((REPOSITORY / floor).rglob("*.py"))
}


def tree_of(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def imports(module: str) -> Iterator[str]:
    """All that a module imports, at its top or later."""
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import in line {node.lineno}"
            assert node.module is not None
            # `from a import b` may name the module a.b.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def lies_in(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def floor_of(name: str) -> int | None:
    top = name.partition(".")[0]
    return FLOORS.index(top) if top in FLOORS else None


def test_the_packages_are_found() -> None:
    assert len(MODULES) > 80
    for package in WITHOUT_DAGSTER:
        assert any(lies_in(module, package) for module in MODULES), package


@pytest.mark.parametrize("floor", FLOORS)
def test_imports_run_from_the_roof_to_the_ground(floor: str) -> None:
    upwards = [
        f"{module} imports {name}"
        for module in MODULES
        if lies_in(module, floor)
        for name in imports(module)
        if (floor_of(name) or 0) > FLOORS.index(floor)
    ]
    assert upwards == []


def test_rules_and_clients_know_nothing_of_dagster() -> None:
    assert [
        f"{module} imports {name}"
        for module in MODULES
        if any(lies_in(module, package) for package in WITHOUT_DAGSTER)
        for name in imports(module)
        if name.partition(".")[0].startswith("dagster")
    ] == []


def test_the_sandbox_knows_nothing_of_the_product() -> None:
    assert [
        f"{module} imports {name}"
        for module in MODULES
        if lies_in(module, SANDBOX)
        for name in imports(module)
        if floor_of(name) is not None and not lies_in(name, SANDBOX)
    ] == []


def test_the_product_knows_nothing_of_the_sandbox_but_for_the_demo() -> None:
    allowed = ("otto_pipelines.sandbox", "otto_pipelines.demo")
    assert [
        f"{module} imports {name}"
        for module in MODULES
        if not any(lies_in(module, package) for package in allowed)
        for name in imports(module)
        if lies_in(name, SANDBOX)
    ] == []


def test_every_module_says_what_belongs_in_it() -> None:
    silent = [
        module
        for module, path in MODULES.items()
        if path.name != "__init__.py" and not ast.get_docstring(tree_of(module))
    ]
    assert silent == []


def test_package_files_are_empty() -> None:
    filled = [m for m, p in MODULES.items() if p.name == "__init__.py" and p.read_bytes().strip()]
    assert filled == []


def test_no_module_outgrows_its_reader() -> None:
    lengths = {m: len(p.read_text(encoding="utf-8").splitlines()) for m, p in MODULES.items()}
    # The outbox is one protocol whose steps are read together.
    too_long = {m: n for m, n in lengths.items() if n > LONGEST_MODULE + 10}
    assert too_long == {}
