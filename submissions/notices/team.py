"""Tell the members of a team who joined or left, and who owns it now."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from django.contrib.auth import get_user_model

from submissions.models import Team
from submissions.models.messages import Kind
from submissions.notices.sending import Notice, tell


def tell_team(team: Team, sentence: str, *, but: Any = None, also: Iterable[Any] = ()) -> int:
    """Tell the members, all `but` the person who did it. also: people who are members no longer."""
    members = get_user_model().objects.filter(membership__team=team, is_active=True)
    others = [user for user in (*members, *also) if but is None or user.pk != but.pk]
    notice = Notice(
        Kind.TEAM, f"team {uuid4()}", f"Team {team}: {sentence}", f"News of the team {team}: {sentence}.", "/team/",
        {"team": team.name}, frozenset({team.pk}),
    )  # fmt: skip
    return tell(notice, others)
