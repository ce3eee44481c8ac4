"""What a long campaign tells while it runs (`pytest -s`)."""

import sys


def say(text: str) -> None:
    """Write a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
