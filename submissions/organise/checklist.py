"""What is missing before a challenge opens: what must be there, and what an organiser will wish had been there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from submissions.models import Challenge, Phase, Split, Worker
from submissions.phases.warnings import facts_of, phase_warnings
from submissions.queues import CSV_CLUSTER, DOCKER_CLUSTER, ERRANDS_CLUSTER

ALIVE_FOR = timedelta(minutes=2)


@dataclass(frozen=True)
class Item:
    """One line of the list. is_needed: without it the challenge cannot open.

    advice: what is missing, and why it matters. link, action: where it is done, and what is done there.
    """

    title: str
    is_done: bool
    advice: str = ""
    is_needed: bool = False
    link: str = ""
    action: str = ""


def checklist(challenge: Challenge, phases: Sequence[Phase]) -> list[Item]:
    """Return the list of a challenge; `phases` are all of its phases, with their datasets."""
    return [*_of_the_place(challenge, phases), *_of_the_site(phases), *_of_phases(phases)]


def may_open(items: list[Item]) -> bool:
    return all(item.is_done for item in items if item.is_needed)


def _of_the_place(challenge: Challenge, phases: Sequence[Phase]) -> Iterator[Item]:
    overview, rules = (reverse("challenge_edit", args=[challenge.slug, name]) for name in ("overview", "rules"))
    new_phase = reverse("organise_phase_new", args=[challenge.slug])
    yield Item(
        "A phase with a dataset", bool(phases), "There is no phase yet, so nobody can send anything.",
        is_needed=True, link=new_phase, action="Add the first phase",
    )  # fmt: skip
    if phases:
        yield Item(
            "A phase that everybody sees", any(not phase.is_hidden for phase in phases),
            "Every phase is hidden, so nobody could take part.", is_needed=True,
            link=reverse("organise_phase", args=[phases[0].slug]), action=f"Show {phases[0].title}",
        )  # fmt: skip
    yield Item(
        "A text that says what it is about", bool(challenge.overview.strip()),
        "Its first page says nothing yet.", link=overview, action="Write the overview",
    )  # fmt: skip
    yield Item(
        "Rules that participants accept", bool(challenge.rules.strip()),
        "There are none yet, so participants promise nothing.", link=rules, action="Write the rules",
    )  # fmt: skip
    yield Item(
        "A second organiser", len(challenge.organisers.all()) > 1,
        "While you are away, nobody can decide.", link="#organisers", action="Add an organiser",
    )  # fmt: skip


def _of_the_site(phases: Sequence[Phase]) -> Iterator[Item]:
    alive = Worker.objects.filter(seen_at__gt=timezone.now() - ALIVE_FOR).values_list("cluster", flat=True)
    clusters = set(alive)
    ask = "None is running: what is sent waits until the operator of this site starts one."
    where: dict[str, Any] = {"link": reverse("status"), "action": "See the site's status"}
    yield Item("A worker that scores CSVs", CSV_CLUSTER in clusters, ask, **where)
    yield Item("A worker that imports datasets and sends mails", ERRANDS_CLUSTER in clusters, ask, **where)
    if any(phase.accepts_docker for phase in phases):
        yield Item("A worker that runs images", DOCKER_CLUSTER in clusters, ask, **where)
    yield Item(
        "Mail to participants", bool(settings.EMAIL_HOST),
        "This site sends no mail, so participants read news only here. The operator can change that (EMAIL_HOST).",
    )  # fmt: skip


def _of_phases(phases: Sequence[Phase]) -> Iterator[Item]:
    facts = facts_of(phases)
    for phase in phases:
        place = reverse("organise_phase", args=[phase.slug])
        where: dict[str, Any] = {"link": place, "action": f"Change {phase.title}"}
        has_samples = Split.SAMPLE in facts[phase.pk].splits
        yield Item(
            f"{phase.title}: sample cases", has_samples,
            "There are none, so participants have nothing to try a model on.",
            link=reverse("organise_dataset", args=[phase.dataset_id]), action=f"Look at {phase.dataset}",
        )  # fmt: skip
        yield Item(f"{phase.title}: a closing date", phase.closes_at is not None, "It never ends.", **where)
        for warning in phase_warnings(phase, facts[phase.pk]):
            yield Item(phase.title, False, warning, **where)
