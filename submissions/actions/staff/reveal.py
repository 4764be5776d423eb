"""Publish the truth of a dataset and the nonce of its commitment, once the phases over it have ended."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef

from lunasite.http.errors import ApiError
from submissions.datasets.commitment import commitment, revealed_data
from submissions.models import Case, Dataset, Phase, Split


def reveal(*, dataset: Dataset, now: datetime) -> None:
    """Open the dataset's commitment to everybody, for ever; a second time changes nothing.

    Raises ApiError (409) while a phase over it is not over, or when the data are not those committed to.
    """
    with transaction.atomic():
        row = Dataset.objects.select_for_update().get(pk=dataset.pk)
        if row.revealed_at is None:
            _check_phases(row, now)
            if commitment(truth_of(row)) != row.content_hash:
                message = f"{row} is not what was committed to at its import: the data were changed."
                raise ApiError(409, "DATASET_CHANGED", message)
            row.revealed_at = now
            row.save(update_fields=["revealed_at"])
    dataset.revealed_at = row.revealed_at


def truth_of(dataset: Dataset) -> dict[str, object]:
    """Return the data that open the commitment; only `reveal` decides that somebody may read them."""
    return revealed_data(dataset, dataset.cases.order_by("position"))


def _check_phases(dataset: Dataset, now: datetime) -> None:
    if why := why_secret(dataset, now):
        raise ApiError(409, "STILL_SECRET", f"The truth of {dataset} stays secret, because {why}.")


def why_secret(dataset: Dataset, now: datetime) -> str:
    """Return why the truth may not be published yet, as the end of a sentence; "" where it may.

    Another version holds most of the same cases: the truth of one is that of the other.
    """
    if dataset.is_practice:
        return ""
    same = Case.objects.filter(dataset=OuterRef("dataset"), public_id__in=dataset.cases.values("public_id"))
    rows = Phase.objects.filter(dataset__name=dataset.name)
    phases: list[Any] = list(rows.annotate(hides_same=Exists(same.exclude(split=Split.SAMPLE))))
    own = [phase for phase in phases if phase.dataset_id == dataset.pk]
    if not own:
        return "no phase over it has ended"
    if going_on := [phase.slug for phase in own if not phase.has_ended(now)]:
        return f"these phases over it have not ended: {', '.join(going_on)}"
    others = [phase for phase in phases if phase not in own and phase.hides_same]
    hidden = [phase.slug for phase in others if phase.state(now) == Phase.Disclosure.COMPETITION]
    return f"these phases over other versions of it have not ended: {', '.join(hidden)}" if hidden else ""
