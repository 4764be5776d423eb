"""On which terms people take part: the one place that knows that the terms are kept with the challenge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model

from submissions.models import Challenge, Participation, Phase
from submissions.models.participation import digest_of

if TYPE_CHECKING:
    from django.db.models import QuerySet


@dataclass(frozen=True)
class Terms:
    """The terms of a challenge and how far one person has met them. participation: None before the first step."""

    needs_approval: bool
    rules: str
    participation: Participation | None

    @property
    def status(self) -> str:
        return self.participation.status if self.participation else Participation.Status.NONE

    @property
    def lacks_approval(self) -> bool:
        return self.needs_approval and self.status != Participation.Status.ACCEPTED

    @property
    def lacks_rules(self) -> bool:
        accepted = self.participation.rules_digest if self.participation else ""
        return bool(self.rules.strip()) and accepted != digest_of(self.rules)

    @property
    def rules_digest(self) -> str:
        return digest_of(self.rules)

    @property
    def are_met(self) -> bool:
        return not (self.lacks_approval or self.lacks_rules)


def terms_for(phase: Phase, user: Any) -> Terms:
    """Return the terms of the phase's challenge as they stand for `user`, who may be anonymous."""
    return terms_of(phase.challenge, user)


def terms_of(challenge: Challenge, user: Any) -> Terms:
    """Return the terms of the challenge as they stand for `user`, who may be anonymous."""
    participation = None
    if user.is_authenticated and (challenge.needs_approval or challenge.rules.strip()):
        participation = Participation.objects.filter(challenge=challenge, user=user).first()
    return Terms(challenge.needs_approval, challenge.rules, participation)


def organisers_of(place: Phase | Challenge) -> QuerySet[Any]:
    """Return the people who decide about the place: its organisers, else whoever may decide about every phase."""
    own = place.organisers.filter(is_active=True)
    if own.exists():
        return own
    everyone = get_user_model().objects.with_perm(  # type: ignore[attr-defined]
        "submissions.all_phases", backend="django.contrib.auth.backends.ModelBackend"
    )
    return everyone.filter(is_staff=True)  # type: ignore[no-any-return]
