"""The audit log: every look at another team's file and every decision of staff."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models

from submissions.models.access import holds_everywhere
from submissions.models.challenges.challenge import Challenge
from submissions.models.phase import Phase

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class AuditQuerySet(models.QuerySet["AuditEvent"]):
    def visible_to(self, user: Any) -> AuditQuerySet:
        """Return the lines of the challenges that `user` organises; with the permission for all phases, every line."""
        if holds_everywhere(user, "submissions.view_auditevent"):
            return self
        return self.filter(challenge__organisers=user)


class AuditEvent(models.Model):
    """One line. The names are copied, so that the line still says who and what after a row was deleted."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    actor_name = models.CharField(max_length=150)
    action = models.CharField(max_length=30, db_index=True, help_text="Such as download, refund, hide or publish.")
    challenge = models.ForeignKey(Challenge, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    phase = models.ForeignKey(Phase, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    team_name = models.CharField(max_length=80, blank=True)
    target_type = models.CharField(max_length=30)
    target_id = models.CharField(max_length=40)
    target_name = models.CharField(max_length=255)
    note = models.CharField(max_length=500, blank=True)

    objects = AuditQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.actor_name}: {self.action} {self.target_type} {self.target_name}"


COMMAND_LINE = "command line"


def record(actor: User | Any | None, action: str, target: models.Model, *, note: str = "") -> AuditEvent:
    """Write a line; call it inside the transaction of the decision, so that neither is stored without the other.

    actor: None for a management command, which knows no user.
    """
    submission = getattr(target, "submission", target)
    phase = target if isinstance(target, Phase) else getattr(submission, "phase", None)
    challenge = target if isinstance(target, Challenge) else getattr(phase or target, "challenge", None)
    team = target if target._meta.model_name == "team" else getattr(submission, "team", None)
    return AuditEvent.objects.create(
        actor=actor, actor_name=actor.get_username() if actor else COMMAND_LINE, action=action, challenge=challenge,
        phase=phase, team_name=str(team or "")[:80], target_type=str(target._meta.verbose_name),
        target_id=str(target.pk)[:40], target_name=str(target)[:255], note=note[:500],
    )  # fmt: skip
