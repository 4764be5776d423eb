"""Write every standing anew from the counted evaluations."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from submissions.models import Phase, Standing, Team
from submissions.models.standing import refresh_standings


class Command(BaseCommand):
    help = "Rebuild the leaderboards' rows; safe at any time."

    def handle(self, *args: Any, **options: Any) -> None:
        for phase in Phase.objects.select_related("dataset"):
            for team in Team.objects.filter(submissions__phase=phase).distinct():
                with transaction.atomic():
                    Team.objects.select_for_update().get(pk=team.pk)
                    refresh_standings(phase, team)
        self.stdout.write(f"{Standing.objects.count()} standings")
