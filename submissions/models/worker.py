"""Workers, as they report themselves, and the timestamps of their shared periodic jobs."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from submissions.database_clock import database_now

# Six missed heartbeats: a worker that is silent for longer counts as lost.
SILENT_AFTER = timedelta(seconds=30)


def seen_lately(now: datetime | Now) -> Q:
    """Return the query condition for workers alive at `now`, a time or the database's own."""
    return Q(seen_at__gte=now - SILENT_AFTER)


class WorkerQuerySet(models.QuerySet["Worker"]):
    def alive(self, now: datetime | Now) -> WorkerQuerySet:
        return self.filter(seen_lately(now))


class Worker(models.Model):
    """One worker process group of one host; `seen_at` is its heartbeat."""

    name = models.CharField(max_length=160, unique=True)
    host = models.CharField(max_length=120)
    cluster = models.CharField(max_length=40)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    code_version = models.CharField(max_length=60, blank=True)
    takes_containers = models.BooleanField(default=False)
    refusal = models.TextField(blank=True, help_text="Why it takes no container work.")
    engine_version = models.CharField(max_length=60, blank=True)
    engine_free_bytes = models.BigIntegerField(null=True, blank=True)

    objects = WorkerQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def is_alive(self, now: datetime) -> bool:
        return self.seen_at >= now - SILENT_AFTER


class PeriodicJob(models.Model):
    """The last run of a shared periodic job; a conditional UPDATE lets only one worker run it."""

    name = models.CharField(max_length=40, primary_key=True)
    done_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name

    @classmethod
    def acquire(cls, name: str, every_s: float) -> bool:
        """Claim a job that is due: True for exactly one of the workers that ask within `every_s` seconds."""
        now = database_now()
        due = now - timedelta(seconds=every_s)
        _, created = cls.objects.get_or_create(name=name, defaults={"done_at": now})
        return created or cls.objects.filter(name=name, done_at__lte=due).update(done_at=now) == 1
