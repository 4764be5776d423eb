"""The storage budget: how many bytes a team and the whole site hold, and may hold (TEAM_STORAGE, SITE_STORAGE).

A file counts once, also where several submissions use it. An upload counts with its declared size from its beginning,
so that uploads side by side cannot exceed the budget together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import Max, Sum

from lunasite.http.errors import ApiError
from lunasite.http.files.sizes import size_in_words
from submissions.models import DataFile, DatasetImport, ModelArchive, Submission, Team, Upload
from submissions.models.upload import OF_ORGANISERS
from submissions.storage.base import StorageError
from submissions.storage.files import store

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@dataclass(frozen=True)
class Budget:
    """What a team holds, of what it may hold, in bytes."""

    held_bytes: int
    most_bytes: int

    @property
    def left_bytes(self) -> int:
        return max(0, self.most_bytes - self.held_bytes)


def budget_of(team: Team | None) -> Budget:
    return Budget(held_bytes(team) if team else 0, settings.TEAM_STORAGE_BYTES)


def held_bytes(team: Team | None) -> int:
    """Return the bytes that a team's files take, or those of all teams for None."""
    if team:
        return _held_by(team)
    files = Submission.objects.exclude(file="").order_by().values("file")
    submitted = files.annotate(size=Max("size_bytes")).aggregate(total=Sum("size"))["total"]
    archives = ModelArchive.objects.aggregate(total=Sum("size_bytes"))["total"]
    uploading = Upload.objects.aggregate(total=Sum("size_bytes"))["total"]
    imports = DatasetImport.objects.with_files().aggregate(total=Sum("images_bytes"))["total"]
    return sum(part or 0 for part in (submitted, archives, uploading, imports, DataFile.objects.total_bytes()))


def _held_by(team: Team) -> int:
    """Return the bytes of a team's files, in one query for the page of a phase."""
    files = Submission.objects.filter(team=team).exclude(file="").order_by().values("file")
    sizes = files.annotate(size=Max("size_bytes")).values_list("size")
    archives = ModelArchive.objects.filter(team=team).order_by().values_list("size_bytes")
    # What organisers send is no team's.
    uploads = Upload.objects.filter(user__membership__team=team).exclude(purpose__in=OF_ORGANISERS)
    every = sizes.union(archives, uploads.order_by().values_list("size_bytes"), all=True)
    return sum(size for (size,) in every)


def check_budget(user: User, team: Team | None, size_bytes: int) -> None:
    """Raise ApiError (507, STORAGE_BUDGET or STORAGE_FULL) unless `size_bytes` more fit team, site and disk.

    team: None for what organisers send, which is no team's.
    """
    held = held_bytes(team) if team else 0
    if team and held + size_bytes > settings.TEAM_STORAGE_BYTES:
        raise _team_full(held, size_bytes)
    if held_bytes(None) + size_bytes > settings.SITE_STORAGE_BYTES:
        raise site_full()
    check_free_space(size_bytes)


def check_free_space(size_bytes: int) -> None:
    """Raise ApiError(507, STORAGE_FULL) if less than FREE_SPACE would stay free, StorageError if the disk is away."""
    try:
        store().check_room(size_bytes)
    except StorageError as error:
        if error.error_code == "SYSTEM_DISK":
            raise site_full() from error
        raise


def _team_full(held: int, size_bytes: int) -> ApiError:
    most = settings.TEAM_STORAGE_BYTES
    taken, whole, this = size_in_words(held), size_in_words(most), size_in_words(size_bytes)
    message = (
        f"Your team's files take {taken} of {whole}, and this one has {this}: delete "
        "an upload you no longer need. Files of cancelled and refused submissions, and images that newer ones "
        "supersede, are deleted by themselves."
    )
    return ApiError(507, "STORAGE_BUDGET", message, held_bytes=held, limit_bytes=most)


def site_full() -> ApiError:
    message = "This site has no room for the file; nothing was submitted. Tell the organisers, and try again later."
    return ApiError(507, "STORAGE_FULL", message, retry_after_s=3600)
