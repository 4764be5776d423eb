"""Submissions: what a team sent."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from submissions.models.access import holds, holds_everywhere
from submissions.models.challenges.challenge import Challenge
from submissions.models.model_archive import ModelArchive
from submissions.models.phase import Phase
from submissions.models.team import Team, team_of
from submissions.runner.contracts import contract_choices, default_contract
from submissions.text.links import MAX_LINK_LENGTH, validate_link

if TYPE_CHECKING:
    from submissions.models.evaluation import Evaluation


class SubmissionQuerySet(models.QuerySet["Submission"]):
    def visible_to(self, user: Any) -> SubmissionQuerySet:
        """A team sees its own; organisers see their phases'; nobody else sees that there is one."""
        if holds_everywhere(user, "submissions.view_submission"):
            return self
        team = team_of(user)
        own = Q(team=team) if team else Q(pk__in=[])
        if holds(user, "submissions.view_submission"):
            own |= Q(phase__challenge__in=Challenge.organisers.through.objects.filter(user=user).values("challenge"))
        return self.filter(own)

    def managed_by(self, user: Any, permission: str) -> SubmissionQuerySet:
        """Return the submissions of all the phases for which `user` holds a permission."""
        if holds_everywhere(user, permission):
            return self
        return self.filter(phase__in=Phase.objects.managed_by(user, permission))


class Submission(models.Model):
    """A CSV of predictions or a Docker image; `limits` are the phase's, frozen when it was sent."""

    class Type(models.TextChoices):
        CSV = "csv", "predictions (CSV)"
        DOCKER = "docker", "Docker image"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    phase = models.ForeignKey(Phase, on_delete=models.PROTECT, related_name="submissions")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="submissions")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="submissions")
    submission_type = models.CharField(max_length=10, choices=Type.choices)
    file = models.CharField(
        max_length=300, blank=True, help_text="Key in the submissions storage; empty until an image is pulled."
    )
    file_deleted_at = models.DateTimeField(null=True, blank=True, help_text="When its file was deleted to make room.")
    original_name = models.CharField(max_length=255)
    sha256 = models.CharField(max_length=64)
    size_bytes = models.BigIntegerField()
    title = models.CharField(max_length=120, blank=True)
    comment = models.TextField(max_length=2000, blank=True)
    model_name = models.CharField(max_length=80, blank=True)
    model_version = models.CharField(max_length=60, blank=True)
    code_url = models.URLField(max_length=MAX_LINK_LENGTH, blank=True, validators=[validate_link])
    paper_url = models.URLField(max_length=MAX_LINK_LENGTH, blank=True, validators=[validate_link])
    contract = models.CharField(max_length=40, choices=contract_choices, default=default_contract, blank=True)
    model_endpoint = models.CharField(max_length=201, blank=True)
    adapter = models.JSONField(default=dict, blank=True)
    writable_folders = models.JSONField(default=list, blank=True)
    docker_image_name = models.CharField(max_length=255, blank=True)
    image_reference = models.CharField(
        max_length=400, blank=True, help_text="Where it is pulled from, host/name@sha256:…."
    )
    image_id = models.CharField(max_length=80, blank=True, help_text="Staff only.")
    model_archive = models.ForeignKey(
        ModelArchive, on_delete=models.PROTECT, null=True, blank=True, related_name="submissions"
    )
    limits = models.JSONField(default=dict, blank=True)
    ignored_columns = models.JSONField(default=list, blank=True)
    idempotency_key = models.CharField(max_length=80, blank=True)
    is_baseline = models.BooleanField(default=False)
    is_hidden = models.BooleanField(default=False, help_text="Kept off the leaderboard.")
    is_chosen = models.BooleanField(
        default=False, help_text="Its team has chosen it to count at the end, instead of the best shown."
    )
    try_counts = models.BooleanField(default=True, help_text="Whether it uses up one of the team's tries.")
    created_at = models.DateTimeField()

    objects = SubmissionQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["phase", "team", "-created_at"], name="tries_of_a_team"),
            models.Index(fields=["phase", "user", "-created_at"], name="tries_of_a_user"),
            models.Index(fields=["-created_at"], name="newest_submissions"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "idempotency_key"],
                condition=~Q(idempotency_key=""),
                name="one_submission_per_key",
            ),
            models.UniqueConstraint(
                fields=["phase", "team"], condition=Q(is_chosen=True), name="one_chosen_entry_per_team"
            ),
        ]

    def __str__(self) -> str:
        return self.title or self.original_name

    @property
    def is_docker(self) -> bool:
        return self.submission_type == self.Type.DOCKER

    @property
    def current_evaluation(self) -> Evaluation | None:
        """The evaluation whose scores rank, None while there is none; uses prefetched ones where a list has them."""
        return next((evaluation for evaluation in self.evaluations.all() if evaluation.is_current), None)

    @property
    def public_score(self) -> float | None:
        """The score that ranks on the public cases, in full."""
        current = self.current_evaluation
        score: float | None = current.scores.get("public", {}).get(self.phase.ranking_metric) if current else None
        return score

    def scores_shown_to(self, user: Any, now: datetime) -> dict[str, Any]:
        """Return what `user` may see of the scores at `now`, by split, as the phase's disclosure says."""
        if (current := self.current_evaluation) is None:
            return {}
        return self.phase.view_of(user, now).scores(current.scores, current.shown_score)

    def describe_method(self, *, by: Any, **fields: str) -> bool:
        """Set what the board shows of the method; only for a member of the team. Return whether it was done."""
        if not self.team.memberships.filter(user=by).exists():
            return False
        Submission.objects.filter(pk=self.pk).update(**fields)
        return True

    def give_try_back(self) -> None:
        """Let the try count no longer, unless scores of an earlier run stand: then it was used."""
        row = Submission.objects.filter(pk=self.pk)
        row.exclude(evaluations__is_current=True).update(try_counts=False)

    @property
    def latest(self) -> Evaluation:
        """The newest evaluation; uses the prefetched ones where a list of submissions has them."""
        if evaluations := getattr(self, "_prefetched_objects_cache", {}).get("evaluations"):
            return max(evaluations, key=lambda evaluation: evaluation.pk)
        return self.evaluations.order_by("-pk")[0]
