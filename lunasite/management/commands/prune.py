"""Delete what is old and nobody needs."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from lunasite.pruning import RULES


class Command(BaseCommand):
    help = "Delete what is old: sessions, predictions, drift rows, login attempts, mails, uploads, idle files."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say what would be deleted, and delete nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        now, is_dry = timezone.now(), options["dry_run"]
        counts = {rule.name: (rule.find if is_dry else rule.delete)(now) for rule in RULES}
        if options["verbosity"] == 0:
            return
        self.stdout.write("would be deleted" if is_dry else "deleted")
        for name, count in counts.items():
            self.stdout.write(f"{count:10,}  {name}")
