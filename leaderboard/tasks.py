"""Background tasks for django-q2; each loads one row and calls a function."""

from __future__ import annotations

from leaderboard import writing
from leaderboard.comparison import rank_ranges
from submissions.models import Phase


def recompute_standings(phase_id: int) -> None:
    writing.recompute_standings(Phase.objects.select_related("dataset").get(pk=phase_id))


def compare_entries(phase_id: int, split: str) -> None:
    rank_ranges.compare_entries(Phase.objects.select_related("dataset").get(pk=phase_id), split)
