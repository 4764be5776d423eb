"""Import a dataset from a ground-truth table and its images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from submissions.datasets.importing import import_dataset
from submissions.datasets.table import DatasetError
from submissions.kinds import KINDS
from submissions.models import Split


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

    def handle(self, *args: Any, **options: Any) -> None:
        names = ("kind", "name", "public_fraction", "split_column", "samples", "resample_mm")
        if options["practice"] and options["samples"]:
            raise CommandError("--practice sets no samples aside: leave --samples out.")
        images = Path(options["images"]) if options["images"] else None
        try:
            dataset = import_dataset(
                truth=Path(options["truth"]),
                images=images,
                is_practice=options["practice"],
                **{name: options[name] for name in names},
            )
        except DatasetError as error:
            raise CommandError(f"Nothing was imported:\n{error}") from error
        counts = {split: dataset.cases.filter(split=split).count() for split in Split.values}
        shown = ", ".join(f"{count} {split}" for split, count in counts.items() if count)
        self.stdout.write(f"{dataset}: {dataset.cases.count()} cases ({shown}), commitment {dataset.content_hash}")
        for warning in dataset.warnings:
            self.stderr.write(self.style.WARNING(f"warning: {warning}"))
