"""Compute the coordinates of the history chart, and round ticks for any axis of scores."""

from __future__ import annotations

import math
from dataclasses import dataclass

from leaderboard.history import HistoryPoint

WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 12, 28


@dataclass(frozen=True)
class HistoryChart:
    """SVG coordinates of a chart: one dot per entry, the best score as steps, and the labels of the axes.

    whiskers: the interval of each entry that has one, as (x, y of its upper end, y of its lower end).
    """

    dots: list[tuple[float, float]]
    whiskers: list[tuple[float, float, float]]
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
    scores += [end for moment in moments for end in (moment.low, moment.high) if end is not None]
    ticks = round_ticks(*_padded(min(scores), max(scores)))
    least, most = ticks[0], ticks[-1]
    xs = [_scaled(time, times[0], times[-1], LEFT, WIDTH - RIGHT) for time in times]
    steps: list[tuple[float, float]] = []
    for x, moment in zip(xs, moments, strict=True):
        y = _height(moment.best, least, most)
        steps += [(x, steps[-1][1]), (x, y)] if steps else [(x, y)]
    ends = [(x, moment.high, moment.low) for x, moment in zip(xs, moments, strict=True)]
    return HistoryChart(
        whiskers=[
            (x, _height(high, least, most), _height(low, least, most))
            for x, high, low in ends
            if high is not None and low is not None
        ],
        dots=[(x, _height(moment.score, least, most)) for x, moment in zip(xs, moments, strict=True)],
        steps=steps,
        y_labels=[(_height(value, least, most), f"{value:g}") for value in ticks],
        first_day=f"{moments[0].submitted_at:%Y-%m-%d}",
        last_day=f"{moments[-1].submitted_at:%Y-%m-%d}",
    )


def round_ticks(least: float, most: float, most_steps: int = 4) -> list[float]:
    """Return round values at equal steps of 1, 2 or 5 times a power of ten, of which the outer ones hold both ends."""
    if most <= least:
        least, most = least - 0.05, most + 0.05
    for step in _steps(most - least, most_steps):
        # 1e-9: an end that is a multiple but for rounding is one.
        first, last = math.floor(least / step + 1e-9), math.ceil(most / step - 1e-9)
        if last - first <= most_steps:
            break
    return [round(number * step, 12) + 0.0 for number in range(first, last + 1)]


def _steps(width: float, most_steps: int) -> list[float]:
    """Return steps to try, the smallest that could do first."""
    power = math.floor(math.log10(width / most_steps))
    return [digit * 10.0**exponent for exponent in range(power, power + 3) for digit in (1, 2, 5)]


def _padded(least: float, most: float) -> tuple[float, float]:
    room = (most - least) * 0.08 or 0.01
    return least - room, most + room


def _height(value: float, least: float, most: float) -> float:
    return _scaled(value, least, most, HEIGHT - BOTTOM, TOP)


def _scaled(value: float, least: float, most: float, start: float, end: float) -> float:
    share = (value - least) / (most - least) if most > least else 0.5
    return start + share * (end - start)
