"""Update the generated sections of the docs."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from submissions.management.generated_docs import PAGES


class Command(BaseCommand):
    help = (
        "Rewrite what the docs take from code: failures, contracts, tables and CSVs of the kinds, states, disclosure."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        for name, filled_in in PAGES.items():
            path = settings.BASE_DIR / "docs" / name
            path.write_text(filled_in(path.read_text()))
            self.stdout.write(f"docs/{name}")
