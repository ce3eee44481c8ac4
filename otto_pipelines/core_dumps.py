"""No dump of a crashed process: its memory holds secrets and addresses.

Belongs here: the one switch, thrown where a process of ours begins. It holds for every process
that this one starts.
"""

import sys


def leave_none() -> None:
    """Let the system write no core file of this process and of its children."""
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - Windows, which writes none, has no such module

        _, hard = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
