"""Webhooks of a person or a team, and what was sent to them."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Collection
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from submissions.models.team import Team


def new_signing_key() -> str:
    """Return the key of the HMAC: 256 bits in hex."""
    return secrets.token_hex(32)


class WebhookQuerySet(models.QuerySet["Webhook"]):
    def managed_by(self, user: Any) -> WebhookQuerySet:
        """Return the person's own, and those of the team that the person owns."""
        return self.filter(Q(user=user) | Q(team__memberships__user=user, team__memberships__is_owner=True))

    def told_of(self, user: Any, kind: str, teams: Collection[int]) -> list[Webhook]:
        """Return the working webhooks that hear of what this person is told: own ones, and those of the team.

        teams: the numbers of those that it is about; the webhooks of another team hear nothing.
        """
        found = self.filter(Q(user=user) | Q(team__memberships__user=user, team__in=teams), is_active=True)
        return [hook for hook in found if kind in hook.kinds]


class Webhook(models.Model):
    """An address that is told of events, with the key that signs them. It belongs to one person or to one team."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="webhooks"
    )
    team = models.ForeignKey(Team, on_delete=models.CASCADE, null=True, blank=True, related_name="webhooks")
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+",
        help_text="When this person leaves the team, its webhook is switched off.",
    )  # fmt: skip
    url = models.CharField(max_length=500)
    key = models.CharField(max_length=64, default=new_signing_key, editable=False)
    kinds = models.JSONField(default=list)
    is_active = models.BooleanField(default=True)
    failures = models.PositiveIntegerField(default=0, help_text="Deliveries given up since the last that arrived.")
    created_at = models.DateTimeField(default=timezone.now)

    objects = WebhookQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=False, team__isnull=True) | Q(user__isnull=True, team__isnull=False),
                name="a_webhook_has_one_owner",
            )
        ]

    def __str__(self) -> str:
        return self.url


class Delivery(models.Model):
    """One event on its way to one webhook, and how it ended. `tries` is also the fencing token of an attempt."""

    class Status(models.TextChoices):
        PENDING = "pending", "waiting"
        DELIVERED = "delivered", "delivered"
        FAILED = "failed", "given up"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    kind = models.CharField(max_length=12)
    key = models.CharField(max_length=120)
    body = models.TextField()
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    tries = models.PositiveIntegerField(default=0)
    answer = models.CharField(max_length=120, blank=True, help_text="The last answer: a status, or why there is none.")
    created_at = models.DateTimeField(default=timezone.now)
    tried_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "pk"]
        verbose_name_plural = "deliveries"
        constraints = [models.UniqueConstraint(fields=["webhook", "key"], name="one_delivery_per_occasion")]
        indexes = [models.Index(fields=["created_at"], name="deliveries_by_age")]

    def __str__(self) -> str:
        return f"{self.kind} to {self.webhook}"
