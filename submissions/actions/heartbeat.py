"""The heartbeat of a running attempt: extends the lease and detects when the lease is lost."""

from __future__ import annotations

import contextvars
import threading
import time
from datetime import timedelta
from types import TracebackType

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from submissions.database_clock import database_now
from submissions.models import Evaluation, StatusConflict

log = structlog.get_logger(__name__)
LOOK_EVERY_S = 0.5


class Heartbeat:
    """Extend the lease of an attempt from a thread while the block runs.

    `is_lost` turns True within about a second of a cancel, a release or a sweep; the code that works on the attempt
    must
    then stop and clean up. `check()` raises StatusConflict instead.
    """

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation_id = evaluation.pk
        self.attempt = evaluation.attempt
        self._stop = threading.Event()
        self._lost = threading.Event()
        # The thread's log lines name the same submission and attempt.
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._run,), name="heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=30)

    @property
    def is_lost(self) -> bool:
        return self._lost.is_set()

    def check(self) -> None:
        if self.is_lost:
            raise StatusConflict(f"evaluation {self.evaluation_id}: attempt {self.attempt} is no longer ours")

    def _run(self) -> None:
        lease_s = settings.EVALUATION_LEASE_SECONDS
        next_beat = time.monotonic() + lease_s / 3
        try:
            while not self._stop.wait(LOOK_EVERY_S) and not self.is_lost:
                due = time.monotonic() >= next_beat
                is_ours = self._asked(lease_s if due else None)
                if is_ours is False:
                    self._lost.set()
                if due and is_ours:  # one that was missed is made up for as soon as the database answers
                    next_beat = time.monotonic() + lease_s / 3
        finally:
            connection.close()

    def _asked(self, extend_s: float | None) -> bool | None:
        """Return whether the attempt is still ours, None while the database is down; extend the lease when due."""
        row = Evaluation.objects.attempt_running(self.evaluation_id, self.attempt)
        try:
            if extend_s is None:
                return row.exists()
            now = database_now()
            return row.update(heartbeat_at=now, lease_until=now + timedelta(seconds=extend_s)) == 1
        except (DatabaseError, InterfaceError):
            log.warning("heartbeat missed", evaluation=self.evaluation_id)
            connection.close()
            return None
