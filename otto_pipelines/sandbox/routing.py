"""A table of routes: `"GET /v4/orders/*"` to whatever serves it; `*` stands for one segment."""

from collections.abc import Mapping
from typing import Generic, TypeVar

from otto_pipelines.sandbox.http_server import Request

T = TypeVar("T")


class Routes(Generic[T]):
    """Finds the entry for a request; fixed segments win over `*`."""

    def __init__(self, table: Mapping[str, T]) -> None:
        self._table = [
            (method, tuple(path.strip("/").split("/")), entry)
            for route, entry in table.items()
            for method, _, path in [route.partition(" ")]
        ]
        self._table.sort(key=lambda row: row[1].count("*"))

    def find(self, request: Request) -> T | None:
        """The entry, or None where no route fits."""
        segments = request.segments
        for method, pattern, entry in self._table:
            if (
                method == request.method
                and len(pattern) == len(segments)
                and all(want in ("*", have) for want, have in zip(pattern, segments, strict=True))
            ):
                return entry
        return None
