"""Update the generated sections of the docs."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from submissions.management.generated_docs import disclosure_table, participant_guide, state_diagram


class Command(BaseCommand):
    help = "Rewrite what the docs take from code: failure codes, docker run lines, diagram of states, disclosure."

    def handle(self, *args: Any, **options: Any) -> None:
        pages = {
            "participant-guide.md": participant_guide.filled_in,
            "architecture.md": state_diagram.filled_in,
            "reference/disclosure.md": disclosure_table.filled_in,
        }
        for name, filled_in in pages.items():
            path = settings.BASE_DIR / "docs" / name
            path.write_text(filled_in(path.read_text()))
            self.stdout.write(f"docs/{name}")
