"""Whose dataset it is: who may see it, open a phase over it, and import its next version."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet

from submissions.models import Dataset
from submissions.models.access import ALL_PHASES, holds_everywhere


def datasets_visible_to(user: Any) -> QuerySet[Dataset]:
    """Return the user's own datasets, those of own phases, and those of nobody that no phase uses yet.

    Who holds the permission for all phases sees all.
    """
    if user.has_perm(ALL_PHASES):
        return Dataset.objects.all()
    nobodys = Q(owner__isnull=True, phases__isnull=True)
    return Dataset.objects.filter(Q(owner=user) | Q(phases__challenge__organisers=user) | nobodys).distinct()


def may_extend(user: Any, name: str) -> bool:
    """Return whether `user` may import a dataset of this name: a new name, or one whose every version is the user's."""
    versions = Dataset.objects.filter(name=name)
    return bool(user.has_perm(ALL_PHASES)) or not versions.exclude(owner=user).exists()


def may_reveal(user: Any, dataset: Dataset) -> bool:
    """Return whether `user` may publish the truth: the owner, or who may change every dataset."""
    is_owner = dataset.owner_id is not None and dataset.owner_id == user.pk  # type: ignore[attr-defined]
    return is_owner or holds_everywhere(user, "submissions.change_dataset")
