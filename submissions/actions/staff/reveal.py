"""Publish the truth of a dataset and the nonce of its commitment, once the phases over it have ended."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from lunasite.http.errors import ApiError
from submissions.datasets.commitment import commitment, revealed_data
from submissions.models import Dataset


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
    """Return why the truth may not be published yet, as the end of a sentence; "" where it may."""
    phases = list(dataset.phases.all())
    going_on = [phase.slug for phase in phases if not phase.has_ended(now)]
    if dataset.is_practice or (phases and not going_on):
        return ""
    return f"these phases over it have not ended: {', '.join(going_on)}" if going_on else "no phase over it has ended"
