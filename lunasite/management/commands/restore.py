"""Restore a backup of `manage.py backup` into this site."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from lunasite.backup import database
from lunasite.backup.manifest import Manifest, stamps
from lunasite.backup.places import place_at
from lunasite.backup.restore import restore


class Command(BaseCommand):
    help = "Restore the newest backup in DIR or s3://bucket/prefix, or that of --at. Stop web and workers first."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("place")
        parser.add_argument("--at", metavar="STAMP")
        parser.add_argument("--replace", action="store_true", help="also where the database holds a site already")

    def handle(self, *args: Any, **options: Any) -> None:
        place = place_at(options["place"])
        known = stamps(place)
        if not known:
            raise CommandError("There is no complete backup here.")
        if database.is_filled() and not options["replace"]:
            raise CommandError("The database holds a site already; --replace replaces it.")
        manifest = Manifest.read(place, options["at"] or known[-1])
        done = restore(place, manifest)
        self.stdout.write(f"{manifest.stamp}: database and {done.files} stored files, {done.written} of them written")
        for name in done.overridden:
            self.stderr.write(f"{name} of the environment is not that of the backup; set the backup's.")
        self.stdout.write("Now run `manage.py migrate` and `manage.py sweep`, then start web and workers.")
        if done.damaged:
            raise CommandError("\n".join([f"{len(done.damaged)} files are not restored:", *done.damaged]))
