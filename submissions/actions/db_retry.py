"""Retry a transaction when the database was busy or chose it as a deadlock victim (F14)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, connection

log = structlog.get_logger(__name__)
Result = TypeVar("Result")
MAX_ATTEMPTS = 3
AWAY_AT_MOST_S = 1800.0
ASK_EVERY_S = 1.0


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


def retry_when_away(transaction: Callable[[], Result], *, still_wanted: Callable[[], bool] = lambda: True) -> Result:
    """Return what `transaction` returns; while the database does not answer, wait for it and run it again.

    `transaction` must be safe to repeat: one that was committed before its connection broke raises StatusConflict the
    second time. Raises the database's error when it stays away for AWAY_AT_MOST_S, or is no longer wanted.
    """
    give_up = time.monotonic() + AWAY_AT_MOST_S
    while True:
        try:
            return transaction()
        except (OperationalError, InterfaceError):
            if connection.in_atomic_block or answers():
                raise
            log.warning("database away, waiting for it")
            while not answers():
                if time.monotonic() > give_up or not still_wanted():
                    raise
                time.sleep(ASK_EVERY_S)


def answers() -> bool:
    """Return whether the database answers on a new connection."""
    connection.close()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, InterfaceError):
        return False
    return True
