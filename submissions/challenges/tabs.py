"""The tabs of a challenge, on each of its pages: only those that lead somewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.urls import NoReverseMatch, reverse

from submissions.models import Challenge, Phase


@dataclass(frozen=True)
class Tab:
    """name: what a page calls the tab it belongs to."""

    name: str
    title: str
    url: str
    is_outside: bool = False


def tabs_of(challenge: Challenge, user: Any, phases: list[Phase] | None = None) -> list[Tab]:
    """Return the tabs that `user` may open; one query. phases: those of `phases_of`, where the page has read them."""
    if phases is None:
        phases = list(phases_of(challenge, user))
    boards = [phase for phase in phases if phase.board_is_public]
    found = [
        _tab("overview", "Overview", "challenge", challenge),
        _tab("data", "Data", "challenge_data", challenge),
        _tab("rules", "Rules", "challenge_rules", challenge) if challenge.rules.strip() else None,
        _tab("news", "News", "challenge_news", challenge),
        _phase_tab("submit", "Submit", "phase", "challenge_submit", challenge, phases),
        _phase_tab("leaderboard", "Leaderboard", "leaderboard", "challenge_boards", challenge, boards),
        Tab("forum", "Forum", challenge.forum_url, is_outside=True) if challenge.forum_url else None,
    ]
    return [tab for tab in found if tab is not None]


def phases_of(challenge: Challenge, user: Any) -> Any:
    """Return the phases of the challenge that `user` may see, newest first."""
    return Phase.objects.visible_to(user).filter(challenge=challenge)


def _tab(name: str, title: str, view: str, challenge: Challenge) -> Tab | None:
    """Return the tab, or None where this site has no such page."""
    try:
        return Tab(name, title, reverse(view, kwargs={"slug": challenge.slug}))
    except NoReverseMatch:
        return None


def _phase_tab(
    name: str, title: str, of_one: str, of_several: str, challenge: Challenge, phases: list[Phase]
) -> Tab | None:
    """Lead straight to the only phase, or to the list of several."""
    if len(phases) == 1:
        return Tab(name, title, reverse(of_one, kwargs={"slug": phases[0].slug}))
    return _tab(name, title, of_several, challenge) if phases else None
