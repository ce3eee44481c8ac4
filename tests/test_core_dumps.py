"""A process of ours that crashes leaves no picture of its memory, by the kernel's word."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
CLI = """
import os, signal
from otto_pipelines import cli
cli.app = lambda: os.kill(os.getpid(), signal.SIGABRT)
cli.main()
"""
CODE_LOCATION = """
import os, signal
from otto_pipelines.definitions import defs
defs()
os.kill(os.getpid(), signal.SIGABRT)
"""
CHILD_OF_THE_CLI = """
import os, subprocess, sys
from otto_pipelines import cli
abort = [sys.executable, "-c", "import os; os.abort()"]
cli.app = lambda: os._exit(subprocess.run([sys.executable, "-c", DUMPS, *abort]).returncode)
cli.main()
"""
# Ends with 1 if its child left a dump.
DUMPS = """
import os, sys
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
os._exit(int(os.WCOREDUMP(os.waitpid(child, 0)[1])))
"""


def leaves_a_dump(program: str, folder: Path) -> bool:
    """Whether the process leaves a dump where the system allows it. Its file goes at once."""
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        [sys.executable, "-c", DUMPS, *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "SECRET": "canary"},
        preexec_fn=_allow_dumps,
        check=False,
    )
    for core in folder.glob("core*"):
        core.unlink()
    return done.returncode == 1


def _allow_dumps() -> None:
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    if not leaves_a_dump("import os; os.abort()", tmp_path):
        pytest.skip("this system writes no dump of any process")
    return tmp_path


@pytest.mark.parametrize("program", [CLI, CODE_LOCATION], ids=["command line", "code location"])
def test_a_crash_leaves_no_dump(program: str, folder: Path) -> None:
    assert not leaves_a_dump(program, folder)


def test_processes_that_the_command_line_starts_leave_none_either(folder: Path) -> None:
    program = f"DUMPS = {DUMPS!r}\n{CHILD_OF_THE_CLI}"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        preexec_fn=_allow_dumps,
        check=False,
    )
    assert done.returncode == 0
    assert list(folder.glob("core*")) == []
