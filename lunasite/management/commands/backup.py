"""Back the site up while it runs, or verify a backup."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from lunasite.backup.create import create, prune
from lunasite.backup.manifest import Manifest, stamps
from lunasite.backup.places import Place, place_at
from lunasite.backup.verify import problems

MAX_SHOWN = 50


class Command(BaseCommand):
    help = (
        "`backup DIR` or `backup s3://bucket/prefix`: database, both buckets, feedback, drift, keys. "
        "`backup verify DIR` reads all of a backup again: every key present, every sha256 right."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("words", nargs="+", metavar="[verify] PLACE")
        parser.add_argument("--at", metavar="STAMP", help="verify this backup; without it, the newest")
        parser.add_argument("--keep", type=int, metavar="N", help="afterwards delete all but the newest N backups")
        parser.add_argument("--without-keys", action="store_true", help="leave SECRET_KEY and the signing key out")

    def handle(self, *args: Any, words: list[str], **options: Any) -> None:
        if words[0] == "verify" and len(words) == 2:
            self._verify(place_at(words[1]), options["at"])
        elif len(words) == 1:
            self._create(place_at(words[0]), options)
        else:
            raise CommandError("Say `backup PLACE` or `backup verify PLACE`.")

    def _create(self, place: Place, options: dict[str, Any]) -> None:
        made = create(place, with_keys=not options["without_keys"])
        self.stdout.write(f"{made.stamp}: {made.files} stored files, {made.copied} of them copied now")
        if options["keep"]:
            self.stdout.write(f"{prune(place, max(1, options['keep']))} older backups deleted")
        if made.missing:
            lines = "\n".join(f"  {store}/{key}" for store, key in made.missing[:MAX_SHOWN])
            raise CommandError(f"{len(made.missing)} files that the database names are not in storage:\n{lines}")

    def _verify(self, place: Place, stamp: str | None) -> None:
        known = stamps(place)
        if not known:
            raise CommandError("There is no complete backup here.")
        manifest = Manifest.read(place, stamp or known[-1])
        found = list(problems(place, manifest))
        for line in found[:MAX_SHOWN]:
            self.stderr.write(line)
        if found:
            raise CommandError(f"{manifest.stamp}: {len(found)} problems")
        n_files, n_keys = len(manifest.files), len(manifest.referenced)
        self.stdout.write(f"{manifest.stamp}: {n_files} files read, {n_keys} keys that the database names present")
