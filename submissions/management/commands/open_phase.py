"""Open a dataset for submissions."""

from __future__ import annotations

import argparse
import re
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from submissions.models import Challenge, Dataset, Phase
from submissions.phases.opening import Window, quota_of, save_phase, takes_containers, why_no_containers
from submissions.phases.warnings import phase_warnings


def quota(text: str) -> Window:
    try:
        return quota_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def moment(text: str) -> datetime:
    """Parse an ISO date or time; without a time zone it is UTC."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not an ISO date or time, such as 2027-01-31T12:00") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def decimals(text: str) -> int | None:
    if text == "full":
        return None
    if not re.fullmatch(r"[0-9]|1[0-5]", text):
        raise argparse.ArgumentTypeError("give 0 to 15, or 'full'")
    return int(text)


def challenge_of(options: dict[str, Any]) -> Challenge | None:
    """Return the challenge that was named, or the one of the phase's slug; None: the phase makes it."""
    named = options["challenge"]
    challenge = Challenge.objects.filter(slug=named or options["slug"]).first()
    if named and challenge is None:
        raise CommandError(f"There is no challenge '{named}'; leave --challenge out, and the phase makes its own.")
    return challenge


class Command(BaseCommand):
    help = "Open the newest version of a dataset as a phase."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dataset", required=True)
        parser.add_argument("--slug", required=True)
        parser.add_argument("--challenge", help="slug of an existing one; default: one of the phase's slug")
        parser.add_argument("--title", required=True)
        parser.add_argument("--description", default="")
        parser.add_argument("--opens", type=moment, help="default: now")
        parser.add_argument("--closes", type=moment, help="default: never")
        parser.add_argument("--quota", type=quota, action="append", default=[], help="15/all, 2/7d; may be repeated")
        parser.add_argument("--decimals", type=decimals, default=4, help="0 to 15, or full")
        parser.add_argument(
            "--disclosure", choices=Phase.Disclosure.values, default=Phase.Disclosure.COMPETITION,
            help="what participants see before the end: all at once, or one number (default)",
        )  # fmt: skip
        parser.add_argument("--ladder-step", type=float, default=0.01, help="0: every score is shown")
        parser.add_argument("--metric", default="", help="the metric that ranks")
        parser.add_argument(
            "--tie-break", action="append", default=[], help="metrics that decide ties; may be repeated"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        dataset = Dataset.objects.filter(name=options["dataset"]).order_by("-version").first()
        if dataset is None:
            raise CommandError(f"There is no dataset '{options['dataset']}'; import_dataset makes one.")
        phase = Phase(
            challenge=challenge_of(options),
            dataset=dataset, slug=options["slug"], title=options["title"], description=options["description"],
            closes_at=options["closes"], decimals=options["decimals"], metric=options["metric"],
            disclosure=options["disclosure"], ladder_step=options["ladder_step"] or None,
            tie_breaks=options["tie_break"], accepts_docker=takes_containers(dataset),
        )  # fmt: skip
        if options["opens"]:
            phase.opens_at = options["opens"]
        self._save(phase, options["quota"])
        self.stdout.write(f"Opened {phase.slug}: {dataset}, ranked by {phase.ranking_metric}.")
        if not phase.accepts_docker:
            self.stdout.write(f"It takes CSVs only: {why_no_containers(dataset)}.")
        for line in phase_warnings(phase):
            self.stdout.write(f"Worth knowing: {line}")

    def _save(self, phase: Phase, windows: list[Window]) -> None:
        try:
            save_phase(phase=phase, windows=windows)
        except ValidationError as error:
            problems = "; ".join(f"{field}: {' '.join(texts)}" for field, texts in error.message_dict.items())
            raise CommandError(f"The phase was not opened: {problems}") from error
