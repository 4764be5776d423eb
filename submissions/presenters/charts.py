"""Compute curves as SVG coordinates; templates/charts/curve.svg draws them without a script."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from submissions.scoring import CURVES, CurveAxes

LEFT, TOP, SIDE = 40, 10, 200  # the plot is a square of SIDE units; x and y both run from 0 to 1
TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
# The rows of a line in the table below a chart; the report as JSON has every point.
MAX_ROWS = 21
LINE_CLASSES = ("curve", "second", "curve third", "second fourth")

Points = Sequence[Sequence[float]]


@dataclass(frozen=True)
class CurveLine:
    """One curve: `path` is the `points` attribute of a polyline; dots are drawn only if they are few.

    band: the `points` attribute of a polygon around the curve, empty without one. rows: numbers for the table.
    """

    name: str
    css: str
    path: str
    dots: list[tuple[float, float]]
    band: str = ""
    rows: list[tuple[str, ...]] = field(default_factory=list)


@dataclass(frozen=True)
class Chart:
    """A curve's axes and lines in the plot. y runs from 0 to 1. more_columns: of the table, after x and y."""

    title: str
    x_label: str
    y_label: str
    caption: str
    lines: list[CurveLine]
    diagonal: bool
    x_ticks: list[dict[str, Any]]
    more_columns: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.x_label, self.y_label, *self.more_columns)

    @property
    def y_ticks(self) -> list[dict[str, Any]]:
        return [{"text": f"{tick:g}", "y": to_y(tick)} for tick in TICKS]


def to_x(value: float) -> float:
    return round(LEFT + value * SIDE, 1)


def to_y(value: float) -> float:
    return round(TOP + (1 - value) * SIDE, 1)


def line(name: str, points: Points, css: str = "curve", axes: CurveAxes | None = None) -> CurveLine:
    """Return (x, y) points in plot coordinates; without axes, x is in [0, 1] like y."""
    placed = [(to_x(share_of_axis(x, axes) if axes else x), to_y(y)) for x, y in points]
    path = " ".join(f"{x},{y}" for x, y in placed)
    return CurveLine(name, css, path, placed if len(placed) <= 12 else [], rows=_table_rows(points))


def _table_rows(rows: Points) -> list[tuple[str, ...]]:
    """Return at most MAX_ROWS of the rows as text, evenly spread and with both ends."""
    step = max(1, math.ceil((len(rows) - 1) / (MAX_ROWS - 1)))
    kept = [row for number, row in enumerate(rows) if number % step == 0 or number == len(rows) - 1]
    return [tuple(f"{value:.3g}" for value in row) for row in kept]


def share_of_axis(x: float, axes: CurveAxes) -> float:
    """Return the position of x between the first tick of the axis (0) and the last (1)."""
    low, high = axes.x_ticks[0], axes.x_ticks[-1]
    if axes.is_log:
        return math.log(x / low) / math.log(high / low)
    return (x - low) / (high - low)


def _lines(curves: Mapping[str, Points], axes: CurveAxes) -> list[CurveLine]:
    styles = LINE_CLASSES * (1 + len(curves) // len(LINE_CLASSES))
    return [
        line(name, points, css, axes) for (name, points), css in zip(curves.items(), styles, strict=False) if points
    ]


def charts_of(curves: Mapping[str, Mapping[str, Any]]) -> list[Chart]:
    """Return the charts of an evaluation. curves: as `scoring.curves` stores them, by split.

    Several splits, or the classes if the phase shows them, are lines of one chart.
    """
    drawn = [(CURVES[name].chart, _gathered(curves, name)) for name in CURVES]
    charts = [_chart(axes, lines) for axes, lines in drawn if axes is not None]
    return [chart for chart in charts if chart.lines]


def _chart(axes: CurveAxes, curves: Mapping[str, Points]) -> Chart:
    ticks = [{"text": f"{tick:g}", "x": to_x(share_of_axis(tick, axes))} for tick in axes.x_ticks]
    return Chart(axes.title, axes.x_label, axes.y_label, axes.caption, _lines(curves, axes), axes.has_diagonal, ticks)


def banded_chart(curve: str, lines: Mapping[str, Points], bands: Mapping[str, Points]) -> Chart:
    """Return one chart of a registered curve. lines: points by name; bands: (x, low, high) rows by the same names."""
    axes = CURVES[curve].chart
    assert axes is not None, f"the curve {curve} has no axes"
    chart = _chart(axes, lines)
    banded = [_with_band(each, lines[each.name], bands.get(each.name, [])) for each in chart.lines]
    return replace(chart, lines=banded, more_columns=("from", "to"))


def _with_band(drawn: CurveLine, points: Points, band: Points) -> CurveLine:
    """Return a line with its band; the table then has the band's rows, with y read off the line."""
    if not band:
        return replace(drawn, dots=[])
    xs, ys = zip(*points, strict=True)
    rows = [(x, float(np.interp(x, xs, ys)), low, high) for x, low, high in band]
    return replace(drawn, band=_around(band), dots=[], rows=_table_rows(rows))


def _around(band: Points) -> str:
    """Return the outline of a band: along its upper ends, and back along its lower ones."""
    upper = [(to_x(x), to_y(high)) for x, _, high in band]
    lower = [(to_x(x), to_y(low)) for x, low, _ in band]
    return " ".join(f"{x},{y}" for x, y in [*upper, *reversed(lower)])


def _gathered(curves: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, Points]:
    """Return line name → points: one line per split, and one per class where the curve is kept by class."""
    found: dict[str, Points] = {}
    for split, of_split in curves.items():
        value = of_split.get(name)
        if isinstance(value, Mapping):
            prefix = f"{split}, " if len(curves) > 1 else ""
            found |= {f"{prefix}{label.replace('_', ' ')}": points for label, points in value.items()}
        elif value:
            found[split] = value
    return found
