"""Compute the coordinates of the history chart."""

from __future__ import annotations

from dataclasses import dataclass

from leaderboard.history import HistoryPoint

WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 12, 28


@dataclass(frozen=True)
class HistoryChart:
    """SVG coordinates of a chart: one dot per entry, the best score as steps, and the labels of the axes."""

    dots: list[tuple[float, float]]
    steps: list[tuple[float, float]]
    y_labels: list[tuple[float, str]]
    first_day: str
    last_day: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM


def history_chart(moments: list[HistoryPoint]) -> HistoryChart | None:
    """Return the chart of a history, oldest first; None for fewer than two entries."""
    if len(moments) < 2:
        return None
    times = [moment.submitted_at.timestamp() for moment in moments]
    scores = [moment.score for moment in moments] + [moment.best for moment in moments]
    least, most = _padded(min(scores), max(scores))
    xs = [_scaled(time, times[0], times[-1], LEFT, WIDTH - RIGHT) for time in times]
    steps: list[tuple[float, float]] = []
    for x, moment in zip(xs, moments, strict=True):
        y = _height(moment.best, least, most)
        steps += [(x, steps[-1][1]), (x, y)] if steps else [(x, y)]
    return HistoryChart(
        dots=[(x, _height(moment.score, least, most)) for x, moment in zip(xs, moments, strict=True)],
        steps=steps,
        y_labels=[(_height(value, least, most), f"{value:.3g}") for value in (least, (least + most) / 2, most)],
        first_day=f"{moments[0].submitted_at:%Y-%m-%d}",
        last_day=f"{moments[-1].submitted_at:%Y-%m-%d}",
    )


def _padded(least: float, most: float) -> tuple[float, float]:
    room = (most - least) * 0.08 or 0.01
    return least - room, most + room


def _height(value: float, least: float, most: float) -> float:
    return _scaled(value, least, most, HEIGHT - BOTTOM, TOP)


def _scaled(value: float, least: float, most: float, start: float, end: float) -> float:
    share = (value - least) / (most - least) if most > least else 0.5
    return start + share * (end - start)
