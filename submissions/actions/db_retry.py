"""Retry a transaction when the database was busy or chose it as a deadlock victim (F14)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from django.db import OperationalError, connection

log = structlog.get_logger(__name__)
Result = TypeVar("Result")
MAX_ATTEMPTS = 3


def retry_on_deadlock(transaction: Callable[[], Result]) -> Result:
    """Return what `transaction` returns, running it up to three times when the database reports busy or a deadlock.

    Inside an outer transaction it cannot be repeated on its own. In that case, and after the last attempt,
    OperationalError is raised.
    """
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            return transaction()
        except OperationalError as error:
            if attempt == MAX_ATTEMPTS or connection.in_atomic_block:
                raise
            log.warning("database busy, trying again", attempt=attempt, error=str(error).splitlines()[0])
            time.sleep(random.uniform(0.05, 0.3) * attempt)  # noqa: S311 — spreads writers out
    raise AssertionError("unreachable")
