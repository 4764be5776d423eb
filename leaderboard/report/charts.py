"""The charts of a report: each curve of one split with the band that it lies in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from submissions.presenters.charts import Chart, CurveLine, banded_chart, charts_of, to_x, to_y

BANDS = {"roc": "roc_band", "pr": "pr_band"}
BAND_CAPTION = "The band holds the curve in 95 % of samples of patients, at each place by itself."


def report_charts(curves: Mapping[str, Any], details: Mapping[str, Any]) -> list[Chart]:
    """Return the charts of one split. curves, details: what the report has of it."""
    banded = dict(_banded(curves, details))
    # In the stored order; what has no band (the curves by class, FROC) is drawn without.
    plain = {name: charts_of({"": {name: curves[name]}}) for name in curves if name not in banded}
    return [chart for name in curves for chart in ([banded[name]] if name in banded else plain[name])]


def _banded(curves: Mapping[str, Any], details: Mapping[str, Any]) -> Iterator[tuple[str, Chart]]:
    for name, band in BANDS.items():
        if isinstance(curves.get(name), list) and curves[name] and details.get(band):
            chart = banded_chart(name, {"": curves[name]}, {"": details[band]})
            yield name, replace(chart, caption=f"{chart.caption} {BAND_CAPTION}")
    if details.get("reliability"):
        yield "reliability", _reliability(details["reliability"])


def _reliability(rows: list[dict[str, Any]]) -> Chart:
    """Return the reliability diagram: its bins with intervals, and how many cases each holds."""
    points = [(row["mean"], row["observed"]) for row in rows]
    band = [(row["mean"], *row["observed_ci"]) for row in rows]
    chart = banded_chart("reliability", {"": points}, {"": band})
    (drawn,) = chart.lines
    sizes = [row["n"] for row in rows]
    fewest, most = min(sizes), max(sizes)
    each = f"{most}" if fewest == most else f"{fewest} to {most}"
    return replace(
        chart,
        lines=[_with_sizes(drawn, points, rows)],
        more_columns=("from", "to", "n"),
        caption=f"{chart.caption} {len(rows)} bin{'s' * (len(rows) > 1)} of {each} cases, each with its interval.",
    )


def _with_sizes(drawn: CurveLine, points: list[tuple[float, float]], rows: list[dict[str, Any]]) -> CurveLine:
    """Return the line with a dot for each bin, and the bins' sizes in its table."""
    numbers = [
        (*(f"{value:.3g}" for value in (row["mean"], row["observed"], *row["observed_ci"])), str(row["n"]))
        for row in rows
    ]
    return replace(drawn, dots=[(to_x(x), to_y(y)) for x, y in points], rows=numbers)
