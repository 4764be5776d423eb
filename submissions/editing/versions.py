"""Save a text, keep its versions, and note who accepted which."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from lunasite.http.errors import ApiError
from submissions.models import Acceptance, Challenge, SitePage, TextVersion
from submissions.models.audit import record
from submissions.models.challenges.texts import MAX_TEXT
from submissions.models.participation import digest_of

Owner = Challenge | SitePage


def versions_of(owner: Owner, name: str) -> QuerySet[TextVersion]:
    """Return the saved versions of a text, newest first."""
    versions: QuerySet[TextVersion] = owner.text_versions.filter(name=name)
    return versions


def current_version(owner: Owner, name: str) -> TextVersion:
    """Return the version that the owner shows now.

    A text that was set without this module (by a command, or before there were versions) becomes a version here.
    """
    with transaction.atomic():
        locked = type(owner)._default_manager.select_for_update().get(pk=owner.pk)
        newest = versions_of(locked, name).first()
        body = getattr(locked, name)
        if newest is not None and newest.body == body:
            return newest
        return _add(locked, name, body, newest.number + 1 if newest else 1, None)


def save_text(*, owner: Owner, name: str, body: str, user: Any, base: str = "") -> TextVersion | None:
    """Save a new version, show it and return it; None for the same text again, which makes no new version.

    base: the digest of the text that the writer began with; empty: not checked. Raises ApiError (409 TEXT_CHANGED) if
    the text reads otherwise by now, (400 INVALID_TEXT) if it is too long.
    """
    if len(body) > MAX_TEXT:
        raise ApiError(400, "INVALID_TEXT", f"Write at most {MAX_TEXT:,} characters.")
    with transaction.atomic():
        current = _written_version(owner, name)
        _check_base(current, base)
        if body == (current.body if current else ""):
            return None
        type(owner)._default_manager.filter(pk=owner.pk).update(**{name: body})
        setattr(owner, name, body)
        version = _add(owner, name, body, current.number + 1 if current else 1, user)
        record(user, "edit", owner, note=f"{name}, version {version.number}")
    return version


def _written_version(owner: Owner, name: str) -> TextVersion | None:
    """Return the version that the owner shows now; None of a text that nobody has written yet. Locks the owner."""
    locked = type(owner)._default_manager.select_for_update().get(pk=owner.pk)
    is_written = bool(getattr(locked, name)) or versions_of(locked, name).exists()
    return current_version(locked, name) if is_written else None


def _check_base(current: TextVersion | None, base: str) -> None:
    if current and base and base != digest_of(current.body):
        by = f" by {current.saved_by_name}" if current.saved_by_name else ""
        raise ApiError(409, "TEXT_CHANGED", f"Version {current.number} was saved{by} while you wrote.")


def _add(owner: Owner, name: str, body: str, number: int, user: Any) -> TextVersion:
    of = {"challenge": owner} if isinstance(owner, Challenge) else {"page": owner}
    return TextVersion.objects.create(
        name=name, body=body, number=number, saved_by=user, saved_by_name=user.get_username() if user else "", **of
    )


def accept(*, version: TextVersion, user: Any) -> Acceptance:
    """Note, once, that the person accepted this version."""
    row, _ = Acceptance.objects.get_or_create(user=user, version=version)
    return row


@dataclass(frozen=True)
class DiffLine:
    """One line of a difference. mark: `+`, `-`, or a space."""

    mark: str
    text: str


def difference(earlier: str, later: str) -> list[DiffLine]:
    """Return what changed from one text to the other, with three lines around each change."""
    lines = difflib.unified_diff(earlier.splitlines(), later.splitlines(), lineterm="", n=3)
    return [DiffLine(line[:1], line[1:]) for line in list(lines)[2:] if not line.startswith("@@")]
