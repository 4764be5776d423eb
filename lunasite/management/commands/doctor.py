"""Look at every part of the site from this host; say of each broken one what is wrong and what to do."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from lunasite.management.commands.start import engine_is_configured
from lunasite.monitoring.examination import Finding, examine
from submissions.worker.engine_examination import examine_engine

NEEDS = "docs/evaluation-hosts.md says what an engine needs."
ENGINE_REMEDY = f"This host runs no images until then; {NEEDS}"
ENGINE_ADVICE = f"Images run all the same; {NEEDS}"


class Command(BaseCommand):
    help = "Examine database, storage, cache, mail, disks, models and engine; exit code 1 when something is broken."

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--engine", action="store_true", help="this host must have an engine: only look at that")
        which.add_argument("--no-engine", action="store_true", help="leave the engine out")

    def handle(self, *args: Any, **options: Any) -> None:
        broken = 0
        if not options["engine"]:
            for finding in examine():
                broken += self._tell(finding)
        if options["engine"] or (engine_is_configured() and not options["no_engine"]):
            for check in examine_engine():
                remedy = ENGINE_REMEDY if check.is_fatal else ENGINE_ADVICE
                broken += self._tell(Finding(check.name, check.ok, check.detail, remedy, check.is_fatal))
        elif not options["no_engine"]:
            self.stdout.write("--    engine: none on this host; images wait for a worker that has one")
        if broken:
            self.stdout.write(f"{broken} broken. Each FAIL line has its remedy below it.")
            sys.exit(1)

    def _tell(self, finding: Finding) -> bool:
        """Write the lines of a finding; return whether it is a fatal one."""
        mark = "ok  " if finding.is_ok else ("FAIL" if finding.is_fatal else "warn")
        self.stdout.write(f"{mark}  {finding.name}: {finding.detail}")
        if not finding.is_ok and finding.remedy:
            self.stdout.write(f"      {finding.remedy}")
        return finding.is_fatal and not finding.is_ok
