"""Verify that a signed evaluation record is unchanged since the site signed it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from submissions.presenters import record_signature
from submissions.presenters.signed_record import trusted_keys


class Command(BaseCommand):
    help = "Print 'genuine' for a signed record that nobody altered; else say why not, with exit code 1."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the JSON that …/submissions/<id>/record answered")
        key_help = "what a site's /api/v1/record-key answered; without it, this site's own keys count"
        parser.add_argument("--key", type=Path, help=key_help)

    def handle(self, *args: Any, file: Path, key: Path | None = None, **options: Any) -> None:
        try:
            keys = record_signature.read_keys(_read(key)) if key else trusted_keys()
            record = record_signature.verify(_read(file), keys)
        except record_signature.BadRecord as error:
            raise CommandError(f"not genuine: {error}") from error
        facts = f"submission {record['submission']} of team {record['team']} in phase {record['phase']}"
        self.stdout.write(f"genuine: {facts}, scored at {record['finished_at']}")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandError(f"not read: {error.strerror}: {path}") from error
