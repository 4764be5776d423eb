"""Messages of the inbox, and which kinds a person does not want as mail."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone


class Kind(models.TextChoices):
    """The sorts of messages; each can be refused as mail on its own."""

    SCORED = "scored", "A submission of my team was scored"
    FAILED = "failed", "A submission of my team failed"
    CLOSING_3 = "closing_3", "A phase that I take part in closes in three days"
    CLOSING_1 = "closing_1", "A phase that I take part in closes in one day"
    NEWS = "news", "News of a challenge that I take part in"
    TEAM = "team", "Somebody joined or left my team, or its owner or name changed"


class MessageQuerySet(models.QuerySet["Message"]):
    def visible_to(self, user: Any) -> MessageQuerySet:
        """Return the person's own; nobody else reads them, staff neither."""
        return self.filter(user=user)

    def unread(self) -> MessageQuerySet:
        return self.filter(read_at=None)


class Message(models.Model):
    """One message to one person. `key` names the occasion, so that nobody hears of it twice."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="inbox")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    key = models.CharField(max_length=120)
    subject = models.CharField(max_length=200)
    text = models.TextField()
    path = models.CharField(max_length=300, blank=True, help_text="The page of this site that it is about.")
    created_at = models.DateTimeField(default=timezone.now)
    read_at = models.DateTimeField(null=True, blank=True)

    objects = MessageQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="one_message_per_occasion")]
        indexes = [models.Index(fields=["user"], condition=models.Q(read_at=None), name="unread_messages")]

    def __str__(self) -> str:
        return self.subject


class MailChoice(models.Model):
    """The kinds that a person does not want as mail; without a row, all are mailed."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="mail_choice")
    refused = models.JSONField(default=list, blank=True)

    def __str__(self) -> str:
        return f"mails of {self.user}"
