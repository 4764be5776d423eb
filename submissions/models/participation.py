"""What one person agreed with the organisers of a challenge: the request to take part, and the accepted rules."""

from __future__ import annotations

from hashlib import sha256

from django.conf import settings
from django.db import models

from submissions.models.challenges.challenge import Challenge


class Participation(models.Model):
    """One person in one challenge. `request` is the person's own sentence to the organisers."""

    class Status(models.TextChoices):
        NONE = "none", "did not ask"
        REQUESTED = "requested", "asks to take part"
        ACCEPTED = "accepted", "accepted"
        DECLINED = "declined", "declined"

    challenge = models.ForeignKey(Challenge, on_delete=models.CASCADE, related_name="participations")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="participations")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.NONE)
    request = models.TextField(max_length=1000, blank=True, help_text="Who they are and what they want to try.")
    requested_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    rules_digest = models.CharField(
        max_length=64, blank=True, help_text="SHA-256 of the rules that were accepted; changed rules are asked again."
    )
    rules_accepted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-requested_at", "pk"]
        constraints = [models.UniqueConstraint(fields=["challenge", "user"], name="one_participation_per_person")]

    def __str__(self) -> str:
        return f"{self.user} in {self.challenge}"


def digest_of(rules: str) -> str:
    """Return the digest that says which text of the rules was accepted."""
    return sha256(rules.encode()).hexdigest()
