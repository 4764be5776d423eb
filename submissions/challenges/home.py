"""The first page: the challenges with what a visitor decides by: until when, how many entries, who leads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Case, Count, Exists, IntegerField, OuterRef, Q, Subquery, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.views.decorators.http import require_safe

from lunasite.http.page_cache.parts import kept_part
from lunasite.http.page_cache.views import kept_for_visitors
from submissions.models import Challenge, ChallengeImage, Phase, Submission
from submissions.phases.next_change import next_change

PER_PAGE = 12
OPEN, COMING, ENDED = "open", "coming", "ended"


@dataclass
class ChallengeCard:
    """One challenge. phase: the one that decides its state; None where it has none yet."""

    challenge: Challenge
    phases: list[Phase] = field(default_factory=list)
    n_entries: int = 0
    logo: str = ""

    def phase_at(self, now: datetime) -> Phase | None:
        """Return the open phase that closes first, else the next to open, else the last to end."""
        ranked = sorted(self.phases, key=lambda phase: _urgency(phase, now))
        return ranked[0] if ranked else None


def _urgency(phase: Phase, now: datetime) -> tuple[int, float]:
    if phase.is_open(now):
        return 0, phase.closes_at.timestamp() if phase.closes_at else float("inf")
    if phase.opens_at > now:
        return 1, phase.opens_at.timestamp()
    return 2, -(phase.closes_at or now).timestamp()


@require_safe
@kept_for_visitors(next_change)
def home(request: HttpRequest) -> HttpResponse:
    """List the challenges: open ones first, then those to come, then the ended; seven queries at any size."""
    number = request.GET.get("page", "1")
    challenges = kept_part(request.user, ("home", number), next_change, lambda: _challenges(request.user, number))
    return render(request, "submissions/home.html", {"challenges": challenges})


def _challenges(user: Any, number: str) -> str:
    """Return the cards of a page of challenges as HTML; nothing where there are none."""
    now = timezone.now()
    page = Paginator(_in_order(user, now), PER_PAGE).get_page(number)
    cards = cards_of(page, user)
    shown = [(card, phase, _state(phase, now)) for card in cards for phase in [card.phase_at(now)]]
    leading = [phase for _, phase, state in shown if phase is not None and phase.board_is_public and state != COMING]
    known = {"page": page, "cards": shown, "leading": leading, "now": now}
    return render_to_string("submissions/_challenges.html", known) if shown else ""


def _in_order(user: Any, now: datetime) -> Any:
    """Return the challenges that `user` may see, those with an open phase first."""
    phases = Phase.objects.visible_to(user).filter(challenge=OuterRef("pk"))
    is_open = Exists(phases.filter(Q(closes_at__isnull=True) | Q(closes_at__gt=now), opens_at__lte=now))
    is_coming = ~Exists(phases.filter(opens_at__lte=now))
    order = Case(When(is_open, then=Value(0)), When(is_coming, then=Value(1)), default=2, output_field=IntegerField())
    logo = ChallengeImage.objects.filter(challenge=OuterRef("pk"), is_logo=True).values("name")[:1]
    rows = Challenge.objects.visible_to(user).annotate(order=order, logo_name=Subquery(logo))
    return rows.order_by("order", "-created_at", "slug")


def cards_of(challenges: Iterable[Any], user: Any) -> list[ChallengeCard]:
    """Return a card for each challenge, with its visible phases, its entries and its logo."""
    cards = {challenge.pk: ChallengeCard(challenge, logo=challenge.logo_name or "") for challenge in challenges}
    for phase in Phase.objects.visible_to(user).filter(challenge__in=cards).select_related("dataset"):
        cards[phase.challenge_id].phases.append(phase)
    of_phase = {phase.pk: card for card in cards.values() for phase in card.phases}
    # As on the boards, an entry is what was scored: submitting and cancelling in a loop makes none.
    scored = Submission.objects.filter(
        phase__in=of_phase, is_baseline=False, is_hidden=False, evaluations__is_current=True
    )
    for phase_id, count in scored.order_by().values_list("phase").annotate(count=Count("pk")):
        of_phase[phase_id].n_entries += count
    return list(cards.values())


def _state(phase: Phase | None, now: datetime) -> str:
    if phase is None or phase.opens_at > now:
        return COMING
    return ENDED if phase.has_ended(now) else OPEN
