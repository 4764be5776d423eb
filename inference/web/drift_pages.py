"""The drift page: recent pictures compared with the model's training data."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from inference.drift import log as drift_log
from inference.drift.statistics import PSI_LARGE, PSI_MODERATE, ColumnDrift
from inference.web.access import for_holders

WINDOWS = (100, 500, 2000)
PLOT_WIDTH, PLOT_HEIGHT, LABEL_HEIGHT = 220, 64, 12


@dataclass(frozen=True)
class Bar:
    """A bar of the plot, in the units of the SVG view box."""

    name: str
    share: float
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Label:
    """A label below the axis. anchor: SVG's text-anchor, which end of the text is at x."""

    text: str
    x: float
    anchor: str


@for_holders("inference.view_driftrow")
@require_safe
def drift_page(request: HttpRequest) -> HttpResponse:
    text = request.GET.get("rows", "")
    rows = int(text) if text in {str(window) for window in WINDOWS} else drift_log.RECENT_ROWS
    report = drift_log.report(rows)
    columns = [{"drift": column, "plot": plot_of(column), "labels": labels_of(column)} for column in report.columns]
    context = {"report": report, "columns": columns, "rows": rows, "windows": WINDOWS}
    limits = {"moderate": PSI_MODERATE, "large": PSI_LARGE}
    sizes = {"width": PLOT_WIDTH, "height": PLOT_HEIGHT, "label": LABEL_HEIGHT}
    return render(request, "inference/drift.html", {**context, **limits, **sizes})


def plot_of(column: ColumnDrift) -> dict[str, list[Bar]]:
    """Return the bars of the reference (behind) and of the recent rows (in front), on one scale."""
    most = max(*column.reference_shares, *column.current_shares)
    return {
        "reference": bars(column.bins, column.reference_shares, most, 1.0),
        "current": bars(column.bins, column.current_shares, most, 0.5),
    }


def labels_of(column: ColumnDrift) -> list[Label]:
    """Return the labels of the bars: each class, or the ends of the range."""
    if column.ks is not None:
        return [Label(column.bins[0], 0, "start"), Label(column.bins[-1], PLOT_WIDTH, "end")]
    step = PLOT_WIDTH / len(column.bins)
    return [Label(name.split("_")[0], round((i + 0.5) * step, 2), "middle") for i, name in enumerate(column.bins)]


def bars(names: tuple[str, ...], shares: tuple[float, ...], most: float, thickness: float) -> list[Bar]:
    step = PLOT_WIDTH / len(shares)
    width = step * 0.86 * thickness
    heights = [share / most * PLOT_HEIGHT for share in shares]
    return [
        Bar(
            name,
            share,
            round(i * step + (step - width) / 2, 2),
            round(PLOT_HEIGHT - height, 2),
            round(width, 2),
            round(height, 2),
        )
        for i, (name, share, height) in enumerate(zip(names, shares, heights, strict=True))
    ]
