"""Send an image again with something changed: the form comes filled in as an earlier submission was sent."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest

from submissions.models import Submission, Team
from submissions.models.team import team_of
from submissions.web.image_forms import ADAPTER_FIELDS, KEPT_FIELDS


@dataclass(frozen=True)
class Earlier:
    """A submission whose fields fill in the form.

    has_image: whether its image is still here.
    """

    submission: Submission
    has_image: bool


def can_send_again(submission: Submission, user: Any, now: datetime) -> bool:
    """Return whether `user` may fill in the form of the submission's phase with what was sent with it."""
    phase = submission.phase
    is_ours = submission.is_docker and submission.team == team_of(user)
    return is_ours and phase.accepts_docker and phase.is_open(now) and submission.latest.is_finished


def earlier_of(request: HttpRequest, team: Team | None) -> Earlier | None:
    """Return the team's image submission that the address names (`?again=ID`), None without one."""
    pk = as_uuid(request.GET.get("again", ""))
    if pk is None or team is None:
        return None
    images = Submission.objects.filter(team=team, submission_type=Submission.Type.DOCKER)
    submission = images.select_related("model_archive").filter(pk=pk).first()
    if submission is None:
        return None
    return Earlier(submission, has_image=bool(submission.file or submission.image_reference))


def initial_of(request: HttpRequest, earlier: Earlier | None) -> dict[str, Any]:
    """Return the first values of the form: those of an earlier submission, or the image that the address names."""
    if earlier is None:
        return {"image": request.GET.get("image", "")}
    submission, adapter = earlier.submission, earlier.submission.adapter
    rest = {name: value for name, value in adapter.items() if name not in ADAPTER_FIELDS}
    return {
        **{name: getattr(submission, name) for name in KEPT_FIELDS},
        **{name: adapter[name] for name in ADAPTER_FIELDS if name in adapter},
        "adapter": json.dumps(rest) if rest else "",
        "writable_folders": "\n".join(submission.writable_folders),
        "image": submission.pk if earlier.has_image else "",
        "model_archive": submission.model_archive_id or "",  # type: ignore[attr-defined]
    }


def as_uuid(text: str) -> UUID | None:
    """Return the id that somebody wrote, None if it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None
