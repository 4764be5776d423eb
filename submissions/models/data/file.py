"""Data files: what participants download, with what they must know before they use it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Sum

from submissions.models.challenges.challenge import Challenge

SHA256 = RegexValidator(r"\A[0-9a-f]{64}\Z", "64 lower-case hexadecimal digits.")


class DataFileQuerySet(models.QuerySet["DataFile"]):
    def shown(self) -> DataFileQuerySet:
        """Return the files that the Data page lists."""
        return self.filter(withdrawn_at=None)

    def total_bytes(self) -> int:
        return int(self.aggregate(total=Sum("size_bytes"))["total"] or 0)


class DataFile(models.Model):
    """One version of a file. What was handed out keeps its row and its digest, also when it is withdrawn."""

    class Audience(models.TextChoices):
        EVERYBODY = "everybody", "everybody"
        SIGNED_IN = "signed-in", "people who are signed in"
        PARTICIPANTS = "participants", "people who take part: accepted, and with the rules accepted"

    challenge = models.ForeignKey(Challenge, on_delete=models.CASCADE, related_name="data_files")
    name = models.CharField("file name", max_length=200)
    version = models.CharField(max_length=40, default="1", help_text="Such as 1.0 or 2027-01; people cite it.")
    description = models.CharField(max_length=400, blank=True, help_text="One or two sentences: what is in it.")
    licence = models.CharField(max_length=120, blank=True, help_text="Such as CC BY 4.0.")
    licence_url = models.URLField("address of the licence", blank=True)
    citation = models.TextField(max_length=2000, blank=True, help_text="What those who use it are to cite.")
    audience = models.CharField(
        "who may download it", max_length=12, choices=Audience.choices, default=Audience.PARTICIPANTS
    )
    key = models.CharField(max_length=300, editable=False)
    size_bytes = models.BigIntegerField(editable=False)
    sha256 = models.CharField(max_length=64, validators=[SHA256], editable=False)
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )
    added_at = models.DateTimeField(auto_now_add=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = DataFileQuerySet.as_manager()

    class Meta:
        ordering = ["name", "-added_at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["challenge", "name", "version"], name="one_data_file_per_version")
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.version})"

    def refusal_for(self, user: Any, terms_are_met: bool) -> str:
        """Return why `user` may not download the file; "" for those who may. terms_are_met: of the challenge."""
        if self.audience == self.Audience.EVERYBODY:
            return ""
        if not user.is_authenticated:
            return "Sign in to download it."
        if self.audience == self.Audience.PARTICIPANTS and not terms_are_met:
            return "It is for those who take part: ask to, or accept the rules, on the page of a phase first."
        return ""
