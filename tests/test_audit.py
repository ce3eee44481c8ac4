"""The audit finds what is planted: loose or redirected requirements, licences, vulnerabilities."""

import re
from pathlib import Path
from typing import Any

import pytest

from tools import audit

REPOSITORY = Path(__file__).resolve().parents[1]
HASH = f"--hash=sha256:{'0a' * 32}"
GOOD = f"""\
# comment
alembic==1.20.1 \\
    {HASH} \\
    {HASH}
pandera[pandas]==0.35.0 ; python_full_version >= '3.11' and sys_platform != 'win32' \\
    {HASH}
"""


def test_what_is_delivered_is_in_order() -> None:
    assert audit.offline_findings(REPOSITORY) == []


@pytest.mark.parametrize(
    "planted",
    [
        "alembic==1.20.1",
        f"alembic>=1.20 {HASH}",
        f"alembic {HASH}",
        f"alembic @ https://files.example.org/alembic-1.20.1.whl {HASH}",
        "git+https://example.org/alembic.git",
        "-e ../alembic",
        "-r more.txt",
        "alembic==1.20.1 --hash=md5:0a0a",
        f"alembic==1.20.1 {HASH} --index-url=http://mirror.example.org",
        "--extra-index-url https://mirror.example.org/simple",
    ],
)
def test_a_requirement_that_is_not_locked_is_found(planted: str) -> None:
    assert audit.unlocked(GOOD) == []
    assert audit.unlocked(GOOD + planted + "\n") == [planted[:100]]


@pytest.mark.parametrize(
    "planted",
    [
        "--index-url https://mirror.example.org/pypi",
        "-i https://mirror.example.org/root/pypi/+simple/ # https://x.example.org/simple",
        "export PIP_INDEX_URL=http://mirror.example.org",
        '[[tool.uv.index]]\nurl = "https://mirror.example.org/simple"',
        "uv pip install --find-links /mnt/wheels x",
    ],
)
def test_an_index_in_a_file_is_found(planted: str) -> None:
    assert audit.indexes("name = 1\nhttps://simple.example.org/page\n") == []
    assert len(audit.indexes(f"name = 1\n{planted}\n")) == 1


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("MIT AND PSF-2.0", True),
        ("GPL-3.0-only OR MIT", True),
        ("(Apache-2.0 OR GPL-2.0) AND BSD-2-Clause", True),
        ("GPL-3.0-or-later", False),
        ("MIT AND GPL-2.0-only", False),
        ("LGPL-2.1", False),
        ("AGPL-3.0", False),
        ("unknown", False),
        ("", False),
    ],
)
def test_only_known_licences_are_taken(expression: str, *, allowed: bool) -> None:
    assert audit.is_allowed(expression) is allowed


def test_a_package_under_another_licence_is_found_and_an_absent_one_is_not_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = {"good": "MIT", "bad": "GPL-3.0-only", "absent": None, "paramiko": "LGPL-2.1"}
    monkeypatch.setattr(audit, "licence_of", told.get)
    assert [line.partition(":")[0] for line in audit.licence_findings(told)] == ["bad"]


def test_every_exception_is_documented_and_still_needed() -> None:
    document = (REPOSITORY / "docs" / "dependencies.md").read_text(encoding="utf-8")
    section = document.partition("\n## Licences\n")[2]
    section = section.partition("\n## ")[0]
    assert set(re.findall(r"^\* `([^`]+)`, ", section, re.MULTILINE)) == set(audit.EXCEPTIONS)
    for package in audit.EXCEPTIONS:
        licence = audit.licence_of(package)
        assert licence is None or not audit.is_allowed(licence)


def package(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "version": "1.0", "vulns": [], **more}


HOLE = {"id": "PYSEC-2026-1", "fix_versions": ["1.1"], "aliases": [], "description": "."}
SKIPPED = {"name": "b", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("packages", "outcome", "told"),
    [
        ([package("a"), package("b")], audit.CLEAN, "2 packages, no known vulnerability"),
        ([package("a"), SKIPPED], audit.NOT_AUDITED, "not audited: 1 of 2 packages"),
        ([], audit.NOT_AUDITED, "not audited: 0 of 0 packages"),
        (
            [package("a", vulns=[HOLE]), SKIPPED],
            audit.FINDING,
            "a 1.0: PYSEC-2026-1, mended in 1.1",
        ),
    ],
)
def test_only_a_report_on_every_package_is_clean(
    packages: list[dict[str, Any]], outcome: int, told: str
) -> None:
    code, lines = audit.judged({"dependencies": packages})
    assert (code, lines[0].startswith(told)) == (outcome, True)


@pytest.mark.parametrize("answer", ["", "<html>gateway</html>"])
def test_an_audit_that_breaks_off_is_not_clean(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: str
) -> None:
    program = f"import sys; print({answer!r}); sys.exit('ServiceError: cannot connect')"
    (tmp_path / "pip_audit.py").write_text(program, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert audit.vulnerabilities(tmp_path / "runtime.txt") == (
        audit.NOT_AUDITED,
        ["not audited: ServiceError: cannot connect"],
    )
