"""Whose dataset it is: who may see it, open a phase over it, and import its next version."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from submissions.models import Dataset
from submissions.models.access import ALL_PHASES, holds
from submissions.models.imports.dataset_import import IMPORT_PERMISSION


def datasets_visible_to(user: Any) -> QuerySet[Dataset]:
    """Return the user's own datasets, those of own phases, and those of nobody that no phase uses yet.

    Versions of a dataset hold mostly the same cases. Where one is somebody's or used in a phase, the unused ones of
    nobody are for whoever has a version: who opened a phase over one would read the hidden truth of the other.
    Who holds the permission for all phases sees all.
    """
    if user.has_perm(ALL_PHASES):
        return Dataset.objects.all()
    own = Q(owner=user) | Q(phases__challenge__organisers=user)
    versions = Dataset.objects.filter(name=OuterRef("name"))
    is_taken = Exists(versions.filter(Q(owner__isnull=False) | Q(phases__isnull=False)))
    nobodys = Q(owner__isnull=True, phases__isnull=True) & (~Q(is_taken) | Q(Exists(versions.filter(own))))
    return Dataset.objects.filter(own | nobodys).distinct()


def may_publish(user: Any, dataset: Dataset) -> bool:
    """Return whether `user` may publish truth and nonce: the owner; of nobody's dataset, who organises all its phases.

    Who holds the permission for all phases may publish any.
    """
    if not holds(user, IMPORT_PERMISSION):
        return False
    if user.has_perm(ALL_PHASES) or dataset.owner_id == user.pk:
        return True
    phases = dataset.phases.all()
    return dataset.owner_id is None and phases.exists() and not phases.exclude(challenge__organisers=user).exists()


def may_extend(user: Any, name: str) -> bool:
    """Return whether `user` may import a dataset of this name: a new name, or one whose every version is the user's."""
    versions = Dataset.objects.filter(name=name)
    return bool(user.has_perm(ALL_PHASES)) or not versions.exclude(owner=user).exists()
