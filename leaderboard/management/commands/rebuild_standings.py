"""Rebuild every standing from the current evaluations."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from leaderboard.models import Standing
from leaderboard.writing import recompute_standings
from submissions.models import Phase


class Command(BaseCommand):
    help = "Rebuild the leaderboards' rows; safe at any time."

    def handle(self, *args: Any, **options: Any) -> None:
        for phase in Phase.objects.select_related("dataset"):
            recompute_standings(phase)
        self.stdout.write(f"{Standing.objects.count()} standings")
