"""Audit of what is delivered: the locked files, the licences, and known vulnerabilities.

    .venv/bin/python -m tools.audit            # code 0: clean; 1: a finding; 3: not audited
    .venv/bin/python -m tools.audit --offline  # without asking for known vulnerabilities

Belongs here: the judgement. Which licences are taken stands in `ALLOWED`, each exception with its
reason in `EXCEPTIONS` and in docs/dependencies.md. Advisories come through pip-audit; where its
service does not answer, or does not know a package, that is an outcome of its own and never clean.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

CLEAN, FINDING, NOT_AUDITED = 0, 1, 3
REPOSITORY = Path(__file__).resolve().parents[1]
RUNTIME = "requirements/runtime.txt"
LOCKED = (RUNTIME, "requirements/dev.txt", "requirements/tryton.txt")
# Files that say where packages come from; none may name an index, which is each machine's own.
INDEX_FREE = (*LOCKED, "requirements/tryton.in", "pyproject.toml", "Makefile", ".ci/run")
# The extra `postgres` is delivered, too, and locked with the development requirements.
ALSO_DELIVERED = ("dagster-postgres", "psycopg", "psycopg-binary", "psycopg2-binary")

ALLOWED = frozenset(
    {
        *("0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT"),
        *("MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Zlib"),
    }
)
EXCEPTIONS = {
    "paramiko": "LGPL-2.1: used as a library, unchanged, and only by SFTP",
    "psycopg": "LGPL-3.0: used as a library, unchanged, and only with PostgreSQL",
    "psycopg-binary": "LGPL-3.0: as psycopg, whose binary part it is",
    "psycopg2-binary": "LGPL-3.0: as psycopg; Dagster's storage on PostgreSQL needs it",
}
_SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*)(\[[\w,-]+\])?==(?P<version>[\w.+!-]+)"
    r"(\s*;[^#]*?)?(\s+--hash=sha256:[0-9a-f]{64})+"
)
_INDEX = re.compile(
    r"--(extra-)?index-url|--find-links|--trusted-host|--default-index|index[_-]url|\bindex-servers\b"
    r"|https?://[^\s\"']*/simple\b",
    re.IGNORECASE,
)


def unlocked(text: str) -> list[str]:
    """Lines of a locked file that are not one exact version with its hashes."""
    joined = text.replace("\\\n", " ")
    lines = (line.strip() for line in joined.splitlines())
    return [
        line[:100]
        for line in lines
        if line and not line.startswith("#") and not _REQUIREMENT.fullmatch(line)
    ]


def indexes(text: str) -> list[str]:
    """Lines that name a package index."""
    return [line.strip()[:100] for line in text.splitlines() if _INDEX.search(line)]


def names(text: str) -> list[str]:
    """Packages that a locked file names."""
    return [found["name"] for found in re.finditer(r"^(?P<name>[\w.-]+)(\[.*\])?==", text, re.M)]


def licence_of(package: str) -> str | None:
    """Licence of an installed package as an SPDX expression, or as it is told; None: absent."""
    try:
        told: Any = distribution(package).metadata
    except PackageNotFoundError:
        return None
    if expression := told.get("License-Expression"):
        return str(expression)
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in told.get_all("Classifier", [])
        if line.startswith("License :: ") and not line.endswith("OSI Approved")
    ]
    free_text = (told.get("License") or "unknown").strip().partition("\n")[0]
    words = classifiers or [free_text]
    return " AND ".join(_SPDX.get(word, word) for word in words)


def is_allowed(expression: str) -> bool:
    """Whether one of the alternatives has only licences that are taken."""
    choices = re.sub(r"[()]", "", expression).split(" OR ")
    return any(all(part.strip() in ALLOWED for part in choice.split(" AND ")) for choice in choices)


def licence_findings(packages: Iterable[str]) -> Iterator[str]:
    """Packages whose licence is not taken, but for the exceptions."""
    for package in packages:
        licence = licence_of(package)
        if licence is not None and package not in EXCEPTIONS and not is_allowed(licence):
            yield f"{package}: licence {licence!r} is not among those that are taken"


def offline_findings(repository: Path) -> list[str]:
    """All that is wrong without asking anybody."""
    found = []
    for name in LOCKED:
        text = (repository / name).read_text(encoding="utf-8")
        found += [f"{name}: not one exact version with hashes: {line}" for line in unlocked(text)]
    for name in INDEX_FREE:
        text = (repository / name).read_text(encoding="utf-8")
        found += [f"{name}: names a package index: {line}" for line in indexes(text)]
    delivered = names((repository / RUNTIME).read_text(encoding="utf-8"))
    return [*found, *licence_findings([*delivered, *ALSO_DELIVERED])]


def judged(report: dict[str, Any]) -> tuple[int, list[str]]:
    """Outcome and what to print of pip-audit's report; a package it skipped was not audited."""
    packages = report["dependencies"]
    known = [
        f"{package['name']} {package['version']}: {hole['id']}, mended in "
        f"{', '.join(hole['fix_versions']) or 'no version yet'}"
        for package in packages
        for hole in package.get("vulns", [])
    ]
    if known:
        return FINDING, known
    skipped = [package["skip_reason"] for package in packages if "skip_reason" in package]
    if skipped or not packages:
        reason = skipped[0] if skipped else "the report names no package"
        return NOT_AUDITED, [
            f"not audited: {len(skipped)} of {len(packages)} packages, such as: {reason}"
        ]
    return CLEAN, [f"{len(packages)} packages, no known vulnerability"]


def vulnerabilities(requirements: Path) -> tuple[int, list[str]]:
    """Ask pip-audit about a locked file."""
    command = [sys.executable, "-m", "pip_audit", "-r", str(requirements), "--require-hashes"]
    options = ["--disable-pip", "--format", "json", "--progress-spinner", "off"]
    done = subprocess.run(  # noqa: S603 - our own environment's module
        [*command, *options], capture_output=True, text=True, check=False
    )
    try:
        return judged(json.loads(done.stdout))
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["pip-audit said nothing"])[-1]
        return NOT_AUDITED, [f"not audited: {last[:300]}"]


def main(argv: list[str] | None = None) -> int:
    """Print what was found and return the outcome."""
    parser = argparse.ArgumentParser(prog="python -m tools.audit", description=__doc__)
    parser.add_argument("--offline", action="store_true", help="do not ask about vulnerabilities")
    offline = parser.parse_args(argv).offline
    found = offline_findings(REPOSITORY)
    for line in found:
        print(line)
    if offline or found:
        return FINDING if found else CLEAN
    outcome, lines = vulnerabilities(REPOSITORY / RUNTIME)
    for line in lines:
        print(line)
    return outcome


if __name__ == "__main__":
    raise SystemExit(main())
