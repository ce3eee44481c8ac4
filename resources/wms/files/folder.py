"""Folders shared with a partner: what they hold, and how a file gets in without being seen half.

Belongs here: the interface that both kinds of folder offer, and the one on a local disk. Over SFTP
it stands in `sftp`. What files mean does not belong here.
"""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from resources.wms.errors import WmsRetryable, WmsUnknownOutcome

UNFINISHED = (".tmp", ".part", ".filepart")


@dataclass(frozen=True)
class Entry:
    """One file; `changed_at` is in seconds since 1970 by the folder's own clock."""

    name: str
    size: int
    changed_at: float


class Folder(Protocol):
    """A tree of folders. Paths are relative, divided by /.

    Every method may raise `WmsRetryable` (nothing happened), and `publish` also
    `WmsUnknownOutcome`. A file that is not there raises `FileNotFoundError`.
    """

    faults: Counter[str]
    """Faults of the connection met, kind to count."""

    def entries(self, folder: str) -> list[Entry]:
        """The files of a folder that are not hidden and have no unfinished name."""
        ...

    def read(self, path: str) -> bytes:
        """The content of a file."""
        ...

    def publish(self, path: str, content: bytes) -> None:
        """Write under a hidden name, then rename, so that nobody sees half a file."""
        ...

    def move(self, source: str, target: str) -> None:
        """Move a file; one of that name at the target is replaced."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file; harmless if it is gone."""
        ...

    def exists(self, path: str) -> bool:
        """Whether there is a file or folder."""
        ...

    def make(self, folder: str) -> None:
        """Create a folder with all above it; harmless if it is there."""
        ...

    def close(self) -> None:
        """Close connections."""
        ...


def is_finished(name: str) -> bool:
    """Whether a name may belong to a complete file."""
    return not name.startswith(".") and not name.lower().endswith(UNFINISHED)


def hidden(path: str) -> str:
    """The name under which a file is written before it is complete."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}.{name}.part"


class LocalFolder:
    """Folders on a disk of this machine, or on one that is mounted here."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.faults: Counter[str] = Counter()

    def entries(self, folder: str) -> list[Entry]:
        """See `Folder`."""
        found = []
        with _Explained(self._root):
            for file in os.scandir(self._root / folder):
                if is_finished(file.name) and file.is_file(follow_symlinks=False):
                    status = file.stat(follow_symlinks=False)
                    found.append(Entry(file.name, status.st_size, status.st_mtime))
        return found

    def read(self, path: str) -> bytes:
        """See `Folder`."""
        with _Explained(self._root):
            return (self._root / path).read_bytes()

    def publish(self, path: str, content: bytes) -> None:
        """See `Folder`; the content is on the disk before the name is."""
        unfinished = self._root / hidden(path)
        with _Explained(self._root), unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            unfinished.replace(self._root / path)
        except OSError as error:
            raise WmsUnknownOutcome(
                f"cannot rename a file to {path} in WMS_FILES_DIR: {error.strerror}"
            ) from error

    def move(self, source: str, target: str) -> None:
        """See `Folder`."""
        with _Explained(self._root):
            (self._root / source).replace(self._root / target)

    def remove(self, path: str) -> None:
        """See `Folder`."""
        with _Explained(self._root):
            (self._root / path).unlink(missing_ok=True)

    def exists(self, path: str) -> bool:
        """See `Folder`."""
        return (self._root / path).exists()

    def make(self, folder: str) -> None:
        """See `Folder`."""
        if not self._root.is_dir():
            # Making it here would hide that a shared disk is not mounted.
            raise WmsRetryable(f"WMS_FILES_DIR {self._root} is no folder: create or mount it")
        with _Explained(self._root):
            (self._root / folder).mkdir(parents=True, exist_ok=True)

    def close(self) -> None:
        """Nothing to close."""


class _Explained:
    """Turns errors of the disk into the port's; a missing file stays what it is."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
            raise WmsRetryable(
                f"folder {self._root} of WMS_FILES_DIR: {error.strerror}; "
                "check that the disk is there, has space, and that this user may write to it"
            ) from error
