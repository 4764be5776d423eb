"""Migration lock: hosts that start at the same time migrate one after the other (F25)."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator

from django.conf import settings
from django.db import connection

# An arbitrary constant that no other lock uses: the letters of "luna".
LOCK_NUMBER = 0x6C756E61


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Hold an advisory lock of the database, or with SQLite a lock file in DATA_DIR, while the block runs."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK_NUMBER])
            try:
                yield
            finally:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK_NUMBER])
        return
    with (settings.DATA_DIR / "start.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
