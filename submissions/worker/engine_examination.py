"""The doctor's look at this host's engine: driver image, sandbox, disk."""

from __future__ import annotations

from django.conf import settings

from submissions.runner.attempt import Host
from submissions.runner.base import EngineFault
from submissions.runner.host.disk import engine_free_bytes
from submissions.runner.host.selftest import Check
from submissions.worker import engine_host

ENOUGH_FREE_BYTES = 20 << 30


def examine_engine() -> list[Check]:
    """Return every check of the engine; a single failed one when it does not answer at all."""
    try:
        engine = engine_host.connect()
        driver = engine_host.pinned_driver(engine)
        host = Host(engine, driver, engine_host.PREFIX, settings.INSTANCE, engine_host.runtime())
        return [Check("driver image", True, driver), *engine_host.checks(host), _disk(host)]
    except EngineFault as fault:
        return [Check("engine", False, f"{fault.note} {fault.staff_detail}".strip())]


def _disk(host: Host) -> Check:
    free = engine_free_bytes(host)
    return Check("engine disk", free >= ENOUGH_FREE_BYTES, f"{free >> 30} GiB free", is_fatal=False)
