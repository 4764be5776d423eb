"""Board entries: written with the score, mended by one command, filled in by the migration."""

import math

import numpy as np
import pytest
from django.core.management import call_command

from leaderboard.models import BoardEntry, Standing
from leaderboard.writing import key_of
from submissions import actions
from submissions.actions import finish
from submissions.actions.evaluate import claim
from submissions.models import Phase
from submissions.scoring import MISSING
from submissions.tests.factories import (
    GOOD,
    evaluated,
    make_dataset,
    make_member,
    make_phase,
    make_submission,
)

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


def rows(model=BoardEntry):
    fields = [field.attname for field in model._meta.fields if field.name != "id"]
    return sorted(map(str, model.objects.values_list(*fields)))


def two_split_phase(**fields):
    dataset = make_dataset(truth=[0, 0, 0, 0, 1, 1, 1, 1, 0, 1], splits=["public", "private"] * 5)
    return make_phase(dataset, tie_breaks=["average_precision", "brier"], **fields)


def test_a_scored_submission_has_a_row_a_split_and_metric():
    phase = two_split_phase()
    evaluation = evaluated(phase=phase).latest
    assert BoardEntry.objects.count() == 2 * len(phase.kind.metrics) + 1  # one as participants see it
    auc, brier = (BoardEntry.objects.get(split="private", metric=name) for name in ("auc", "brier"))
    scores = evaluation.scores["private"]
    assert (auc.sort_key, brier.sort_key) == (round(scores["auc"], 4), -round(scores["brier"], 4))
    assert auc.tie_keys == [round(scores["average_precision"], 4), -round(scores["brier"], 4)]
    assert brier.tie_keys == []


def test_a_finish_leaves_the_rows_of_earlier_submissions_alone():
    user, phase = make_member(), make_phase()
    evaluated(user=user, phase=phase)
    before = set(BoardEntry.objects.values_list("pk", flat=True))
    evaluated(user=user, phase=phase, values=[0.5] * 10)
    assert before < set(BoardEntry.objects.values_list("pk", flat=True))


def test_a_re_evaluation_replaces_the_rows():
    submission = evaluated()
    actions.re_evaluate(submission=submission)
    actions.evaluate(evaluation_id=submission.latest.pk, worker="tests")
    assert set(BoardEntry.objects.values_list("evaluation", flat=True)) == {submission.latest.pk}


def test_a_run_that_outlasts_a_change_of_the_metric_is_ranked_by_the_new_one():
    submission = make_submission()
    running = claim(submission.latest.pk, "w")
    Phase.objects.update(metric="brier", decimals=2)
    finish.complete(evaluation=running, outcome=finish.Outcome(np.array(GOOD)))
    brier = submission.latest.scores["public"]["brier"]
    standing = Standing.objects.get()
    assert (standing.score, standing.sort_key) == (brier, -round(brier, 2))


@pytest.mark.parametrize("better_first", [True, False])
def test_of_equal_scores_the_one_with_the_better_tie_break_stands(better_first):
    """Both rank all cases alike (AUC 23/24); the squares of the sharper one are smaller (Brier score)."""
    user, phase = make_member(), make_phase(tie_breaks=["brier"])
    given = [GOOD, [value / 10 for value in GOOD]]
    first, second = (evaluated(user=user, phase=phase, values=values) for values in given[:: 1 if better_first else -1])
    standing = Standing.objects.get()
    assert standing.evaluation == (first if better_first else second).latest
    assert standing.sort_key == pytest.approx(23 / 24, abs=5e-5)


def test_of_entries_equal_in_everything_the_earliest_stands():
    user, phase = make_member(), make_phase(tie_breaks=["brier"])
    first, _ = (evaluated(user=user, phase=phase) for _ in range(2))
    assert Standing.objects.get().evaluation == first.latest


@pytest.mark.parametrize("decimals", [4, None])
def test_one_command_writes_them_anew(decimals):
    user, phase = make_member(), two_split_phase(decimals=decimals)
    evaluated(user=user, phase=phase)
    actions.mark_baseline(submission=evaluated(user=user, phase=phase, values=[0.5] * 10), is_baseline=True)
    actions.set_hidden(submission=evaluated(phase=phase), is_hidden=True)
    entries, standings = rows(), rows(Standing)
    BoardEntry.objects.all().delete()
    Standing.objects.all().delete()
    call_command("rebuild_standings")
    assert (rows(), rows(Standing)) == (entries, standings)


@pytest.mark.parametrize(
    ("metric", "value", "key"),
    [
        ("auc", 0.50004, 0.5), ("brier", 0.25, -0.25), ("auc", None, MISSING), ("brier", None, MISSING),
        ("auc", math.nan, MISSING), ("auc", 1, 1.0),
    ],
)  # fmt: skip
def test_keys_are_rounded_and_higher_is_better(metric, value, key):
    assert key_of(make_phase(), metric, {metric: value}) == key


def test_missing_survives_the_database():
    evaluated()
    BoardEntry.objects.update(sort_key=MISSING)
    assert BoardEntry.objects.filter(sort_key=MISSING).count() == BoardEntry.objects.count()
    assert not BoardEntry.objects.filter(sort_key__gt=MISSING).exists()
