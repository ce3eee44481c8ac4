"""What retention asks of a warehouse adapter that keeps files with personal data.

Belongs here: the one method beside the port, and its result. Adapters that only call a server keep
nothing, and what was sent to a warehouse is the warehouse's to erase.
"""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, Protocol, runtime_checkable


class FilesErased(NamedTuple):
    """Files removed, and those that may hold personal data and stay for the time being."""

    removed: int
    left: int


@runtime_checkable
class KeepsFiles(Protocol):
    """An adapter that leaves files in folders which are ours to clear."""

    def erase_files(
        self, taken_in_before: datetime, over: Callable[[list[str]], set[str]]
    ) -> FilesErased:
        """Remove what is due; a repeat removes what an earlier call could not.

        Args:
            taken_in_before: aware; files of the warehouse that were taken in and are older go.
            over: of these orders, the ones whose own files may go.

        Raises:
            WmsError: the folders cannot be reached.
        """
        ...
