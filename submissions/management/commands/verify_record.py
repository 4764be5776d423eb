"""Verify a signed evaluation record, and that the data it was scored on are those committed to before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rfc8785
from django.core.management.base import BaseCommand, CommandError, CommandParser

from lunasite.http.strict_json import NotStrictJson, parse_strict
from submissions.datasets.commitment import commitment
from submissions.presenters import record_signature
from submissions.presenters.signed_record import trusted_keys


class Command(BaseCommand):
    help = "Print 'genuine' for a signed record that nobody altered; else say why not, with exit code 1."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the JSON that …/submissions/<id>/record answered")
        key_help = "what a site's /api/v1/record-key answered; without it, this site's own keys count"
        parser.add_argument("--key", type=Path, help=key_help)

        data_help = "the published truth, as …/phases/<slug>/truth answered: is it what was committed to?"
        parser.add_argument("--data", type=Path, help=data_help)

    def handle(self, *args: Any, file: Path, key: Path | None = None, data: Path | None = None, **options: Any) -> None:
        try:
            keys = record_signature.read_keys(_read(key)) if key else trusted_keys()
            record = record_signature.verify(_read(file), keys)
        except record_signature.BadRecord as error:
            raise CommandError(f"not genuine: {error}") from error
        facts = f"submission {record['submission']} of team {record['team']} in phase {record['phase']}"
        self.stdout.write(f"genuine: {facts}, scored at {record['finished_at']}")
        if data:
            self._check_data(data, record)

    def _check_data(self, path: Path, record: dict[str, Any]) -> None:
        try:
            found = commitment(parse_strict(_read(path)))
        except NotStrictJson as error:
            raise CommandError(f"not the data it was scored on: the file {error}") from error
        except rfc8785.CanonicalizationError as error:
            raise CommandError(f"not the data it was scored on: {error}") from error
        if found != record["dataset_hash"]:
            raise CommandError(f"not the data it was scored on: their hash is {found}, not {record['dataset_hash']}")
        self.stdout.write("the data are those committed to when they were imported: nothing was changed")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandError(f"not read: {error.strerror}: {path}") from error
