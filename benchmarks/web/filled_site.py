"""A site with three phases, sixty teams and their scored entries, for loads and profiles of the pages.

    python -m benchmarks.web.filled_site        # fills the empty, migrated database of the environment

prints what visitors need as JSON: `cookies` and `tokens` of the members, `report`, the path of a scored submission,
and `cases`, the number of cases of the phase `practice`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

if __name__ == "__main__":
    import django

    django.setup()

from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from knox.models import get_token_model

from leaderboard.tests import boards
from submissions.models import Phase, Submission
from submissions.teams.membership import create_team

N_TEAMS = 60
N_CASES = 300
ENTRIES_A_TEAM = 2


@dataclass(frozen=True)
class FilledSite:
    """phase: the practice phase, full of entries, that takes more. members: one of each team."""

    phase: Phase
    members: list[User]


def fill(n_teams: int = N_TEAMS) -> FilledSite:
    """Write the phases, the teams, and scores and curves of the real form."""
    random = np.random.default_rng(1)
    members = [_member(number) for number in range(n_teams)]
    dataset = boards.make_dataset(N_CASES, private=False)
    truth = np.array(dataset.cases.order_by("position").values_list("truth", flat=True))
    phase = boards.make_phase(dataset, slug="practice", title="Nodule malignancy", description="About it. " * 30)
    month = timedelta(days=30)
    for slug, opens, closes in (("coming", month, 2 * month), ("ended", -2 * month, -month)):
        now = timezone.now()
        boards.make_phase(dataset, slug=slug, title=slug.title(), opens_at=now + opens, closes_at=now + closes)
    for member in members:
        team = member.membership.team
        for days_ago in range(ENTRIES_A_TEAM, 0, -1):
            noisy = 1 / (1 + np.exp(-(2 * truth - 1 + random.normal(0, 1.5, N_CASES))))
            boards.make_scored_entry(phase, team, noisy.round(6), days_ago=days_ago)
    return FilledSite(phase, members)


def _member(number: int) -> User:
    """Return a member without a password, whose hash would take longer than all else."""
    member = User.objects.create_user(f"member{number}")
    create_team(user=member, name=f"Team {number}")
    return member


def _as_json(site: FilledSite) -> str:
    """Return the site as the visitors of a load need it."""
    clients = [Client() for _ in site.members]
    for client, member in zip(clients, site.members, strict=True):
        client.force_login(member, "allauth.account.auth_backends.AuthenticationBackend")
    tokens = [get_token_model().objects.create(user=member)[1] for member in site.members]
    cookies = [client.cookies["sessionid"].value for client in clients]
    path = f"/submissions/{_first_submission(site).pk}/"
    return json.dumps({"cookies": cookies, "tokens": tokens, "report": path, "cases": N_CASES})


def _first_submission(site: FilledSite) -> Submission:
    return site.phase.submissions.filter(user=site.members[0]).latest("created_at")


if __name__ == "__main__":
    print(_as_json(fill()))
