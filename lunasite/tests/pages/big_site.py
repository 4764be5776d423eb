"""A site with many teams, and a person with much of everything, for counting what each page costs."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.db.models import Count, Max
from django.utils import timezone

from leaderboard.models import BoardEntry, RankComparison, Standing
from leaderboard.writing import entries_of
from submissions.models import Evaluation, Membership, Message, NewsPost, Phase, Quota, Submission, Team, Webhook
from submissions.tests.factories import make_phase

AT_ONCE = 2000
MUCH = 30


def fill(first: Submission, n_teams: int) -> None:
    """Give the phase of a scored submission as many teams more, each with a scored entry like it; and its user much.

    The user's team gets entries, the user messages and webhooks, the challenge news and phases: MUCH of each.
    """
    ContentType.objects.clear_cache()
    _more_teams(first, n_teams)
    _scored(first, [(first.team, first.user)] * MUCH)
    _much_of(first)
    _compared(first.phase)


def _more_teams(first: Submission, n_teams: int) -> None:
    users = get_user_model().objects.bulk_create(
        (get_user_model()(username=f"user-{i}", email=f"user-{i}@example.org", password="!") for i in range(n_teams)),
        AT_ONCE,
    )
    teams = Team.objects.bulk_create((Team(name=f"Group {i}") for i in range(n_teams)), AT_ONCE)
    pairs = list(zip(teams, users, strict=True))
    Membership.objects.bulk_create((Membership(team=team, user=user, is_owner=True) for team, user in pairs), AT_ONCE)
    evaluations = _scored(first, pairs)
    Standing.objects.bulk_create(
        (
            Standing(
                phase=first.phase, team_id=entry.team_id, split=entry.split, evaluation=entry.evaluation,
                score=abs(entry.sort_key), sort_key=entry.sort_key, submitted_at=entry.submitted_at,
            )
            for entry in _entries(first.phase, evaluations)
            if entry.metric == first.phase.ranking_metric
        ),
        AT_ONCE,
    )  # fmt: skip


def _compared(phase: Phase) -> None:
    """Store which ranks the entries could have, as a worker does soon after each change of the board."""
    found = Standing.objects.filter(phase=phase, split="public").aggregate(newest=Max("pk"), count=Count("pk"))
    state = [found["newest"], found["count"]]
    RankComparison.objects.create(phase=phase, split="public", standings=state, computed_at=timezone.now())


def _scored(first: Submission, pairs: list[tuple[Team, Any]]) -> list[Evaluation]:
    """Write a scored submission for each team and user; return the evaluations."""
    now = timezone.now()
    like, metric = first.latest, first.phase.ranking_metric
    submissions = Submission.objects.bulk_create(
        (
            Submission(
                phase=first.phase, team=team, user=user, submission_type="csv", file=first.file, sha256="0" * 64,
                original_name="a.csv", size_bytes=9, created_at=now - timedelta(seconds=i), model_name="A model",
                model_version="1", code_url="https://example.org/code",
            )
            for i, (team, user) in enumerate(pairs)
        ),
        AT_ONCE,
    )  # fmt: skip
    evaluations = []
    for i, submission in enumerate(submissions):
        scores = deepcopy(like.scores)
        scores["public"][metric] = 0.5 + (i % 4000) / 10_000
        evaluations.append(
            Evaluation(
                submission=submission, status="completed", is_current=True, scores=scores, curves=like.curves,
                dataset_hash=like.dataset_hash, predictions=like.predictions, timings=like.timings, finished_at=now,
            )
        )  # fmt: skip
    made = Evaluation.objects.bulk_create(evaluations, AT_ONCE)
    BoardEntry.objects.bulk_create(_entries(first.phase, made), AT_ONCE)
    return made


def _entries(phase: Phase, evaluations: list[Evaluation]) -> Iterator[BoardEntry]:
    for evaluation in evaluations:
        yield from entries_of(phase, evaluation)


def _much_of(first: Submission) -> None:
    user, challenge = first.user, first.phase.challenge
    Message.objects.bulk_create(
        Message(user=user, kind="team", key=f"k{i}", subject=f"Subject {i}", text="Text") for i in range(MUCH)
    )
    Webhook.objects.bulk_create(Webhook(user=user, url=f"https://example.org/{i}", kinds=["team"]) for i in range(5))
    NewsPost.objects.bulk_create(
        NewsPost(challenge=challenge, title=f"News {i}", body="Text", author=user, author_name="own")
        for i in range(MUCH)
    )
    for window in (None, timedelta(days=1)):
        Quota.objects.create(phase=first.phase, tries=300, window=window)
    for i in range(5):
        make_phase(
            slug=f"more-{i}", title=f"Phase {i}", challenge=challenge, quotas=[(3, None), (1, timedelta(days=1))]
        )
