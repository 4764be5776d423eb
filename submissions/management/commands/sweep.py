"""Recover lost work now; workers also do this by themselves."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from submissions import actions


class Command(BaseCommand):
    help = "Queue again what a lost worker was running, and what waits without a message."

    def handle(self, *args: Any, **options: Any) -> None:
        lost, unsent = actions.sweep()
        self.stdout.write(f"{lost} lost attempts and {unsent} lost messages queued again")
