"""Import a dataset from a ground-truth table and its images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from submissions.datasets.changes import sentences_of
from submissions.datasets.importing import Judged, judged, keep
from submissions.datasets.table import DatasetError
from submissions.kinds import KINDS
from submissions.models import Dataset, Split


def fraction(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError("give a number between 0 and 1, such as 0.3")
    return value


def count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 7):
        raise argparse.ArgumentTypeError("give a whole number, 0 for none")
    return int(text)


def millimetres(text: str) -> float:
    value = float(text)
    if not 0.1 <= value <= 10:
        raise argparse.ArgumentTypeError("give millimetres between 0.1 and 10, such as 1.0")
    return value


class Command(BaseCommand):
    help = "Import a dataset: LUNA25's columns as they are; each fault is named with its row."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--kind", required=True, choices=list(KINDS))
        parser.add_argument("--name", required=True, help="letters, digits, - and _")
        parser.add_argument("--truth", required=True, type=Path, help="CSV with ids and labels")
        parser.add_argument("--images", type=Path, help="folder of the images; needed to run containers")
        parser.add_argument("--resample-mm", type=millimetres, help="store the volumes on cubes of this size")
        split = parser.add_mutually_exclusive_group()
        split.add_argument("--public-fraction", type=fraction, help="share of patients whose score shows (0.3)")
        split.add_argument("--split-column", help="column that says public, private or sample")
        split.add_argument(
            "--practice", action="store_true", help="labels are no secret: all cases public, phases for practice"
        )
        parser.add_argument(
            "--samples", type=count, help="cases set aside by patient, with their truth; 20, of few cases a quarter"
        )

        parser.add_argument("--owner", help="user name of the organiser whose dataset it is; without it, the site's")
        parser.add_argument("--dry-run", action="store_true", help="judge everything and store nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        names = ("kind", "name", "public_fraction", "split_column", "samples", "resample_mm")
        if options["practice"] and options["samples"]:
            raise CommandError("--practice sets no samples aside: leave --samples out.")
        images = Path(options["images"]) if options["images"] else None
        given = {name: options[name] for name in names} | {
            "truth": Path(options["truth"]), "images": images, "is_practice": options["practice"],
            "owner": self._owner(options["owner"]),
        }  # fmt: skip
        try:
            with judged(**given) as found:
                dataset = None if options["dry_run"] else keep(found)
        except DatasetError as error:
            raise CommandError(f"Nothing was imported:\n{error}") from error
        self._tell(found, dataset)

    def _owner(self, name: str | None) -> Any:
        if name is None:
            return None
        owner = get_user_model().objects.filter(username=name).first()
        if owner is None:
            raise CommandError(f"There is no user '{name}'.")
        return owner

    def _tell(self, found: Judged, dataset: Dataset | None) -> None:
        counts = found.counts()
        shown = ", ".join(f"{counts[split]} {split}" for split in Split.values if split in counts)
        if dataset is None:
            self.stdout.write(f"Nothing is stored. It would be {len(found.rows)} cases ({shown}).")
        else:
            self.stdout.write(f"{dataset}: {len(found.rows)} cases ({shown}), commitment {dataset.content_hash}")
        for line in sentences_of(found.changes):
            self.stdout.write(line)
        for warning in found.new.warnings:
            self.stderr.write(self.style.WARNING(f"warning: {warning}"))
