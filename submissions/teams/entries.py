"""What the team page lists of a team's work: its phases with the tries sent, and its images and model archives."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Max

from submissions.models import ModelArchive, Phase, Submission, Team

MAX_ROWS = 30


def entries_context(team: Team | None, user: Any) -> dict[str, Any]:
    """Return the lists of the team page; empty without a team. Three queries, whatever the team has sent."""
    if team is None:
        return {}
    return {"entries": entries_of(team, user), "images": images_of(team), "archives": archives_of(team)}


def entries_of(team: Team, user: Any) -> list[dict[str, Any]]:
    """Return (phase, number of submissions, date of the last), the newest first, of phases that the reader may see."""
    sent = Submission.objects.filter(team=team, phase__in=Phase.objects.visible_to(user)).order_by()
    counted = sent.values("phase__slug", "phase__title").annotate(count=Count("pk"), last=Max("created_at"))
    rows: Any = counted.order_by("-last")[:MAX_ROWS]
    return list(rows)


def images_of(team: Team) -> list[Submission]:
    """Return the newest submission of each image, by its digest."""
    images = Submission.objects.filter(team=team, submission_type=Submission.Type.DOCKER).select_related("phase")
    newest: dict[str, Submission] = {}
    for image in images.order_by("-created_at")[: 10 * MAX_ROWS]:
        newest.setdefault(image.sha256 or image.image_reference or str(image.pk), image)
    return list(newest.values())[:MAX_ROWS]


def archives_of(team: Team) -> list[ModelArchive]:
    return list(ModelArchive.objects.filter(team=team).order_by("-created_at")[:MAX_ROWS])
