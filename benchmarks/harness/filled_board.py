"""A phase of 100,000 scored submissions of 2,000 teams, and plain copies of its scores for window queries to read.

Imported once Django is set up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from leaderboard.models import BoardEntry, Standing
from leaderboard.writing import entries_of
from submissions.models import Case, Dataset, Evaluation, Phase, Submission, Team
from submissions.scoring import score

N_TEAMS = 2000
N_ENTRIES = 100_000
BATCH = 2000


class Entry(NamedTuple):
    """What a plain table would keep of a scored submission."""

    team_id: int
    evaluation_id: int
    score: float
    submitted_at: datetime


def fill() -> Phase:
    """Write the phase, its teams, entries with scores of the real form, and their standings."""
    random = np.random.default_rng(1)
    phase = _phase()
    teams = Team.objects.bulk_create(Team(name=f"team {i}", code=f"code{i}") for i in range(N_TEAMS))
    scores = score("lesion", random.integers(0, 2, 300), random.random(300), [str(i // 2) for i in range(300)])
    areas = random.uniform(0.5, 0.95, N_ENTRIES).round(12).tolist()
    entries = list(_written(phase, _submissions(phase, teams), areas, scores))
    Standing.objects.bulk_create(_standings(phase, entries))
    _copy_for_windows(phase, entries)
    return phase


def _phase() -> Phase:
    dataset = Dataset.objects.create(kind="lesion", name="bench", content_hash="x")
    Case.objects.create(dataset=dataset, position=0, public_id="a", truth=0)
    return Phase.objects.create(slug="bench", title="Bench", dataset=dataset)


def _submissions(phase: Phase, teams: Sequence[Team]) -> Iterator[Submission]:
    """Yield a submission a second, the teams taking turns."""
    user = User.objects.create_user("bench")
    start = timezone.now() - timedelta(days=100)
    for number in range(N_ENTRIES):
        yield Submission(
            phase=phase, team=teams[number % N_TEAMS], user=user, submission_type="csv", file="x", original_name="x",
            sha256="0" * 64, size_bytes=1, created_at=start + timedelta(seconds=number),
        )  # fmt: skip


def _written(
    phase: Phase, submissions: Iterator[Submission], areas: list[float], scores: dict[str, Any]
) -> Iterator[Entry]:
    """Write submissions, their evaluations and board entries, a batch at a time."""
    for first in range(0, N_ENTRIES, BATCH):
        taken = areas[first : first + BATCH]
        batch = Submission.objects.bulk_create(next(submissions) for _ in taken)
        evaluations = Evaluation.objects.bulk_create(
            Evaluation(
                submission=submission, status="completed", is_current=True, scores={"public": scores | {"auc": area}}
            )
            for submission, area in zip(batch, taken, strict=True)
        )
        BoardEntry.objects.bulk_create(
            [row for evaluation in evaluations for row in entries_of(phase, evaluation)], batch_size=5000
        )
        for submission, evaluation, area in zip(batch, evaluations, taken, strict=True):
            yield Entry(submission.team_id, evaluation.pk, area, submission.created_at)


def _standings(phase: Phase, entries: Iterable[Entry]) -> list[Standing]:
    """Return each team's best; the earlier of two equals."""
    best: dict[int, Entry] = {}
    for entry in entries:
        if entry.team_id not in best or entry.score > best[entry.team_id].score:
            best[entry.team_id] = entry
    return [
        Standing(
            phase=phase, team_id=entry.team_id, split="public", evaluation_id=entry.evaluation_id, score=entry.score,
            sort_key=round(entry.score, 4), submitted_at=entry.submitted_at,
        )
        for entry in best.values()
    ]  # fmt: skip


def _copy_for_windows(phase: Phase, entries: Sequence[Entry]) -> None:
    """Write every score into a column of its evaluation, and into a narrow table with an index made for it."""
    is_postgres = connection.vendor == "postgresql"
    number, moment = ("DOUBLE PRECISION", "TIMESTAMPTZ") if is_postgres else ("REAL", "TEXT")
    rows = [(phase.pk, entry.team_id, entry.score, _moment(entry.submitted_at, is_postgres)) for entry in entries]
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE plain_entries (phase_id INTEGER, team_id INTEGER, score {number}, submitted_at {moment})"
        )
        cursor.executemany("INSERT INTO plain_entries VALUES (%s, %s, %s, %s)", rows)
        cursor.execute("CREATE INDEX plain_best ON plain_entries (phase_id, team_id, score DESC, submitted_at)")
        cursor.execute(f"ALTER TABLE submissions_evaluation ADD COLUMN bench_score {number}")
        pairs = [(entry.score, entry.evaluation_id) for entry in entries]
        cursor.executemany("UPDATE submissions_evaluation SET bench_score = %s WHERE id = %s", pairs)


def _moment(moment: datetime, is_postgres: bool) -> datetime | str:
    return moment if is_postgres else str(moment)
