"""The reaper of this host: a thread beside the container workers, and the same as a command."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Any

import structlog
from django.db import DatabaseError, InterfaceError, connection

from submissions.models import Worker
from submissions.runner.base import EngineFault
from submissions.runner.host.disk import engine_free_bytes
from submissions.worker import engine_host

log = structlog.get_logger(__name__)
EVERY_S = 20.0
AWAY = (DatabaseError, InterfaceError)


def reap_for_ever(stop: threading.Event, every_s: float = EVERY_S) -> None:
    """Remove leftovers of lost attempts at once and then every `every_s`, whatever is away meanwhile."""
    while not stop.is_set():
        try:
            _look_after_engine()
        except EngineFault as fault:
            log.warning("engine away or refused", reason=fault.staff_detail[:200])
            _refuse(fault)
        except AWAY as error:
            log.warning("database away", reason=type(error).__name__)
        except Exception as error:  # a full disk of the worker's own, for one: nobody would reap here any more
            log.exception("reaper failed; it goes on")
            _refuse(EngineFault("This host's engine could not be looked after.", staff_detail=repr(error)))
        finally:
            connection.close()
        stop.wait(every_s)


def _look_after_engine() -> None:
    engine = engine_host.connect()
    try:
        engine_host.reap_once(engine)
        host = engine_host.container_host(engine)
        _report(
            takes_containers=True,
            refusal="",
            engine_version=engine.facts().version[:60],
            engine_free_bytes=engine_free_bytes(host),
        )
    finally:
        engine.close()


def _report(**facts: Any) -> None:
    """Write into this worker's row what staff and /metrics read of its engine."""
    Worker.objects.filter(name=os.environ.get("LUNASITE_WORKER", "")).update(**facts)


def _refuse(fault: EngineFault) -> None:
    with contextlib.suppress(*AWAY):
        _report(takes_containers=False, refusal=f"{fault.note} {fault.staff_detail}".strip()[:2000])


def start_reaper() -> threading.Event:
    """Start the thread; set the event to end it."""
    stop = threading.Event()
    threading.Thread(target=reap_for_ever, args=(stop,), name="reaper", daemon=True).start()
    return stop
