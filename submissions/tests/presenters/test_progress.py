"""Where an evaluation stands: the place in the queue, cases done, the guess of what is left, whose fault it was."""

from datetime import timedelta

import pytest
from django.utils import timezone

from submissions import actions
from submissions.actions.evaluate import claim
from submissions.disclosure import View
from submissions.models import Evaluation
from submissions.presenters import waiting as outlooks
from submissions.presenters.progress import STAGES, progress_of
from submissions.presenters.score_table import listed_score, score_rows
from submissions.tests.factories import evaluated, make_member, make_phase, make_submission, make_worker

pytestmark = pytest.mark.django_db


def running(*, since_s=40, **fields):
    """Return (evaluation, now): running for `since_s` seconds."""
    evaluation = claim(make_submission().latest.pk, "w")
    now = timezone.now()
    Evaluation.objects.filter(pk=evaluation.pk).update(started_at=now - timedelta(seconds=since_s), **fields)
    evaluation.refresh_from_db()
    return evaluation, now


@pytest.mark.slow
def test_the_queue_counts_what_waits_ahead_in_the_same_queue():
    first, second, image, third = (make_submission() for _ in range(4))
    type(image).objects.filter(pk=image.pk).update(submission_type="docker")
    assert [progress_of(item.latest, timezone.now()).place for item in (first, second, third)] == [1, 2, 3]
    image.refresh_from_db()
    assert progress_of(image.latest, timezone.now()).place == 1
    claim(first.latest.pk, "w")
    make_worker()
    outlooks.forget()
    waiting = progress_of(third.latest, timezone.now())
    assert (waiting.place, waiting.sentence, waiting.step) == (2, "Waiting in the queue, place 2.", "queued")


@pytest.mark.parametrize(
    ("answered", "total", "left_s", "sentence"),
    [
        (0, 0, None, "A worker has started."),
        (0, 8, None, "0 / 8 cases, 40 s."),
        (2, 8, 120, "2 / 8 cases, 40 s, about 2 min left."),
        (8, 8, 0, "8 / 8 cases, 40 s, about 0 s left."),
    ],
)
def test_what_is_left_takes_as_long_a_case_as_what_is_done(answered, total, left_s, sentence):
    progress = progress_of(*running(answered=answered, total=total))
    assert (progress.answered, progress.total, progress.elapsed_s, progress.left_s) == (answered, total, 40, left_s)
    assert progress.sentence == sentence


def test_loading_an_image_does_not_slow_the_guess():
    began = (timezone.now() - timedelta(seconds=10)).isoformat()
    progress = progress_of(*running(since_s=100, answered=5, total=20, timings={"predict_started_at": began}))
    assert (progress.elapsed_s, progress.left_s) == (100, 30)


def test_the_trial_gives_no_guess():
    progress = progress_of(*running(answered=1, total=2, stage="smoke"))
    assert (progress.left_s, progress.sentence) == (None, "1 / 2 cases, 40 s.")


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_without_cases_has_its_own_sentence(stage):
    assert progress_of(*running(stage=stage)).sentence == STAGES[stage]


@pytest.mark.slow
def test_a_scored_one_says_how_many_were_answered():
    submission = evaluated()
    submission.evaluations.update(answered=9, total=10)
    progress = progress_of(submission.latest, timezone.now())
    assert (progress.step, progress.answered, progress.total, progress.left_s) == ("scored", 9, 10, None)


@pytest.mark.parametrize(
    ("code", "note", "words"),
    [
        ("OUT_OF_MEMORY", "It had 1 GiB.", ["It had 1 GiB.", "This was the submission's fault; the try counted."]),
        ("SYSTEM_DISK", "", ["the try was given back", "This was our fault."]),
        ("CSV_IDS", "", ["This was the submission's fault"]),
    ],
)
def test_a_failure_says_whose_fault_it_was_and_what_became_of_the_try(code, note, words):
    submission = make_submission()
    actions.fail(evaluation=claim(submission.latest.pk, "w"), code=code, note=note)
    submission.refresh_from_db()
    sentence = progress_of(submission.latest, timezone.now()).sentence
    assert [word for word in words if word not in sentence] == []
    assert sentence.count("the try") == 1
    assert "  " not in sentence


@pytest.mark.slow
def test_a_failure_of_ours_after_a_score_says_that_the_scores_stand():
    submission = evaluated()
    actions.re_evaluate(submission=submission)
    actions.fail(evaluation=claim(submission.latest.pk, "w"), code="SYSTEM_DISK")
    submission.refresh_from_db()
    sentence = progress_of(submission.latest, timezone.now()).sentence
    assert sentence.endswith("This was our fault; the scores of the earlier run stand.")
    assert "given back" not in sentence


@pytest.mark.parametrize(
    ("decimals", "value", "text"),
    [(2, 0.12345, "0.12"), (0, 0.7, "1"), (None, 0.123456, "0.1235"), (4, None, "–"), (3, 0.0, "0.000")],
)
def test_a_page_rounds_as_its_phase_says(decimals, value, text):
    assert View("practice", "auc", decimals).score_text(value) == text


def test_the_table_puts_the_ranking_metric_first_and_leaves_out_what_no_split_has():
    phase = make_phase(metric="brier", decimals=2)
    scores = {
        "public": {"auc": 0.9, "brier": 0.125, "brier_ci": {"cases": [0.1, 0.2]}},
        "private": {"auc": 0.8, "auc_ci": {"luna25": [0.7, 0.9]}},
    }
    rows = score_rows(phase, scores, phase.view_in("ended"))
    assert [(row.ranks, row.higher_is_better) for row in rows] == [(True, False), (False, True)]
    table = [[(cell.split, cell.value, cell.low, cell.high) for cell in row.cells] for row in rows]
    assert table == [
        [("public", "0.12", "0.10", "0.20"), ("private", "–", "", "")],
        [("public", "0.90", "", ""), ("private", "0.80", "0.70", "0.90")],
    ]


@pytest.mark.slow
def test_a_list_shows_the_score_once_there_is_one():
    user, phase = make_member(), make_phase(decimals=3)
    now = timezone.now()
    assert listed_score(make_submission(user=user, phase=phase), user, now) == ""
    assert listed_score(evaluated(user=user, phase=phase), user, now) == "0.958"
