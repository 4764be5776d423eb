"""The demo's phases: an open phase, a phase that has ended with its private split, and a phase of slices."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from lunasite.demo.challenges import LESIONS, SLICES, open_challenges
from lunasite.demo.phantoms import lesion_dataset, rehearsal_dataset, slice_dataset
from submissions.models import Dataset, Phase, Quota

OPEN, ENDED, PICTURES = "phantom-lesions", "phantom-rehearsal", "phantom-slices"
NOT_MEDICINE = "Everything here was drawn by a program; a good score says nothing about patients."
LESION_TASK = f"""For each marked nodule of a made-up chest, give the probability that it was drawn as malignant.

Malignant nodules tend to be large, soft-edged and spiky, benign ones small, smooth and sometimes calcified.

{NOT_MEDICINE}"""
SLICE_TASK = f"""Sort made-up CT slices into four classes. Give one probability a class; they sum to 1.

{NOT_MEDICINE}"""


def open_phases(now: datetime, organiser: Any) -> dict[str, Phase]:
    """Return the demo's phases by slug; the first call creates them."""
    lesions, rehearsal, slices = lesion_dataset(), rehearsal_dataset(), slice_dataset()
    week = timedelta(days=7)
    challenges = open_challenges(organiser)
    return {
        OPEN: _phase(
            OPEN, lesions, "Phantom lesions", LESION_TASK, [(5, timedelta(days=1)), (30, None)],
            opens_at=now - 2 * week, closes_at=now + 8 * week, tie_breaks=["average_precision"],
            challenge=challenges[LESIONS],
        ),
        ENDED: _phase(
            ENDED, rehearsal, "Phantom rehearsal", LESION_TASK, [(3, None)],
            opens_at=now - 6 * week, closes_at=now - 2 * week, challenge=challenges[LESIONS],
        ),
        PICTURES: _phase(
            PICTURES, slices, "Phantom slices", SLICE_TASK, [(10, week)],
            opens_at=now - week, tie_breaks=["accuracy"], disclosure=Phase.Disclosure.PRACTICE,
            challenge=challenges[SLICES],
        ),
    }  # fmt: skip


@transaction.atomic
def _phase(
    slug: str,
    dataset: Dataset,
    title: str,
    description: str,
    quotas: list[tuple[int, timedelta | None]],
    **fields: Any,
) -> Phase:
    phase, is_new = Phase.objects.get_or_create(
        slug=slug, defaults={"dataset": dataset, "title": title, "description": description, **fields}
    )
    if is_new:
        Quota.objects.bulk_create(Quota(phase=phase, tries=tries, window=window) for tries, window in quotas)
    return phase
