"""Warnings about a phase, for organisers; shown in the admin and by `open_phase`."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.db.models import Count
from django.utils import timezone

from submissions.models import Phase, Split


def phase_warnings(phase: Phase) -> list[str]:
    """Return the settings that an organiser may have overlooked, one sentence each."""
    splits = dict(phase.dataset.cases.order_by().values_list("split").annotate(Count("pk")))
    image_advice = _image_advice(phase, splits) if phase.accepts_docker else ()
    return [*_people_advice(phase), *_ranking_advice(phase, splits), *image_advice]


def _people_advice(phase: Phase) -> Iterator[str]:
    if settings.ACCOUNT_EMAIL_VERIFICATION != "mandatory" and not phase.needs_approval:
        yield (
            "No mail server confirms addresses: one person can sign up many times, and has the tries of each account. "
            "Let participants need approval, or set EMAIL_HOST."
        )


def _ranking_advice(phase: Phase, splits: dict[str, int]) -> Iterator[str]:
    if not phase.quotas.exists():
        yield "No quota: a team may try as often as it likes, and climb by probing. Add one below."
    yield from _disclosure_advice(phase, splits)
    if not splits.get(Split.PRIVATE):
        yield "There is no private split: the last ranking comes from cases whose scores were public all along."
    elif phase.closes_at is None:
        yield "It has a private split but no end: the private scores are never shown."
    if not (phase.accepts_csv or phase.accepts_docker):
        yield "It takes neither CSVs nor images."


def _disclosure_advice(phase: Phase, splits: dict[str, int]) -> Iterator[str]:
    if phase.dataset.revealed_at and phase.disclosure != Phase.Disclosure.PRACTICE:
        yield "The truth of its dataset is published: whoever takes part can download it."
    if phase.disclosure == Phase.Disclosure.PRACTICE:
        if splits.get(Split.PRIVATE):
            yield "It is for practice: the scores of its private cases are shown at once, as all others."
        yield from _shared_advice(phase)
        return
    if not phase.ladder_step:
        yield "No ladder step: every score is shown, and a team can climb by chance. 0.01 is usual."
    if not splits.get(Split.SAMPLE):
        yield "There are no sample cases: until the end participants see one number, and no metric or curve."
    yield from _shared_advice(phase)


def _shared_advice(phase: Phase) -> Iterator[str]:
    """Warn where the same cases are hidden in one phase and open in another."""
    now = timezone.now()
    others = Phase.objects.filter(dataset=phase.dataset).exclude(pk=phase.pk)
    is_open_here = phase.state(now) != Phase.Disclosure.COMPETITION
    for other in others:
        if (other.state(now) != Phase.Disclosure.COMPETITION) != is_open_here:
            yield f"It shares its cases with '{other.slug}', where they are {'hidden' if is_open_here else 'open'}."


def _image_advice(phase: Phase, splits: dict[str, int]) -> Iterator[str]:
    if without := phase.dataset.cases.filter(image="").count():
        yield f"{without} cases have no image: no container can run. Import with --images, or take CSVs only."
    if not splits.get(Split.SAMPLE):
        yield "There are no sample cases: images are not tried out before they meet the hidden ones."
