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
    # A phase names its challenge; a challenge is one.
    return bool(user.has_perm(ALL_PHASES)) or getattr(place, "challenge_id", place.pk) in organised_by(user)


def organised_by(user: Any) -> frozenset[int]:
    """Return the numbers of the challenges that a user organises.

    Asked once for each user object, as Django does with permissions: a page of a hundred rows asks for each of them.
    """
    # `request.user` is a wrapper: what is set on it is set on the user inside, and read with getattr.
    organised: frozenset[int] | None = getattr(user, "_organised", None)
    if organised is None:
        own = user.organised_challenges.through.objects.filter(user=user)
        user._organised = organised = frozenset(own.values_list("challenge_id", flat=True))
    return organised
