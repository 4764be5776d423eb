"""Remove the containers of lost workers from this host's engine: only those with our labels and instance."""

from __future__ import annotations

import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from submissions.runner.base import EngineFault
from submissions.worker import engine_host
from submissions.worker.reaping import reap_for_ever


class Command(BaseCommand):
    help = "Remove leftover containers and volumes of this site; with --every, go on until stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--every", type=float, metavar="SECONDS", help="repeat (20 is a good value)")
        parser.add_argument("--images", action="store_true", help="drop every cached participant image too")

    def handle(self, *args: Any, every: float | None, images: bool, **options: Any) -> None:
        if every:
            reap_for_ever(threading.Event(), every)
        try:
            engine = engine_host.connect()
            removed = engine_host.reap_once(engine)
            removed += _drop_images(engine_host.image_cache(engine)) if images else []
        except EngineFault as fault:
            raise CommandError(f"{fault.note} {fault.staff_detail}") from fault
        self.stdout.write(f"{len(removed)} removed")


def _drop_images(image_cache: Any) -> list[str]:
    image_ids: list[str] = image_cache.least_recently_used()
    for image_id in image_ids:
        image_cache.forget(image_id)
    return image_ids
