"""Curves as SVG coordinates; templates/charts/curve.svg draws them, without a script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LEFT, TOP, SIDE = 40, 10, 200  # the plot is a square of SIDE units; x and y both run from 0 to 1
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
LINE_CLASSES = ("curve", "second", "curve third", "second fourth")

Points = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Line:
    """A curve: `path` is the `points` attribute of a polyline; dots only where they are few."""

    name: str
    css: str
    path: str
    dots: list[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """diagonal: "up" for ROC and reliability, "" for none."""

    title: str
    x_label: str
    y_label: str
    caption: str
    lines: list[Line]
    diagonal: bool

    @property
    def ticks(self) -> list[dict[str, Any]]:
        return [{"text": f"{tick:g}", "x": to_x(tick), "y": to_y(tick)} for tick in TICKS]


def to_x(value: float) -> float:
    return round(LEFT + value * SIDE, 1)


def to_y(value: float) -> float:
    return round(TOP + (1 - value) * SIDE, 1)


def line(name: str, points: Points, css: str = "curve") -> Line:
    """Place (x, y) points of [0, 1]² in the plot."""
    placed = [(to_x(x), to_y(y)) for x, y in points]
    path = " ".join(f"{x},{y}" for x, y in placed)
    return Line(name, css, path, placed if len(placed) <= 12 else [])


def _lines(curves: Mapping[str, Points]) -> list[Line]:
    styles = LINE_CLASSES * (1 + len(curves) // len(LINE_CLASSES))
    return [line(name, points, css) for (name, points), css in zip(curves.items(), styles, strict=False) if points]


def charts_of(curves: Mapping[str, Mapping[str, Any]]) -> list[Chart]:
    """Return the charts of an evaluation. curves: as `scoring.curves` stores them, by split.

    Several splits, or the classes of a slice phase, are lines of one chart.
    """
    charts = [
        _chart("ROC", "false positive rate", "sensitivity", _gathered(curves, "roc"), diagonal=True,
               caption="Up and to the left is better; the dashed line is guessing."),
        _chart("Precision and recall", "recall", "precision", _gathered(curves, "pr"), diagonal=False,
               caption="How pure the called cases stay as more of the malignant ones are found."),
        _chart("Reliability", "predicted probability", "observed share", _gathered(curves, "reliability"),
               diagonal=True, caption="On the dashed line, a predicted 30 % comes true in 30 % of cases."),
    ]  # fmt: skip
    return [chart for chart in charts if chart.lines]


def _chart(
    title: str, x_label: str, y_label: str, curves: Mapping[str, Points], *, diagonal: bool, caption: str
) -> Chart:
    return Chart(title, x_label, y_label, caption, _lines(curves), diagonal)


def _gathered(curves: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, Points]:
    """Return line name → points: a line a split, and a line a class where the curve is kept by class."""
    found: dict[str, Points] = {}
    for split, of_split in curves.items():
        value = of_split.get(name)
        if isinstance(value, Mapping):
            prefix = f"{split}, " if len(curves) > 1 else ""
            found |= {f"{prefix}{label.replace('_', ' ')}": points for label, points in value.items()}
        elif value:
            found[split] = value
    return found
