"""Say whether a signed evaluation record is as this site wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from submissions.presenters.signed_record import BadRecord, read_record


class Command(BaseCommand):
    help = "Print 'genuine' for a record this site signed and nobody altered; else say why not, with exit code 1."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the JSON that …/submissions/<id>/record answered")

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        try:
            record = read_record(file.read_bytes())
        except OSError as error:
            raise CommandError(f"not read: {error.strerror}: {file}") from error
        except BadRecord as error:
            raise CommandError(f"not genuine: {error}") from error
        facts = f"submission {record['submission']} of team {record['team']} in phase {record['phase']}"
        self.stdout.write(f"genuine: {facts}, scored at {record['finished_at']}")
