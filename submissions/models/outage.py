"""What keeps evaluations waiting: pauses that staff made, incidents of shared parts, hosts in quarantine."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q

MAINTENANCE = "maintenance"


class Pause(models.Model):
    """Something that staff stopped; it lasts until staff end it. `scope`: see `queue_scope`, `host_scope`."""

    scope = models.CharField(max_length=140, primary_key=True)
    reason = models.CharField(max_length=300, blank=True, help_text="Shown to those who wait.")
    by = models.CharField(max_length=150, blank=True)
    since = models.DateTimeField()

    class Meta:
        ordering = ["scope"]

    def __str__(self) -> str:
        return self.scope


def queue_scope(cluster: str) -> str:
    return f"queue:{cluster}"


def host_scope(host: str) -> str:
    return f"host:{host}"[:140]


class IncidentQuerySet(models.QuerySet["Incident"]):
    def open(self) -> IncidentQuerySet:
        return self.filter(closed_at=None)


class Incident(models.Model):
    """A fault of a part that many evaluations share; while it is open they wait, and no attempt is counted.

    `scope`: the dataset's primary key, or the host's name, where the fault concerns only that. `probe_key`: the stored
    file that could not be read; the incident ends when it can.
    """

    class Part(models.TextChoices):
        STORAGE = "storage", "storage of submissions"
        DATASETS = "datasets", "storage of datasets"
        DATASET = "dataset", "files of a dataset"
        HOST = "host", "host of workers"
        DATABASE = "database", "database"

    part = models.CharField(max_length=20, choices=Part.choices)
    scope = models.CharField(max_length=140, blank=True)
    detail = models.TextField(blank=True, help_text="Staff only.")
    probe_key = models.CharField(max_length=500, blank=True)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    waiting = models.PositiveIntegerField(default=0, help_text="Attempts that went back to the queue uncounted.")

    objects = IncidentQuerySet.as_manager()

    class Meta:
        ordering = ["-opened_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["part", "scope"], condition=Q(closed_at=None), name="one_open_incident_a_part"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_part_display()} {self.scope}".strip()


class Host(models.Model):
    """A machine with workers: what its probes say, and whether it is in quarantine."""

    name = models.CharField(max_length=120, primary_key=True)
    seen_at = models.DateTimeField()
    storage_answered_at = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=500, blank=True, help_text="What its last probe found; empty when healthy.")
    quarantined_at = models.DateTimeField(null=True, blank=True)
    quarantine_reason = models.CharField(max_length=500, blank=True)
    failures_in_a_row = models.PositiveIntegerField(default=0, help_text="Attempts that failed by our fault.")
    last_success_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def is_seen(self, now: datetime) -> bool:
        return self.seen_at >= now - timedelta(seconds=30)
