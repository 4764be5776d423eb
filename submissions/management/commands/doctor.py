"""Check whether this host may run participants' containers: engine, driver image, sandbox, disk."""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from submissions.runner.attempt import Host
from submissions.runner.base import EngineFault
from submissions.runner.host.disk import engine_free_bytes
from submissions.runner.host.selftest import Check
from submissions.storage.buckets import problem
from submissions.worker import engine_host

ENOUGH_FREE_BYTES = 20 << 30


class Command(BaseCommand):
    help = "Run the self-test of the sandbox; exit code 1 when containers must not be run here."

    def handle(self, *args: Any, **options: Any) -> None:
        checks = [_object_store(), *self._checks()]
        for check in checks:
            mark = "ok  " if check.ok else ("FAIL" if check.is_fatal else "warn")
            self.stdout.write(f"{mark}  {check.name}: {check.detail}")
        if any(check.is_fatal and not check.ok for check in checks):
            self.stdout.write("Containers are refused on this host until the lines marked FAIL are mended.")
            sys.exit(1)

    def _checks(self) -> list[Check]:
        try:
            engine = engine_host.connect()
            driver = engine_host.pinned_driver(engine)
            host = Host(engine, driver, engine_host.PREFIX, settings.INSTANCE, engine_host.runtime())
            return [Check("driver image", True, driver), *engine_host.checks(host), _disk(host)]
        except EngineFault as fault:
            return [Check("engine", False, f"{fault.note} {fault.staff_detail}".strip())]


def _object_store() -> Check:
    what = problem()
    kind = "answers, its buckets are there" if settings.MINIO else "none, files are local"
    return Check("object store", not what, what or kind, is_fatal=False)


def _disk(host: Host) -> Check:
    free = engine_free_bytes(host)
    return Check("engine disk", free >= ENOUGH_FREE_BYTES, f"{free >> 30} GiB free", is_fatal=False)
