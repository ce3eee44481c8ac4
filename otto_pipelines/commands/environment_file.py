"""The file `.env`: settings and secrets of this installation, readable by its user only.

Belongs here: reading it for each command, and writing a new one. Daemon and webserver read the same
file by their service's `EnvironmentFile`, or by a shell. What the variables mean stands in
`resources.settings`.
"""

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values, load_dotenv

from resources.settings import SettingsError

NAME = ".env"


@dataclass(frozen=True)
class Entry:
    """One variable; without a value it is written as a comment, to be filled in later."""

    name: str
    value: str
    meaning: str


def load(folder: Path) -> str | None:
    """Take `.env` of a folder into the environment; what is set already stays as it is.

    Returns:
        A warning where other users of this machine can read the file, else None.
    """
    file = folder / NAME
    if not file.is_file():
        return None
    load_dotenv(file, override=False, interpolate=False)
    if file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return f"{file} holds secrets and others can read it; close it: chmod 600 {file}"
    return None


def write(file: Path, sections: Mapping[str, Sequence[Entry]]) -> None:
    """Write the file with mode 0600, whole or not at all.

    Raises:
        SettingsError: a value cannot be written so that shell, systemd and we read the same.
    """
    lines: list[str] = []
    for title, entries in sections.items():
        lines += [f"# {title}", ""]
        for entry in entries:
            sign = "" if entry.value else "# "
            lines += [f"# {entry.meaning}", f"{sign}{entry.name}={_quoted(entry.value)}", ""]
    fresh = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.write("\n".join(lines))
        read_back = dotenv_values(fresh, interpolate=False)
        for entry in (entry for entries in sections.values() for entry in entries):
            if (read_back.get(entry.name) or "") != entry.value:
                raise SettingsError(
                    f"{entry.name} has signs that {file} cannot hold for every reader: make a new "
                    "secret without quotes and backslashes, or set the variable in your service"
                )
        fresh.replace(file)
    finally:
        fresh.unlink(missing_ok=True)


def _quoted(value: str) -> str:
    """Quote for shell, systemd and dotenv alike, as far as they agree."""
    if "'" not in value:
        return f"'{value}'"
    if set(value) & set('"$`\\'):
        return ""
    return f'"{value}"'
