"""Warnings about a phase for organisers, like Django's system checks; shown in the admin and by `open_phase`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Count, Q
from django.utils import timezone

from submissions.models import Case, Challenge, Phase, Quota, Split


@dataclass(frozen=True)
class PhaseFacts:
    """What a phase rests on. splits: number of cases. others: phases of the same dataset, of any version."""

    splits: dict[str, int]
    n_without_image: int
    has_quota: bool
    others: list[Phase]


def facts_of(phases: Sequence[Phase]) -> dict[int, PhaseFacts]:
    """Return the facts of each phase by its number; three queries, however many they are."""
    datasets = {phase.dataset_id for phase in phases}
    no_image = Count("pk", filter=Q(image=""))
    splits: dict[int, dict[str, int]] = {dataset: {} for dataset in datasets}
    without_image = dict.fromkeys(datasets, 0)
    rows = Case.objects.filter(dataset__in=datasets).order_by().values_list("dataset", "split")
    for dataset, split, count, without in rows.annotate(count=Count("pk"), without=no_image):
        splits[dataset][split] = count
        without_image[dataset] += without
    limited = set(Quota.objects.filter(phase__in=phases).order_by().values_list("phase", flat=True))
    sharing: dict[str, list[Phase]] = {phase.dataset.name: [] for phase in phases}
    for other in Phase.objects.filter(dataset__name__in=sharing).select_related("dataset"):
        sharing[other.dataset.name].append(other)
    return {
        phase.pk: PhaseFacts(
            splits[phase.dataset_id], without_image[phase.dataset_id], phase.pk in limited,
            [other for other in sharing[phase.dataset.name] if other.pk != phase.pk],
        )
        for phase in phases
    }  # fmt: skip


def phase_warnings(phase: Phase, facts: PhaseFacts | None = None) -> list[str]:
    """Return the settings that an organiser may have overlooked, one sentence each. facts: where they are known."""
    facts = facts or facts_of([phase])[phase.pk]
    image_advice = _image_advice(facts) if phase.accepts_docker else ()
    return [*people_warnings(phase.challenge), *_ranking_advice(phase, facts), *image_advice]


def people_warnings(challenge: Challenge | None) -> Iterator[str]:
    """Yield what an organiser may overlook about who takes part. None: of a phase whose challenge is not chosen yet."""
    if settings.ACCOUNT_EMAIL_VERIFICATION != "mandatory" and not (challenge and challenge.needs_approval):
        yield (
            "No mail server confirms addresses: one person can sign up many times, and has the tries of each account. "
            "Let participants need approval, or ask the operator for a mail server (EMAIL_HOST)."
        )


def _ranking_advice(phase: Phase, facts: PhaseFacts) -> Iterator[str]:
    if not facts.has_quota:
        yield "No quota: a team may try as often as it likes, and climb by probing. Set a number of tries."
    yield from _disclosure_advice(phase, facts)
    if not facts.splits.get(Split.PRIVATE):
        yield "There is no private split: the last ranking comes from cases whose scores were public all along."
    elif phase.closes_at is None:
        yield "It has a private split but no end: the private scores are never shown."
    if not (phase.accepts_csv or phase.accepts_docker):
        yield "It takes neither CSVs nor images."


def _disclosure_advice(phase: Phase, facts: PhaseFacts) -> Iterator[str]:
    if phase.dataset.revealed_at and phase.disclosure != Phase.Disclosure.PRACTICE:
        yield "The truth of its dataset is published: whoever takes part can download it."
    if phase.disclosure == Phase.Disclosure.PRACTICE:
        if facts.splits.get(Split.PRIVATE):
            yield "It is for practice: the scores of its private cases are shown at once, as all others."
        yield from _shared_advice(phase, facts)
        return
    if not phase.ladder_step:
        yield "No ladder step: every score is shown, and a team can climb by chance. 0.01 is usual."
    if not facts.splits.get(Split.SAMPLE):
        yield "There are no sample cases: until the end participants see one number, and no metric or curve."
    yield from _shared_advice(phase, facts)


def _shared_advice(phase: Phase, facts: PhaseFacts) -> Iterator[str]:
    """Warn of each other phase with the same cases: open there and hidden here, other samples, or more tries."""
    now = timezone.now()
    is_open_here = phase.state(now) != Phase.Disclosure.COMPETITION
    for other in facts.others:
        is_open_there = other.state(now) != Phase.Disclosure.COMPETITION
        is_other_version = other.dataset_id != phase.dataset_id
        version = f" (version {other.dataset.version} of its dataset)" if is_other_version else ""
        if is_open_there != is_open_here:
            how = "open" if is_open_there else "hidden"
            yield f"It shares its cases with '{other.slug}'{version}, where they are {how}."
        elif is_other_version and not is_open_here:
            yield (
                f"It shares its cases with '{other.slug}'{version}: where the split differs, sample cases of the one, "
                "whose truth is shown, count in the other."
            )
        elif not is_open_here:
            yield (
                f"It shares its hidden cases with '{other.slug}': a team has the tries of both to learn about the same "
                "labels. Set fewer tries in each."
            )


def _image_advice(facts: PhaseFacts) -> Iterator[str]:
    if without := facts.n_without_image:
        yield f"{without} cases have no image: no container can run. Import it with images, or take CSVs only."
    if not facts.splits.get(Split.SAMPLE):
        yield "There are no sample cases: images are not tried out before they meet the hidden ones."
