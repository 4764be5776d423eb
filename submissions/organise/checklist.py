"""What is missing before a challenge opens: what must be there, and what an organiser will wish had been there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from submissions.models import Challenge, Phase, Split, Worker
from submissions.phases.warnings import phase_warnings
from submissions.queues import CSV_CLUSTER, DOCKER_CLUSTER, ERRANDS_CLUSTER

ALIVE_FOR = timedelta(minutes=2)


@dataclass(frozen=True)
class Item:
    """One line of the list. is_needed: without it the challenge cannot open. link: where to see to it."""

    title: str
    is_done: bool
    advice: str = ""
    is_needed: bool = False
    link: str = ""


def checklist(challenge: Challenge, phases: Sequence[Phase]) -> list[Item]:
    """Return the list of a challenge; `phases` are all of its phases, with their datasets."""
    return [*_of_the_place(challenge, phases), *_of_the_site(phases), *_of_phases(phases)]


def may_open(items: list[Item]) -> bool:
    return all(item.is_done for item in items if item.is_needed)


def _of_the_place(challenge: Challenge, phases: Sequence[Phase]) -> Iterator[Item]:
    overview, rules = (reverse("challenge_edit", args=[challenge.slug, name]) for name in ("overview", "rules"))
    new_phase = reverse("organise_phase_new", args=[challenge.slug])
    yield Item("A phase with a dataset", bool(phases), "Add the first phase.", is_needed=True, link=new_phase)
    if phases:
        seen = any(not phase.is_hidden for phase in phases)
        yield Item("A phase that is not hidden", seen, "Every phase is hidden: nobody could take part.", is_needed=True)
    yield Item("A text that says what it is about", bool(challenge.overview.strip()), "Write it.", link=overview)
    yield Item("Rules that participants accept", bool(challenge.rules.strip()), "Write them.", link=rules)
    second = challenge.organisers.count() > 1
    yield Item("A second organiser", second, "Add one under Organisers: somebody decides while you are away.")


def _of_the_site(phases: Sequence[Phase]) -> Iterator[Item]:
    alive = Worker.objects.filter(seen_at__gt=timezone.now() - ALIVE_FOR).values_list("cluster", flat=True)
    clusters = set(alive)
    ask = "None is there: ask the operator to start one."
    yield Item("A worker that scores CSVs", CSV_CLUSTER in clusters, ask)
    yield Item("A worker that imports datasets and sends mails", ERRANDS_CLUSTER in clusters, ask)
    if any(phase.accepts_docker for phase in phases):
        yield Item("A worker that runs images", DOCKER_CLUSTER in clusters, ask)
    has_mail = bool(settings.EMAIL_HOST)
    yield Item("Mail", has_mail, "The site sends no mail: participants must look here for news (EMAIL_HOST).")


def _of_phases(phases: Sequence[Phase]) -> Iterator[Item]:
    for phase in phases:
        link = reverse("organise_phase", args=[phase.slug])
        splits = set(phase.dataset.cases.values_list("split", flat=True).distinct())
        yield Item(
            f"{phase.title}: sample cases", Split.SAMPLE in splits, "Participants see nothing to try.", link=link
        )
        yield Item(f"{phase.title}: a closing date", phase.closes_at is not None, "It never ends.", link=link)
        for warning in phase_warnings(phase):
            yield Item(phase.title, False, warning, link=link)
