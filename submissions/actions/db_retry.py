"""Do a transaction again when the database was busy or chose it as a deadlock's victim (F14)."""

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
    """Return what `transaction` returns; it is run up to three times when the database refuses it as busy.

    Inside a larger transaction there is nothing to repeat alone: then, and at last, OperationalError is raised.
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
