"""A disk that can be full: a small file system of its own, or else a limit on the size of files.

Belongs here: making writes fail as the kernel makes them fail. With the rights to mount, the folder
is a tmpfs of some megabytes, and a file takes what is left of it (ENOSPC). Without them no file of
this process may grow beyond a few kilobytes (EFBIG): the same place in a writer, another number.
"""

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FILLER = "filler"
_LARGEST_FILE = 16_384
_BLOCK = 1 << 20


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator["Disk"]:
    """Let `folder` be a file system of that size until the block ends, where that is allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = shutil.which("mount")
    options = ["-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "otto-chaos", str(folder)]
    mounted = (
        mount is not None
        and subprocess.run([mount, *options], capture_output=True, check=False).returncode == 0
    )
    try:
        yield Disk(folder, mounted)
    finally:
        if mounted:
            subprocess.run([shutil.which("umount") or "umount", "-l", str(folder)], check=True)


class Disk:
    """The file system below `folder`; `mounted` tells which way it becomes full."""

    def __init__(self, folder: Path, mounted: bool) -> None:
        self.folder = folder
        self.mounted = mounted

    @contextmanager
    def full(self) -> Iterator[None]:
        """Nothing more can be written while the block runs."""
        with self._filled() if self.mounted else _no_file_may_grow():
            yield

    @contextmanager
    def _filled(self) -> Iterator[None]:
        filler = self.folder / _FILLER
        try:
            with filler.open("wb", buffering=0) as out:
                for size in (_BLOCK, 4096):
                    _write_until_full(out.fileno(), bytes(size))
            yield
        finally:
            filler.unlink()


def _write_until_full(descriptor: int, block: bytes) -> None:
    try:
        while True:
            os.write(descriptor, block)
    except OSError:
        return  # that was the aim


@contextmanager
def _no_file_may_grow() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FILE, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
