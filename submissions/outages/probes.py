"""Probes of shared parts, each short: does the store answer, is the file there, do the clocks agree, is there room?"""

from __future__ import annotations

import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import structlog
from django.conf import settings

from submissions.database_clock import database_now
from submissions.storage.base import StorageError
from submissions.storage.files import head_of, store

log = structlog.get_logger(__name__)
PROBE_KEY = "ready-probe"
MAX_CLOCK_SKEW_S = 60.0
MIN_FREE_BYTES = 256 << 20


def is_readable(name: str, key: str) -> bool:
    """Return whether a store answers: it gives the first byte of `key`, or says that it has no such file."""
    try:
        _ask(name, key)
    except StorageError as error:
        if error.shared is not None:
            log.info("storage away", store=name, reason=error.staff_detail)
        return error.shared is None  # otherwise it answers, and something is wrong with this file alone
    return True


def _ask(name: str, key: str) -> None:
    """Read a byte of `key`; without one, ask for a file that no store has, as a new site has no file at all."""
    if key:
        head_of(key, 1, store(name))
    else:
        store(name).size(PROBE_KEY)


def is_there(name: str, key: str) -> bool:
    """Return whether a file can be read."""
    try:
        head_of(key, 1, store(name))
    except StorageError:
        return False
    return True


def clock_problem() -> str:
    """Return how far this host's clock is off the database's, or ""."""
    before = time.monotonic()
    theirs = database_now()
    took_s = time.monotonic() - before
    skew_s = (datetime.now(UTC) - theirs).total_seconds() - took_s / 2
    if abs(skew_s) <= MAX_CLOCK_SKEW_S:
        return ""
    return f"its clock is {abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} the database's"


def disk_problem() -> str:
    """Return whether this host's data folder has too little room, or cannot be written, or ""."""
    return folder_problem("DATA_DIR")


def cases_problem() -> str:
    """Return the same of the folder that cases are placed in; only a host of containers has it."""
    return folder_problem("EVALUATION_CASES_DIR")


def folder_problem(name: str) -> str:
    folder = Path(getattr(settings, name))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free_bytes = shutil.disk_usage(folder).free
    except OSError as error:
        return f"{name} cannot be used ({error.strerror})"
    return f"{name} has only {free_bytes >> 20} MiB free" if free_bytes < MIN_FREE_BYTES else ""


def storage_problem() -> str:
    return "" if is_readable("default", "") else "the storage of submissions does not answer"
