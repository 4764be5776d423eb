"""Phases with scored entries, written as a worker would leave them."""

from datetime import timedelta
from functools import cache

import numpy as np
from django.contrib.auth.models import User
from django.utils import timezone

from leaderboard.writing import recompute_team_standings
from submissions.kinds.packing import pack
from submissions.models import Case, Dataset, Evaluation, Membership, Phase, Submission, Team
from submissions.scoring import curves, score


def make_dataset(n=40, private=True, kind="lesion"):
    """A dataset of n cases, two a patient, every other patient private."""
    dataset = Dataset.objects.create(kind=kind, name=f"phantoms-{Dataset.objects.count()}", content_hash="hash")
    Case.objects.bulk_create(
        Case(
            dataset=dataset,
            position=i,
            public_id=f"case{i}",
            truth=(i // 3) % 2,
            patient=f"patient{i // 2}",
            split="private" if private and (i // 2) % 2 else "public",
        )
        for i in range(n)
    )
    return dataset


def make_phase(dataset=None, **fields):
    fields = {
        "disclosure": "practice",
        "slug": "lesions",
        "title": "Lesions",
        "opens_at": timezone.now() - timedelta(days=9),
    } | fields
    return Phase.objects.create(dataset=dataset or make_dataset(), **fields)


def make_team(name, user=None):
    team = Team.objects.create(name=name)
    user = user or User.objects.create_user(f"user{User.objects.count()}", password="pw")
    Membership.objects.create(team=team, user=user, is_owner=True)
    return team


def make_entry(phase, team, *, public=None, private=None, days_ago=1.0, predictions=None, curves=None, **fields):
    """A completed submission. public, private: scores as numbers of the ranking metric, or whole maps."""
    submission = Submission.objects.create(
        phase=phase,
        team=team,
        user=team.memberships.first().user,
        submission_type="csv",
        file="submissions/x/predictions.csv",
        original_name="predictions.csv",
        sha256="0" * 64,
        size_bytes=1,
        created_at=timezone.now() - timedelta(days=days_ago),
        **fields,
    )
    given = {"public": public, "private": private}
    scores = {split: _scores(phase, value) for split, value in given.items() if value is not None}
    evaluation = Evaluation.objects.create(
        submission=submission,
        status="completed",
        is_current=True,
        scores=scores,
        curves=curves or {},
        dataset_hash=phase.dataset.content_hash,
        predictions=None if predictions is None else pack(predictions),
        finished_at=timezone.now(),
    )
    recompute_team_standings(phase, team)
    return evaluation


def _scores(phase, value):
    if isinstance(value, dict):
        return value
    name = phase.ranking_metric
    return {"n": 20, name: value, f"{name}_ci": {"patient": [value - 0.05, min(value + 0.05, 1.0)]}}


@cache
def scored(kind, truth, predictions, patients):
    """Score once what many boards hold: intervals take a quarter of a second."""
    return score(kind, list(truth), np.array(predictions), list(patients), seed=1)


def make_scored_entry(phase, team, predictions, **fields):
    """An entry whose scores are those of its predictions."""
    predictions = np.asarray(predictions, dtype=float)
    rows = list(phase.dataset.scored_cases().values_list("truth", "split", "patient"))
    scores, drawn = {}, {}
    for split in {split for _, split, _ in rows}:
        at = [i for i, row in enumerate(rows) if row[1] == split]
        truth, patients = [rows[i][0] for i in at], [rows[i][2] for i in at]
        scores[split] = scored(phase.kind.name, tuple(truth), tuple(predictions[at]), tuple(patients))
        drawn[split] = curves(phase.kind.name, truth, predictions[at])
    given = {split: scores.get(split) for split in ("public", "private")}
    return make_entry(phase, team, predictions=predictions, curves=drawn, **given, **fields)
