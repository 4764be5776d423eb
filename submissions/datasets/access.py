"""Whose dataset it is: who may see it, open a phase over it, and import its next version."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from submissions.models import Dataset
from submissions.models.access import ALL_PHASES, holds
from submissions.models.imports.dataset_import import IMPORT_PERMISSION


def datasets_visible_to(user: Any) -> QuerySet[Dataset]:
    """Return the user's own datasets, those of own phases, and those of nobody that no phase uses yet.

    Versions of a dataset hold mostly the same cases: who opened a phase over an unused one of nobody would read the
    hidden truth of the others. So where one is somebody else's, or nobody's and in use, it is for those who use one of
    nobody. Who holds the permission for all phases sees all.
    """
    if user.has_perm(ALL_PHASES):
        return Dataset.objects.all()
    versions = Dataset.objects.filter(name=OuterRef("name"))
    in_use = versions.filter(owner__isnull=True, phases__isnull=False)
    are_free = ~Exists(versions.filter(owner__isnull=False).exclude(owner=user)) & ~Exists(in_use)
    is_used_by_me = Exists(in_use.filter(phases__challenge__organisers=user))
    nobodys = Q(owner__isnull=True, phases__isnull=True) & (Q(are_free) | Q(is_used_by_me))
    return Dataset.objects.filter(Q(owner=user) | Q(phases__challenge__organisers=user) | nobodys).distinct()


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
