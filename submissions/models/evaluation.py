"""Evaluations: one run of a submission, with its state machine: the only place where the status changes."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone

from submissions.database_clock import database_now
from submissions.failures import FAILURES, Failure
from submissions.models.submission import Submission
from submissions.runner.base import TRIAL

# The stages before a container meets hidden cases; `queued` of an attempt that is given to another worker.
BEFORE_HIDDEN_CASES = ("", "queued", "started", "upload", "check", "fetch", "intake", "load", TRIAL)


class StatusConflict(Exception):
    """Another worker, a cancel or the sweeper moved the evaluation first."""


# Logs and arrays, which no list needs: some are megabytes.
HEAVY_FIELDS = ("predictions", "sample_answers", "curves", "run_log", "smoke_log", "partial_answers", "staff_detail")


class EvaluationQuerySet(models.QuerySet["Evaluation"]):
    def visible_to(self, user: Any) -> EvaluationQuerySet:
        return self.filter(submission__in=Submission.objects.visible_to(user))

    def without_blobs(self) -> EvaluationQuerySet:
        """Leave the heavy fields where they are until one is asked for."""
        return self.defer(*HEAVY_FIELDS)

    def waiting(self) -> EvaluationQuerySet:
        return self.filter(status=Evaluation.Status.PENDING)

    def running_on(self, host: str) -> EvaluationQuerySet:
        return self.filter(status=Evaluation.Status.RUNNING, worker__startswith=f"{host}/")

    def attempt_running(self, pk: int, attempt: int) -> EvaluationQuerySet:
        """Return the row while this attempt runs: nothing after a cancel, release or sweep."""
        return self.filter(pk=pk, status=Evaluation.Status.RUNNING, attempt=attempt)

    def lease_expired(self) -> EvaluationQuerySet:
        return self.filter(status=Evaluation.Status.RUNNING, lease_until__lt=database_now())


class Evaluation(models.Model):
    """`attempt` rises with each claim; whatever a worker writes, it writes WHERE attempt is its own."""

    class Status(models.TextChoices):
        PENDING = "pending"
        RUNNING = "running"
        COMPLETED = "completed"
        FAILED = "failed"
        CANCELLED = "cancelled"

    # running → pending: the sweeper, for lost or released work. failed → pending: staff's retry.
    TRANSITIONS: dict[str, tuple[str, ...]] = {
        Status.PENDING: (Status.RUNNING, Status.CANCELLED, Status.FAILED),
        Status.RUNNING: (Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.PENDING),
        Status.FAILED: (Status.PENDING,),
        Status.COMPLETED: (),
        Status.CANCELLED: (),
    }

    submission = models.ForeignKey(Submission, on_delete=models.CASCADE, related_name="evaluations")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    is_current = models.BooleanField(default=False, help_text="The evaluation whose scores rank its submission.")
    attempt = models.PositiveIntegerField(default=0)  # the fencing token of whoever works on it
    failed_attempts = models.PositiveIntegerField(default=0, help_text="Attempts lost by our fault.")
    # What staff's retry sets back to 0 must not make Prometheus' counter fall.
    ever_failed_attempts = models.PositiveIntegerField(
        default=0, editable=False, help_text="The same, earlier retries included."
    )
    worker = models.CharField(max_length=120, blank=True)
    traceparent = models.CharField(
        max_length=55, blank=True, default="", editable=False, help_text="The trace of the request that sent it."
    )
    avoid_host = models.CharField(
        max_length=120, blank=True, help_text="The host where the last attempt failed by our fault."
    )
    available_at = models.DateTimeField(default=timezone.now, help_text="Not claimed before (back-off).")
    enqueued_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    stage = models.CharField(max_length=20, blank=True)
    answered = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    failure_code = models.CharField(max_length=40, blank=True)
    failure_stage = models.CharField(max_length=20, blank=True, help_text="Where it failed; `smoke` costs no try.")
    trial = models.JSONField(
        default=dict,
        blank=True,
        help_text="Of a trial on public samples: status, answer, diagnosis.",
    )
    failure_note = models.TextField(blank=True, help_text="Our own words, for the participant.")
    staff_detail = models.TextField(blank=True, help_text="Engine and exception texts; staff only.")
    smoke_log = models.TextField(blank=True, help_text="Container log of the public sample run; its team may read it.")
    run_log = models.TextField(blank=True, help_text="Container log of the hidden run; staff only.")
    partial_answers = models.JSONField(default=dict, blank=True, help_text="Answers kept when an attempt is resumed.")
    dataset_hash = models.CharField(max_length=64, blank=True)
    code_version = models.CharField(max_length=60, blank=True)
    metric_version = models.CharField(max_length=20, blank=True)
    seed = models.PositiveIntegerField(default=0)
    scores = models.JSONField(default=dict, blank=True)
    shown_score = models.FloatField(
        null=True, blank=True, editable=False, help_text="The public score as the ladder shows it; empty: not shown."
    )
    curves = models.JSONField(default=dict, blank=True)
    predictions = models.BinaryField(null=True, blank=True)
    sample_answers = models.JSONField(default=dict, blank=True, help_text="Answers to the sample cases, by case id.")
    timings = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = EvaluationQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["status", "available_at"], name="waiting_evaluations"),
            models.Index(fields=["lease_until"], condition=Q(status="running"), name="leases_of_running_evaluations"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["submission"], condition=Q(is_current=True), name="one_counted_evaluation"),
            models.UniqueConstraint(
                fields=["submission"],
                condition=Q(status__in=["pending", "running"]),
                name="one_active_evaluation",
            ),
        ]

    def __str__(self) -> str:
        return f"evaluation {self.pk} of {self.submission_id}"

    @property
    def bootstrap_seed(self) -> int:
        """Seed of the intervals over patients: the dataset's own, so that equal predictions get equal intervals.

        `seed` itself orders the cases a container sees. Both are secret; the dataset's is published with its truth.
        """
        return self.submission.phase.dataset.bootstrap_seed

    @property
    def is_finished(self) -> bool:
        return self.status not in (self.Status.PENDING, self.Status.RUNNING)

    @property
    def has_begun(self) -> bool:
        """Whether the try is spent: an image's once the hidden cases are its turn, a CSV's once a worker has it."""
        if not self.submission.is_docker:
            return self.attempt > 0
        return self.stage not in BEFORE_HIDDEN_CASES or "predict_started_at" in self.timings

    @property
    def failure(self) -> Failure | None:
        return FAILURES[self.failure_code] if self.failure_code else None

    @property
    def failure_sentence(self) -> str:
        """What happened and what to change; of a trial that has a diagnosis only what happened, "" without a failure.

        The remedy of the table is for any failure of its code: beside a diagnosis it would name another.
        """
        if self.failure is None:
            return ""
        return self.failure.happened if self.trial.get("diagnosis") else self.failure.sentence

    def transition_to(self, status: str, **fields: Any) -> None:
        """Change status and save `fields` with it, in a single UPDATE.

        Raises StatusConflict if TRANSITIONS forbids it or another worker was first.
        """
        allowed = status in self.TRANSITIONS.get(self.status, ())
        row = Evaluation.objects.filter(pk=self.pk, status=self.status, attempt=self.attempt)
        if not allowed or row.update(status=status, **fields) == 0:
            raise StatusConflict(f"evaluation {self.pk}: {self.status} to {status}")
        self.refresh_from_db()

    def save_progress(self, **fields: Any) -> None:
        """Write `fields` while the attempt is still ours; raises StatusConflict when it is not."""
        if Evaluation.objects.attempt_running(self.pk, self.attempt).update(**fields) == 0:
            raise StatusConflict(f"evaluation {self.pk}: attempt {self.attempt} is no longer ours")
        for name, value in fields.items():
            setattr(self, name, value)

    def add_event(self, stage: str, note: str = "", staff_detail: str = "") -> EvaluationEvent:
        """Add a line to the timeline."""
        return self.events.create(
            attempt=self.attempt, stage=stage, note=note, staff_detail=staff_detail, at=timezone.now()
        )


class EvaluationEvent(models.Model):
    """A line of an evaluation's timeline; `note` is for its team, `staff_detail` for staff only."""

    evaluation = models.ForeignKey(Evaluation, on_delete=models.CASCADE, related_name="events")
    attempt = models.PositiveIntegerField()
    at = models.DateTimeField()
    stage = models.CharField(max_length=20)
    note = models.TextField(blank=True)
    staff_detail = models.TextField(blank=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.stage}: {self.note}"
