"""Template tags of the report: bars of intervals, and changes with their sign."""

from __future__ import annotations

from django import template
from django.utils.html import format_html

from leaderboard.report.page import Interval
from leaderboard.templatetags.scores import BAR, BAR_WIDTH, gridlines, position
from submissions.disclosure import View

register = template.Library()


@register.simple_tag
def interval_of(found: Interval, scale: tuple[float, float]) -> str:
    """Return the SVG of a number and its interval on a scale from minimum to maximum; a dash without a number."""
    if found.value is None:
        return "–"
    low, high = (found.value if end is None else end for end in (found.low, found.high))
    left, at, right = (position(end, *scale) for end in (low, found.value, high))
    return format_html(
        BAR,
        width=BAR_WIDTH,
        grid=gridlines(*scale),
        left=f"{left:.1f}",
        right=f"{right:.1f}",
        band=f"{max(right - left, 0.5):.1f}",
        at=f"{at:.1f}",
        label=f"{found.title} {found.value:.3f}, {low:.3f} to {high:.3f}",
    )


@register.filter
def signed(value: float | None, view: View) -> str:
    """Return a change with its sign: +0.03, −0.01, 0.00."""
    if value is None:
        return "–"
    text = view.score_text(abs(value))
    sign = "+" if value > 0 else "−" if value < 0 else ""
    return f"{sign}{text}"


@register.filter
def share(value: float | None) -> str:
    """Return a share in three decimals, a dash where there is none."""
    return "–" if value is None else f"{value:.3f}"


@register.filter
def ends(interval: list[float] | None) -> str:
    """Return an interval in two decimals, nothing where there is none."""
    return f"{interval[0]:.2f}–{interval[1]:.2f}" if interval else ""
