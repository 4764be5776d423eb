"""Database tables of inference: the call log, the drift rows and the users' feedback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F
from django.utils import timezone

from inference.slice_classes import SLICE_CLASSES

CLASS_CHOICES = [(name, name.replace("_", " ")) for name in SLICE_CLASSES]


class Prediction(models.Model):
    """One call of a prediction endpoint, answered or refused.

    `statistics` describes the image in numbers; pixels, names and patient fields are never stored.
    """

    class Endpoint(models.TextChoices):
        LESION = "lesion"
        LESION_BATCH = "lesion_batch"
        SLICE = "slice"
        SLICE_BATCH = "slice_batch"
        TRY_LESION = "try_lesion"
        TRY_SLICE = "try_slice"

    request_id = models.CharField(max_length=32, unique=True)
    at = models.DateTimeField(default=timezone.now, db_index=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    caller = models.CharField(max_length=48, help_text="The user's number, or a keyed digest of an address.")
    endpoint = models.CharField(max_length=16, choices=Endpoint.choices)
    status = models.PositiveSmallIntegerField(help_text="HTTP status of the answer.")
    error_code = models.CharField(max_length=40, blank=True)
    reason = models.CharField(max_length=40, blank=True)
    milliseconds = models.PositiveIntegerField()
    items = models.PositiveSmallIntegerField(default=1, help_text="Lesions or slices of a batch.")
    model_version = models.CharField(max_length=80, blank=True)
    statistics = models.JSONField(default=dict, blank=True)
    warnings = models.JSONField(default=list, blank=True, help_text="Codes of the warnings that the answer carried.")

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["caller", "-at"], name="calls_of_a_caller")]

    def __str__(self) -> str:
        return f"{self.endpoint} {self.status} at {self.at:%Y-%m-%d %H:%M:%S}"


class DriftRow(models.Model):
    """8-bit grey statistics of one classified picture, as in the drift CSV."""

    timestamp = models.DateTimeField(default=timezone.now, db_index=True)
    mean = models.FloatField()
    std = models.FloatField()
    min = models.FloatField()
    max = models.FloatField()
    p01 = models.FloatField()
    p50 = models.FloatField()
    p99 = models.FloatField()
    height = models.PositiveIntegerField()
    width = models.PositiveIntegerField()
    pred_index = models.PositiveSmallIntegerField()
    pred_class = models.CharField(max_length=32, choices=CLASS_CHOICES)
    pred_conf = models.FloatField()
    warnings = models.CharField(
        max_length=100, blank=True, help_text="Codes of the warnings that the answer carried, with blanks between."
    )

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.pred_class} at {self.timestamp:%Y-%m-%d %H:%M:%S}"


class FeedbackQuerySet(models.QuerySet["Feedback"]):
    def accepted(self) -> FeedbackQuerySet:
        """Return what was accepted, and by the second reader too where there was one."""
        return self.filter(state=Feedback.State.ACCEPTED, second_state__in=("", Feedback.State.ACCEPTED))

    def read_twice(self) -> FeedbackQuerySet:
        return self.exclude(second_state="").exclude(state=Feedback.State.WAITING)

    def disputed(self) -> FeedbackQuerySet:
        return self.read_twice().exclude(second_state=F("state"))

    def for_second_reader(self, user: Any) -> FeedbackQuerySet:
        """Return what somebody else has decided and nobody has read a second time."""
        return self.exclude(state=Feedback.State.WAITING).filter(second_state="").exclude(reviewer=user)


class Feedback(models.Model):
    """A user's verdict on one answer, with the re-encoded picture and the reviewer's decision."""

    class State(models.TextChoices):
        WAITING = "waiting"
        ACCEPTED = "accepted"
        REJECTED = "rejected"
        UNSURE = "unsure"

    at = models.DateTimeField(default=timezone.now)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    predicted_class = models.CharField(max_length=32, choices=CLASS_CHOICES)
    is_correct = models.BooleanField()
    label = models.CharField(max_length=32, choices=CLASS_CHOICES, help_text="The class the user says it is.")
    confidence = models.FloatField(null=True, blank=True)
    note = models.TextField(max_length=5000, blank=True)
    picture = models.CharField(max_length=160, unique=True, help_text="Path below FEEDBACK_DIR.")
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64, help_text="Digest of the stored PNG: equal pictures are equal.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    reviewed_at = models.DateTimeField(null=True, blank=True)
    review_note = models.TextField(max_length=5000, blank=True)
    second_state = models.CharField(
        max_length=10, choices=State.choices, blank=True, default="", help_text="What a second reader decided, unseen."
    )
    second_reader = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    second_at = models.DateTimeField(null=True, blank=True)
    second_note = models.TextField(max_length=5000, blank=True, default="")

    objects = FeedbackQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        verbose_name_plural = "feedback"
        indexes = [models.Index(fields=["state", "id"], name="review_queue")]

    def __str__(self) -> str:
        return f"feedback {self.pk}"

    @property
    def is_disputed(self) -> bool:
        return self.second_state not in ("", self.state)

    @property
    def picture_path(self) -> Path:
        return Path(settings.FEEDBACK_DIR) / self.picture

    @property
    def picture_name(self) -> str:
        return self.picture.rpartition("/")[2]
