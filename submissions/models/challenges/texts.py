"""Texts that people edit in the browser: each saved version is kept, and who accepted which of them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from submissions.models.challenges.challenge import Challenge

MAX_TEXT = 50_000


class SitePage(models.Model):
    """A page of the site itself, such as its terms."""

    class Name(models.TextChoices):
        TERMS = "terms", "Terms of use"
        PRIVACY = "privacy", "Privacy"
        IMPRINT = "imprint", "Imprint"

    name = models.CharField(max_length=10, choices=Name.choices, unique=True)
    body = models.TextField(blank=True, help_text="Markdown.")

    def __str__(self) -> str:
        return self.get_name_display()


class TextVersion(models.Model):
    """One saved text of a challenge or of a page of the site. number counts from 1 within one text."""

    challenge = models.ForeignKey(
        Challenge, on_delete=models.CASCADE, null=True, blank=True, related_name="text_versions"
    )
    page = models.ForeignKey(SitePage, on_delete=models.CASCADE, null=True, blank=True, related_name="text_versions")
    name = models.CharField(max_length=10, help_text="Which text of its owner: overview, rules or body.")
    number = models.PositiveIntegerField()
    body = models.TextField(blank=True)
    saved_at = models.DateTimeField(auto_now_add=True)
    saved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    saved_by_name = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["challenge", "name", "number"], name="versions_of_a_challenge_count_up"),
            models.UniqueConstraint(fields=["page", "name", "number"], name="versions_of_a_page_count_up"),
            models.CheckConstraint(
                condition=Q(challenge__isnull=True) ^ Q(page__isnull=True), name="a_text_has_one_owner"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.challenge or self.page}, version {self.number}"


class Acceptance(models.Model):
    """A person accepted a version: the rules of a challenge, or the terms of the site."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="acceptances")
    version = models.ForeignKey(TextVersion, on_delete=models.CASCADE, related_name="acceptances")
    accepted_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-accepted_at"]
        constraints = [models.UniqueConstraint(fields=["user", "version"], name="a_version_is_accepted_once")]

    def __str__(self) -> str:
        return f"{self.user} accepted {self.version}"
