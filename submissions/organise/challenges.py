"""Make, open and hide a challenge, and say who organises it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.db import transaction

from lunasite.http.errors import ApiError
from submissions.models import Challenge
from submissions.models.access import holds
from submissions.models.audit import record
from submissions.organise.checklist import checklist, may_open

if TYPE_CHECKING:
    from django.contrib.auth.models import User

CHANGE = "submissions.change_challenge"


@transaction.atomic
def make_challenge(*, challenge: Challenge, user: User) -> Challenge:
    """Store a new challenge, hidden, with who makes it as its organiser."""
    challenge.is_hidden = True
    challenge.save()
    challenge.organisers.add(user)
    record(user, "open", challenge)
    return challenge


@transaction.atomic
def change_challenge(*, challenge: Challenge, user: User, changed: list[str]) -> None:
    """Store the named fields alone: a text that somebody saved meanwhile stays."""
    if changed:
        challenge.save(update_fields=changed)
        record(user, "change", challenge, note=", ".join(changed))


@transaction.atomic
def open_challenge(*, challenge: Challenge, user: User) -> None:
    """Show the challenge to everybody. Raises ApiError while something needed is missing."""
    items = checklist(challenge, list(challenge.phases.select_related("dataset")))
    if not may_open(items):
        missing = [item.title.lower() for item in items if item.is_needed and not item.is_done]
        raise ApiError(409, "NOT_READY_TO_OPEN", f"It still needs: {', '.join(missing)}.")
    _show(challenge, user, is_hidden=False)


@transaction.atomic
def hide_challenge(*, challenge: Challenge, user: User) -> None:
    """Hide the challenge and all its phases from everybody but its organisers."""
    _show(challenge, user, is_hidden=True)


def _show(challenge: Challenge, user: User, *, is_hidden: bool) -> None:
    if Challenge.objects.filter(pk=challenge.pk).exclude(is_hidden=is_hidden).update(is_hidden=is_hidden):
        record(user, "hide" if is_hidden else "publish", challenge)
    challenge.is_hidden = is_hidden


@transaction.atomic
def add_organiser(*, challenge: Challenge, user: User, name: str) -> Any:
    """Add a co-organiser by user name. Raises ApiError unless the account may organise: an operator decides that."""
    found = get_user_model().objects.filter(username=name, is_active=True).first()
    if found is None or not holds(found, CHANGE):
        message = f"'{name}' is not the account of an organiser. An operator can give somebody the group `organiser`."
        raise ApiError(404, "NOT_FOUND", message, field="name")
    challenge.organisers.add(found)
    record(user, "add organiser", challenge, note=found.get_username())
    return found


@transaction.atomic
def remove_organiser(*, challenge: Challenge, user: User, pk: int) -> None:
    """Remove an organiser. Raises ApiError for the last one: then nobody could decide."""
    Challenge.objects.select_for_update().get(pk=challenge.pk)
    people = challenge.organisers
    found = people.filter(pk=pk).first()
    if found is None:
        raise ApiError(404, "NOT_FOUND", "That person does not organise this challenge.")
    if not people.filter(is_active=True).exclude(pk=pk).exists():
        raise ApiError(409, "LAST_ORGANISER", "A challenge keeps one organiser; add another first.")
    people.remove(found)
    record(user, "remove organiser", challenge, note=found.get_username())
