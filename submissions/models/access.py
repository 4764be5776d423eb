"""Who may do what: the same Django permissions for pages, API and admin; an organiser's hold for own challenges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from submissions.models.challenges.challenge import Challenge
    from submissions.models.phase import Phase

ALL_PHASES = "submissions.all_phases"


def holds(user: Any, permission: str) -> bool:
    """Return whether `user` holds a permission at all. Like the admin, it takes both the staff mark and the permission.

    The mark is asked first, so that a participant's request costs no query.
    """
    return bool(user.is_staff) and bool(user.has_perm(permission))


def holds_everywhere(user: Any, permission: str) -> bool:
    """Return whether `user` holds the permission for every phase, present and future."""
    return holds(user, permission) and bool(user.has_perm(ALL_PHASES))


def may(user: Any, permission: str, place: Phase | Challenge) -> bool:
    """Return whether `user` holds the permission for this phase or challenge: everywhere, or as an organiser of it."""
    if not holds(user, permission):
        return False
    return bool(user.has_perm(ALL_PHASES)) or place.organisers.filter(pk=user.pk).exists()
