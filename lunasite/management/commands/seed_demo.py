"""Fill a demo site with phantom data, accounts and a submission in every state; running it again adds nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from lunasite.demo.accounts import (
    ACCOUNTS,
    DemoRefused,
    check_demo_may_be_here,
    demo_password,
    open_accounts,
)
from lunasite.demo.challenges import write_site_pages
from lunasite.demo.entries import make_entries, predictions_csv
from lunasite.demo.inference import make_answers
from lunasite.demo.phases import OPEN, open_phases
from submissions.models import Phase


class Command(BaseCommand):
    help = "Put made-up data and demo accounts into a demo site; 'manage.py start --demo' calls it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--port", type=int, default=8000, help="where the site will listen, for the printed address"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            check_demo_may_be_here()
        except DemoRefused as refused:
            raise CommandError(str(refused)) from refused
        now = timezone.now()
        users = open_accounts()
        write_site_pages(users["organiser"])
        phases = open_phases(now, users["organiser"])
        make_entries(users, phases, now)
        make_answers(users, now)
        good, broken = write_samples(phases[OPEN])
        self.stdout.write(greeting(options["port"], good, broken))


def write_samples(phase: Phase) -> tuple[Path, Path]:
    """Write a CSV to upload and an invalid copy of it below DATA_DIR; return their paths."""
    folder = Path(settings.DATA_DIR) / "samples"
    folder.mkdir(parents=True, exist_ok=True)
    good, broken = folder / "predictions.csv", folder / "predictions-broken.csv"
    lines = predictions_csv(phase, skill=1.0, seed=7).decode().splitlines()
    good.write_text("\n".join([*lines, ""]))
    case_id = lines[1].partition(",")[0]
    broken.write_text("\n".join([lines[0], f"{case_id},1.7", *lines[2:-1], "not-a-case,0.5", ""]))
    return good, broken


def greeting(port: int, good: Path, broken: Path) -> str:
    """Return the text that names the address to open, the accounts, and the first steps."""
    people = [
        f"  {account.username:<10} {'staff: /admin/' if account.is_admin else 'team ' + account.team}"
        for account in ACCOUNTS
    ]
    return "\n".join([
        f"The demo is at http://localhost:{port}/",
        f"Accounts, all with the password {demo_password()}",
        *people,
        f"Next: sign in as ada, open http://localhost:{port}/phases/{OPEN}/ and upload",
        f"  {good}",
        "and watch it being scored; then the broken copy, which costs no try:",
        f"  {broken}",
    ])  # fmt: skip
