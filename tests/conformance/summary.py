"""The count of conformance cases per adapter, for the end of pytest's report."""

from collections import Counter
from typing import Any


def lines(stats: dict[str, list[Any]]) -> list[str]:
    """One line per adapter: how many cases passed, failed, and are unsupported, by feature."""
    passed, failed, unsupported = Counter[str](), Counter[str](), Counter[str]()
    for outcome, counts in (("passed", passed), ("failed", failed), ("error", failed)):
        counts.update(_adapters(stats.get(outcome, ())))
    for report in stats.get("skipped", ()):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        if "unsupported by adapter " in reason:
            unsupported[reason.partition("unsupported by adapter ")[2]] += 1
    names = sorted({*passed, *failed, *(text.partition(":")[0] for text in unsupported)})
    return [_line(name, passed[name], failed[name], unsupported) for name in names]


def _adapters(reports: Any) -> list[str]:
    return [
        value
        for report in reports
        for key, value in getattr(report, "user_properties", ())
        if key == "adapter"
    ]


def _line(name: str, passed: int, failed: int, unsupported: Counter[str]) -> str:
    without = {
        text.partition(": ")[2]: count
        for text, count in unsupported.items()
        if text.startswith(f"{name}:")
    }
    told = ", ".join(f"{feature} {count}" for feature, count in sorted(without.items()))
    return (
        f"conformance of {name}: {passed} passed, {failed} failed, "
        f"{sum(without.values())} unsupported" + (f" ({told})" if told else "")
    )
