"""Publish the truth of a dataset whose phases have ended, with the nonce that opens its commitment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from lunasite.http.errors import ApiError
from submissions.actions.staff.reveal import reveal, truth_of
from submissions.models import Dataset
from submissions.models.audit import record


class Command(BaseCommand):
    help = "Publish truth and nonce of a dataset: everybody can then prove that it was never changed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--of-version", type=int, help="default: the newest")
        parser.add_argument("--output", type=Path, help="also write the file here, as the phase page offers it")

    def handle(self, *args: Any, name: str, output: Path | None = None, **options: Any) -> None:
        found = Dataset.objects.filter(name=name).order_by("-version")
        if version := options["of_version"]:
            found = found.filter(version=version)
        if (dataset := found.first()) is None:
            raise CommandError(f"There is no dataset '{name}'.")
        try:
            with transaction.atomic():
                reveal(dataset=dataset, now=timezone.now())
                record(None, "publish", dataset)
        except ApiError as refusal:
            raise CommandError(refusal.message) from refusal
        if output:
            output.write_text(json.dumps(truth_of(dataset)))
        self.stdout.write(f"{dataset} is public since {dataset.revealed_at:%Y-%m-%d %H:%M} UTC.")
