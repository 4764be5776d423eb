"""A team chooses the entry that counts at the end, instead of its best shown one."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction

from submissions.models import Submission, Team
from submissions.phases import errors as phase_errors
from submissions.signals import weight_changed

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@transaction.atomic
def choose(*, user: User, submission: Submission, is_chosen: bool, now: datetime) -> None:
    """Let this entry count at the end, or (False) the best shown one again; an earlier choice is replaced.

    Raises ApiError for anybody but a member of the team, after the end, in a practice phase, where every split ranks
    its own best, and for an entry that cannot count.
    """
    phase = submission.phase
    if not submission.team.memberships.filter(user=user).exists():
        raise phase_errors.choice_of_another_team()
    Team.objects.select_for_update().get(pk=submission.team_id)
    if phase.has_ended(now):
        raise phase_errors.choice_closed()
    if not phase.has_ladder:
        raise phase_errors.choice_not_needed()
    if is_chosen and (submission.current_evaluation is None or submission.is_hidden or submission.is_baseline):
        raise phase_errors.cannot_count()
    chosen = Submission.objects.filter(phase=phase, team=submission.team, is_chosen=True)
    if is_chosen or chosen.filter(pk=submission.pk).exists():
        chosen.update(is_chosen=False)
    Submission.objects.filter(pk=submission.pk).update(is_chosen=is_chosen)
    submission.is_chosen = is_chosen
    weight_changed.send(Submission, submission=submission)
