"""Charts of our pages, as SVG to be put into them.

Belongs here: drawing. What is drawn is read in `assets.closing.report` and
`assets.kpi.page`. The pictures hold no link, no script and no date of their making, so equal
figures give equal pictures.
"""

import io
import re
from collections.abc import Mapping, Sequence
from datetime import datetime

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

_COLOURS = ("#33658a", "#f6ae2d", "#55a630", "#d1495b", "#7a5195", "#6c757d", "#2ec4b6")
_DAYS_NAMED = 8
# By years, months, days, hours, minutes and seconds between two marks of the axis.
_DATES = ("%Y", "%b %Y", "%d %b", "%H:%M", "%H:%M", "%H:%M:%S")


def stacked_days(days: Sequence[str], series: Mapping[str, Sequence[float]]) -> str:
    """Bars per day, one part per name of `series`; values are amounts."""
    figure, axes = _figure(7.2, 2.5, left=0.09)
    below = [0.0] * len(days)
    for number, (name, values) in enumerate(series.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        axes.bar(range(len(days)), values, bottom=below, label=name, color=colour, width=0.8)
        below = [low + value for low, value in zip(below, values, strict=True)]
    step = max(1, -(-len(days) // _DAYS_NAMED))
    axes.set_xticks(range(0, len(days), step), [day[5:] for day in days[::step]])
    if series:
        axes.legend(loc="upper left", frameon=False, fontsize=8, ncols=len(series))
        axes.set_ylim(top=max(below) * 1.25 or 1)
    return _svg(figure)


def bars(names: Sequence[str], values: Sequence[float]) -> str:
    """Horizontal bars, the first on top; values are amounts."""
    figure, axes = _figure(4.6, 0.6 + 0.26 * max(len(names), 3), left=0.42)
    axes.barh(range(len(names)), values, color=_COLOURS[0], height=0.65)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    for row, value in enumerate(values):
        axes.annotate(
            f"{value:,.2f}",
            (value, row),
            (4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axes.set_xlim(right=max(values, default=0) * 1.3 or 1)
    axes.locator_params(axis="x", nbins=4)
    return _svg(figure)


def over_time(moments: Sequence[datetime], series: Mapping[str, Sequence[float | None]]) -> str:
    """A line per name of `series`; a value that is None leaves a gap."""
    figure, axes = _figure(4.6, 2.1, left=0.13)
    days: Sequence[float] = date2num(moments)  # type: ignore[no-untyped-call]
    for number, (name, values) in enumerate(series.items()):
        points = [float("nan") if value is None else value for value in values]
        # A single measurement has no line yet.
        marker = "o" if len(points) == 1 else ""
        colour = _COLOURS[number % len(_COLOURS)]
        axes.plot(days, points, label=name, color=colour, linewidth=1.6, marker=marker)
    # Room for the names above; and an hour at least, so that one moment is no empty span.
    axes.margins(y=0.35)
    axes.set_ylim(bottom=0)
    axes.set_xlim(min(days[0], days[-1] - 1 / 24), days[-1])
    locator = AutoDateLocator(maxticks=6)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    named = ConciseDateFormatter(  # type: ignore[no-untyped-call]
        locator, formats=_DATES, zero_formats=_DATES, show_offset=False
    )
    axes.xaxis.set_major_formatter(named)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.legend(loc="upper left", frameon=False, fontsize=8, ncols=2)
    return _svg(figure)


def _figure(width: float, height: float, *, left: float) -> tuple[Figure, Axes]:
    """Axes between a left margin, as a share of the width, and margins of one line of text."""
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((left, 0.3 / height, 0.98 - left, 1 - 0.45 / height))
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    return figure, axes


def _svg(figure: Figure) -> str:
    """The picture without prologue and metadata, which name other places."""
    page = io.StringIO()
    # Text stays text: small, and readable by a screen reader.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "close"}):
        figure.savefig(page, format="svg", metadata={"Date": None, "Creator": None})
    text = page.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    return text[text.index("<svg") :]
