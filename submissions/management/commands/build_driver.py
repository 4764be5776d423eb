"""Build and pin the driver image on this host's engine, without network or registry."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from submissions.runner.base import EngineFault
from submissions.worker import engine_host


class Command(BaseCommand):
    help = "Build the driver image from this machine's Python and pin it by its ID."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            image_id = engine_host.build_driver(engine_host.connect())
        except EngineFault as fault:
            raise CommandError(f"{fault.note} {fault.staff_detail}") from fault
        self.stdout.write(f"{engine_host.driver_repository()}:pinned {image_id}")
