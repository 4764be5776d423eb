"""The broker of django-q2's queue in the database: by the database's clock, and only while the gate is open."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from django_q.brokers.orm import ORM
from django_q.conf import Conf

from submissions.database_clock import database_now
from submissions.outages import gate

POLL_SHUT_S = 0.2


class DatabaseClockBroker(ORM):
    """A message is free when its lock time has passed; the clock that says so is the same for all hosts."""

    def timeout(self, task: Any) -> datetime:
        return database_now() + timedelta(seconds=Conf.RETRY)

    def enqueue(self, task: Any) -> int:
        key = self.list_key or Conf.CLUSTER_NAME
        return int(self.get_connection().create(key=key, payload=task, lock=database_now()).pk)

    def dequeue(self) -> list[tuple[int, str]] | None:
        """Take the oldest free message; None when there is none, or while the gate is shut."""
        if not gate.is_open():
            time.sleep(POLL_SHUT_S)
            return None
        rows = self.get_connection()
        free = rows.filter(key=self.list_key, lock__lte=database_now()).order_by("pk")
        for message in free[: Conf.BULK]:
            taken = rows.filter(pk=message.pk, lock=message.lock).update(lock=self.timeout(message))
            if taken:
                return [(message.pk, message.payload)]
        time.sleep(Conf.POLL)
        return None
